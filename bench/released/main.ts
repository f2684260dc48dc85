// Whether heads rank on released models: docs/results/released-models.md, made by
//
//   npm run models:real
//   npx tsx bench/released/main.ts --data DIR [--minutes N] [--model KEY] [--only SET,SET] [--read-only]
//
// DIR holds the sets that config.json names. Every query is read once, with all heads, and its attention is kept in
// --readings (several GB for all queries); any head set is then scored from it. Run it again to go on.
import { parseArgs } from "node:util";
import { config } from "./config.ts";
import { openTasks, readAll } from "./reading.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    models: { type: "string", default: ".cache/real" },
    readings: { type: "string", default: ".cache/released-readings" },
    minutes: { type: "string", default: "1000000" },
    model: { type: "string" },
    only: { type: "string" },
    "read-only": { type: "boolean", default: false },
  },
});
if (values.data === undefined) throw new Error("Expected --data DIR with the sets that config.json names");
const until = Date.now() + Number(values.minutes) * 60_000;
const only = values.only?.split(",");
const sets = config.sets.filter((set) => !only || only.some((name) => set.includes(name)));
const tasks = await openTasks({ ...config, sets }, values.data);
for (const model of config.models) {
  if (values.model !== undefined && model.key !== values.model) continue;
  await readAll(config, model, tasks, { models: values.models, folder: values.readings, until });
}
