// Makes the models that tests and benchmarks run on: real vocabularies, seeded random weights. Nothing is downloaded.
import { mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isCurrent, makeModel } from "./models/make.ts";
import { benchNames, modelNames, modelSpec, tinyNames } from "./models/table.ts";

const directory = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", ".cache", "models");
const usage = "make-models [--tiny] [--bench] [--list] [--force] [NAME...]";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tiny: { type: "boolean", default: false },
    bench: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    force: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function chosenNames(): Set<string> {
  const names = new Set(positionals);
  const everyTiny = options.tiny || (names.size === 0 && !options.bench);
  if (everyTiny) for (const name of tinyNames) names.add(name);
  if (options.bench) for (const name of benchNames) names.add(name);
  return names;
}

function make(name: string): void {
  const spec = modelSpec(name);
  const file = path.join(directory, `${name}.gguf`);
  const begin = performance.now();
  const made = options.force || !isCurrent(file, spec);
  if (made) makeModel(spec, file);
  const megabytes = (statSync(file).size / 1e6).toFixed(1);
  console.log(`${made ? "made" : "kept"} ${name} (${megabytes} MB, ${Math.round(performance.now() - begin)} ms)`);
}

const unknown = positionals.find((name) => !modelNames.includes(name));
if (options.help) console.log(usage);
else if (options.list) console.log(modelNames.join("\n"));
else if (unknown !== undefined) {
  console.error(`Expected one of ${modelNames.join(", ")} but received ${unknown}`);
  process.exitCode = 2;
} else {
  mkdirSync(directory, { recursive: true });
  for (const name of chosenNames()) make(name);
}
