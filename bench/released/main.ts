// Whether heads rank on released models: docs/results/released-models.md and .json, made by
//
//   npm run models:real
//   npx tsx bench/released/main.ts --data DIR [--minutes N] [--model KEY] [--only SET,SET] [--read-only | --page-only]
//
// DIR holds the sets that config.json names. Every query is read once, with all heads, and its attention is kept in
// --readings (several GB for all queries); any head set is then scored from it. Run it again to go on. What the page says
// of the numbers is in conclusion.md, what other commands measured in further.md, and what variants.ts measured in
// variants.md.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadModel } from "../../src/model/model.ts";
import { config } from "./config.ts";
import { measureCosts } from "./costs.ts";
import { denseOf, embedAll } from "./dense.ts";
import { choicesOf, methodsOf, publishedHeads, type Read } from "./methods.ts";
import { type Part, resultPage } from "./page.ts";
import { openParaphrases } from "./paraphrases.ts";
import { readAll } from "./reader.ts";
import { attentionOf, openTasks, placeOf, readingOf } from "./reading.ts";
import { toJson } from "./summary.ts";
import { evaluate } from "./table.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    models: { type: "string", default: ".cache/real" },
    readings: { type: "string", default: ".cache/released-readings" },
    minutes: { type: "string", default: "1000000" },
    model: { type: "string" },
    only: { type: "string" },
    "read-only": { type: "boolean", default: false },
    "page-only": { type: "boolean", default: false },
    output: { type: "string", short: "o", default: "docs/results/released-models" },
  },
});
if (values.data === undefined) throw new Error("Expected --data DIR with the sets that config.json names");
const until = Date.now() + Number(values.minutes) * 60_000;
const only = values.only?.split(",");
const sets = config.sets.filter((set) => !only || only.some((name) => set.includes(name)));
const tasks = await openTasks({ ...config, sets }, values.data);
const chosen = config.models.filter(({ key }) => values.model === undefined || key === values.model);
const folders = { models: values.models, folder: values.readings };
const paraphrases = await openParaphrases(config, values.readings);
if (!values["page-only"]) {
  for (const model of chosen) {
    await readAll(config, model, tasks, { ...folders, until });
    const queries = paraphrases.topics.length;
    await readAll({ ...config, queries }, model, [paraphrases], { ...folders, until });
  }
}
if (!values["read-only"]) {
  await embedAll(config, [...tasks, paraphrases], folders);
  const parts: Part[] = [];
  for (const model of chosen) {
    const { native, identity } = await loadModel({ model: path.join(values.models, model.file), gpu: false });
    await native.dispose();
    const [methods, choices] = [methodsOf(config, model, identity), choicesOf(model, identity)];
    const open = (task: string, query: string) => openRead(values.readings, model.key, task, query);
    parts.push({
      ...{ model, methods, choices },
      results: evaluate(tasks, [...methods, ...choices], open),
      paraphrases: evaluate([paraphrases], [...methods, ...choices], open),
      costs: await measureCosts(model, publishedHeads(identity).heads, tasks, folders),
    });
  }
  const textOf = (name: string) => readFileSync(new URL(`${name}.md`, import.meta.url), "utf8");
  const texts = { conclusion: textOf("conclusion"), variants: textOf("variants"), further: textOf("further") };
  writeFileSync(`${values.output}.md`, resultPage(config, parts, texts));
  writeFileSync(`${values.output}.json`, `${JSON.stringify(toJson(config, parts))}\n`);
  console.log(`${values.output}.md`);
}

/** A query as methods see it. */
function openRead(folder: string, model: string, task: string, query: string): Read | null {
  const place = placeOf(folder, model, task, query);
  const reading = readingOf(place);
  if (!reading) return null;
  const [asked, nothing] = attentionOf(place, reading).values();
  return { reading, attention: { query: asked!, null: nothing! }, dense: denseOf(folder, reading) };
}
