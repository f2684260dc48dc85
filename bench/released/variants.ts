// What orders, prompts and null queries are worth on released models: a section of docs/results/released-models.md, also
// in variants.md, and docs/results/released-variants.json, made by
//
//   npx tsx bench/released/variants.ts --data DIR [--minutes N] [--model KEY] [--only SET,SET] [--read-only | --page-only]
//
// The queries are the first of each set that main.ts reads. Each is read once for every order and prompt, and what was
// seen is kept in --readings. Run it again to go on.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadModel } from "../../src/model/model.ts";
import { type Config, config } from "./config.ts";
import { type ChoicePart, variantSection, withSection } from "./page.ts";
import { Reader } from "./reader.ts";
import { attentionOf, keep, type OpenTask, openTasks, placeOf, readingOf } from "./reading.ts";
import { toSets } from "./summary.ts";
import { evaluate } from "./table.ts";
import { settingsOf, type VariantRead, type VariantSeen, variantsOf } from "./variant-rows.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    models: { type: "string", default: ".cache/real" },
    readings: { type: "string", default: ".cache/released-variants" },
    minutes: { type: "string", default: "1000000" },
    model: { type: "string" },
    only: { type: "string" },
    "read-only": { type: "boolean", default: false },
    "page-only": { type: "boolean", default: false },
    output: { type: "string", short: "o", default: "docs/results/released-variants.json" },
    page: { type: "string", default: "docs/results/released-models.md" },
  },
});
if (values.data === undefined) throw new Error("Expected --data DIR with the sets that config.json names");
const until = Date.now() + Number(values.minutes) * 60_000;
const only = values.only?.split(",");
const sets = config.sets.filter((set) => !only || only.some((name) => set.includes(name)));
const tasks = await openTasks({ ...config, sets }, values.data);
const folderOf = (setting: string) => path.join(values.readings, setting.replaceAll(" ", "-"));

if (!values["page-only"]) {
  for (const model of config.models.filter(({ key }) => values.model === undefined || key === values.model)) {
    await readSettings(model, tasks);
  }
}
if (!values["read-only"]) {
  const parts: ChoicePart[] = [];
  for (const model of config.models) {
    const { native, identity } = await loadModel({ model: path.join(values.models, model.file), gpu: false });
    await native.dispose();
    const [settings, choices] = [settingsOf(config, model, identity), variantsOf(config, model, identity)];
    const chosen = tasks.map((open) => ({ ...open, topics: open.topics.slice(0, model.variants.queries) }));
    const open = (task: string, query: string) => openRead([...settings.keys()], model.key, task, query);
    parts.push({ model, choices, results: evaluate(chosen, choices, open) });
  }
  const section = variantSection(config, parts);
  writeFileSync(new URL("variants.md", import.meta.url), section);
  writeFileSync(values.page, withSection(readFileSync(values.page, "utf8"), section));
  const models = parts.map(({ model, results: { cpuMs, promptTokens, sets } }) => ({
    ...{ model: model.key, promptTokens, cpuMs },
    sets: toSets(sets),
  }));
  writeFileSync(values.output, `${JSON.stringify({ config, models })}\n`);
  console.log(values.output);
}

/** The first query of every set in every setting, then the second ones, until the deadline. */
async function readSettings(model: Config["models"][number], open: readonly OpenTask[]): Promise<void> {
  await using reader = await Reader.open(path.join(values.models, model.file), config);
  const settings = settingsOf(config, model, reader.identity);
  for (let round = 0; round < model.variants.queries; round++) {
    for (const { task, topics } of open) {
      const topic = topics[round];
      if (!topic) continue;
      for (const [name, setting] of settings) {
        if (Date.now() > until) return;
        const place = placeOf(folderOf(name), model.key, task.name, topic.id);
        if (existsSync(`${place}.json`)) continue;
        const read = await reader.read(task, topic, setting);
        if (!read) break;
        keep(place, read.reading, read.attention);
        const { promptTokens, cpuMs } = read.reading;
        console.log(`${model.key} ${round} ${task.name} ${name}: ${promptTokens} tokens ${cpuMs} ms`);
      }
    }
  }
}

/** A query that was read in every setting; null where one is missing. */
function openRead(settings: readonly string[], model: string, task: string, query: string): VariantRead | null {
  const seen = new Map<string, VariantSeen>();
  for (const name of settings) {
    const place = placeOf(folderOf(name), model, task, query);
    const reading = readingOf(place);
    if (!reading) return null;
    seen.set(name, { reading, asks: attentionOf(place, reading) });
  }
  return { reading: seen.get(settings[0]!)!.reading, seen };
}
