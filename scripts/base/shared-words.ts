// Adds to lists of documents, one JSON line a query, the share of the query's words that each document has (`shared`), as
// relevance counts it, so that `models/training summary` fits its constant.
//
//   npx tsx scripts/base/shared-words.ts pools.jsonl --output shared.jsonl
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadEnglish } from "../../src/bm25/english.ts";
import { sharedWords } from "../../src/ranking/words.ts";

const { values: given, positionals } = parseArgs({ allowPositionals: true, options: { output: { type: "string" } } });
const [input] = positionals;
if (!input || !given.output) throw new Error("Expected a file of lists and --output FILE");

/** A list of an evaluation has its query's id in `query` and its words in `text`. */
type Line = { query: string; text?: string; docs: { title?: string; text: string }[] };

await loadEnglish();
const lines = readFileSync(input, "utf8").split("\n").filter(Boolean);
const withShares = lines.map((text) => {
  const line: Line = JSON.parse(text);
  const documents = line.docs.map((document, i) => ({ id: `${i}`, ...document }));
  return JSON.stringify({ ...line, shared: sharedWords(line.text ?? line.query, documents) });
});
writeFileSync(given.output, `${withShares.join("\n")}\n`);
