// The repository's own rules, which no linter knows: the size of files, no late binding undone, nothing left unfinished.
// Which file may import which stands in biome.json.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const problems = [];
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => /\.(ts|mts|mjs|cpp|h)$/.test(file) && existsSync(path.join(root, file)));
const read = (file) => readFileSync(path.join(root, file), "utf8");

const limits = { ts: 400, mts: 400, mjs: 400, cpp: 450, h: 450 };
for (const file of files) {
  const lines = read(file).split("\n").length - 1;
  const limit = limits[file.split(".").pop()];
  if (lines > limit) problems.push(`${file} has ${lines} lines: at most ${limit}`);
}

for (const file of files.filter((name) => name.startsWith("native/"))) {
  const text = read(file);
  if (file.startsWith("native/engine/") && /napi/i.test(text))
    problems.push(`${file} mentions Node-API: the engine knows none`);
  const direct = text.match(/(?<![\w.>&])(llama|ggml)_\w+\(/g)?.filter((call) => !/_t\(/.test(call));
  if (file !== "native/engine/llama_api.h" && direct?.length) {
    problems.push(`${file} calls ${direct[0]}) directly: go through api(), or the addon needs llama.cpp to load`);
  }
}

const unfinished = /\b(?:TODO|FIXME|XXX)\b|\b(?:it|test|describe)\.(?:only|todo)\(/;
for (const file of files.filter((name) => !name.endsWith("check-house.mjs"))) {
  const line = read(file)
    .split("\n")
    .findIndex((text) => unfinished.test(text));
  if (line !== -1) problems.push(`${file}:${line + 1} is unfinished`);
}

for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log(`The house is in order: ${files.length} files.`);
process.exitCode = problems.length === 0 ? 0 : 1;
