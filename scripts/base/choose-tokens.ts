// Chooses the tokens that the base model keeps from counts of count-tokens.ts: the most frequent ones, kinds of text weighted.
//
//   npx tsx scripts/base/choose-tokens.ts --model FILE.gguf --tokens 36000 --output scripts/base/vocabulary.json \
//     english=counts-train.json:0.45 encyclopedia=counts-wiki.json:0.3 code=counts-code.json:0.25
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readGgufHeader } from "../models/gguf-reader.ts";
import { readVocabulary } from "./cut.ts";
import { closeUnderMerges, packIds } from "./vocabulary.ts";

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: "string" }, tokens: { type: "string" }, output: { type: "string" } },
});
if (!given.model || !given.output || !given.tokens) throw new Error("Expected --model, --tokens and --output");

const kinds = positionals.map((text) => {
  const [, name, file, weight] = /^(\w+)=(.+):([\d.]+)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`Expected NAME=COUNTS.json:WEIGHT but received ${text}`);
  const counts = JSON.parse(readFileSync(file!, "utf8")) as number[];
  return { name, counts, weight: Number(weight), total: counts.reduce((sum, count) => sum + count, 0) };
});
const vocabulary = readVocabulary(readGgufHeader(given.model).entries);
const shares = vocabulary.tokens.map((_, id) =>
  kinds.reduce((sum, { counts, weight, total }) => sum + (weight * counts[id]!) / total, 0),
);
const byShare = shares.map((_, id) => id).sort((a, b) => shares[b]! - shares[a]! || a - b);
const kept = closeUnderMerges(vocabulary, byShare.slice(0, Number(given.tokens)));
const lost = Object.fromEntries(
  kinds.map(({ name, counts, total }) => [
    name,
    Number((counts.reduce((sum, count, id) => sum + (kept.has(id) ? 0 : count), 0) / total).toFixed(5)),
  ]),
);
const chosen = { of: vocabulary.tokens.length, kept: kept.size, lost, ids: packIds(kept, vocabulary.tokens.length) };
writeFileSync(given.output, `${JSON.stringify(chosen, null, 2)}\n`);
console.log({ ...chosen, ids: undefined });
