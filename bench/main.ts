// `npm run bench`: every measure of docs/results/speed.md with what this project asks of it, as a Markdown table. All ratios are
// of things that take turns in one run; the machine should have nothing else to do.
//
//   npm run bench -- [PART…] [--rounds 5] [--model M]     --model: for the parts queries, peers and corpora
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { corpusRows } from "./corpora.ts";
import { growth } from "./growth.ts";
import { peerRows } from "./peers.ts";
import { outgrowing, queryRows } from "./queries.ts";
import { printRow, type Row, type Settings } from "./rows.ts";
import { halfABillion, mini, smollm2 } from "./shapes.ts";

const PARTS: Readonly<Record<string, (settings: Settings) => Iterable<Row> | AsyncIterable<Row>>> = {
  "0.5b": halfABillion,
  smollm2,
  mini,
  peers: peerRows,
  queries: queryRows,
  corpora: corpusRows,
  outgrowing,
  growth,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, model: { type: "string" } },
});
const parts = positionals.length > 0 ? positionals : Object.keys(PARTS);
const unknown = parts.find((name) => !(name in PARTS));
if (unknown !== undefined) {
  console.error(`Expected one of ${Object.keys(PARTS).join(", ")} but received ${unknown}`);
  process.exit(2);
}
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const made = spawnSync(process.execPath, ["--import", "tsx", "scripts/make-models.ts", "--bench"], { cwd: root });
if (made.status !== 0) throw new Error(`make-models failed: ${made.stderr}`);

const processors = cpus();
console.log(`${processors[0]?.model.trim()}, ${processors.length} processors, ${values.rounds} rounds\n`);
console.log("| measure | | goal | |\n|---|---|---|---|");
for (const part of parts) {
  for await (const row of PARTS[part]!({ rounds: Number(values.rounds), model: values.model })) printRow(row);
}
