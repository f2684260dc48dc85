// What every head of a model attends to in lists of candidates, each document read by itself, for trying other ways to make
// scores of it:
//
//   npx tsx bench/built-in/attention.ts --model MODEL.gguf --lines pools.jsonl --output FOLDER [--limit 50]
//
// Lists are of `models/training pools` or of scripts/base/candidates.ts. FOLDER gets `lists.jsonl`, and for each list
// `N.f32`: the attention of the query and of the null query, [2][heads][tokens].
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadEnglish } from "../../src/bm25/english.ts";
import { everyHead } from "../../src/heads/heads.ts";
import { loadModel } from "../../src/model/model.ts";
import { selectProfile } from "../../src/prompt/profiles.ts";
import { bm25Scores, sharedWords } from "../../src/ranking/words.ts";
import { DocumentStore } from "../../src/reading/document-store.ts";
import { layOutDocuments, layOutPrompt } from "../../src/reading/documents.ts";
import type { Engine } from "../../src/reading/engine.ts";
import { IndependentLayout } from "../../src/reading/independent.ts";
import { KvContext } from "../../src/reading/kv-context.ts";
import { Pool } from "../../src/reading/pool.ts";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    lines: { type: "string" },
    output: { type: "string" },
    limit: { type: "string", default: "1000000" },
  },
});
if (!given.model || !given.lines || !given.output) throw new Error("Expected --model, --lines and --output");

type Line = {
  id?: string;
  task: string;
  query: string;
  text?: string;
  docs: { id?: string; title?: string; text: string }[];
  gold?: number[];
  grades?: Record<string, number>;
  bm25: number[];
};

await loadEnglish();
const options = { model: given.model, gpu: false as const, threads: 1 };
const model = await loadModel(options);
const { identity, info } = model;
const profile = selectProfile("plain", { ...identity, bosText: info.bosText, eosText: info.eosText });
const heads = { heads: everyHead(identity.layers, identity.heads), name: "all" };
const engine: Engine = { model, heads, profile, options };
const context = new KvContext(engine, new IndependentLayout(engine, new DocumentStore(engine, new Pool(2 ** 20))));

mkdirSync(given.output, { recursive: true });
const journal = path.join(given.output, "lists.jsonl");
const done = existsSync(journal) ? readFileSync(journal, "utf8").split("\n").filter(Boolean).length : 0;
const lines = readFileSync(given.lines, "utf8").split("\n").filter(Boolean).slice(0, Number(given.limit));
for (const [number, line] of lines.entries()) {
  if (number < done) continue;
  const { id, task, query, text = query, docs, gold, grades, bm25 }: Line = JSON.parse(line);
  const documents = docs.map((document, i) => ({ ...document, id: document.id ?? `${i}` }));
  const laid = await layOutDocuments(engine, context.layout, documents, { order: "given", maxDocumentTokens: 400 });
  const prompt = await layOutPrompt(engine, laid.trunk, text, "N/A");
  const began = process.cpuUsage();
  const observed = await context.observeOne(prompt, { rows: "heads" }, {});
  const { user, system } = process.cpuUsage(began);
  const rows = engine.heads.heads.length;
  const tokens = laid.trunk.tokens.length;
  const attention = new Float32Array(2 * rows * tokens);
  for (let row = 0; row < rows; row++) {
    attention.set(observed.query.row(row).subarray(0, tokens), row * tokens);
    attention.set(observed.null!.row(row).subarray(0, tokens), (rows + row) * tokens);
  }
  writeFileSync(path.join(given.output, `${number}.f32`), attention);
  /** Tokens of a document, and how many of them its number and title have. */
  const readTokens = (index: number) => {
    const { offsets, byteSpans, documentSpans, tokens } = laid.trunk;
    const position = laid.positions[index]!;
    const [begin, end] = documentSpans[position]!;
    const { title } = laid.documents[index]!;
    const textBegin = byteSpans[position]![0] + Buffer.byteLength(title ? `[1] ${title}\n` : "[1] ");
    const ids = tokens.slice(begin, end);
    const found = ids.findIndex((_, i) => offsets[2 * (begin + i)]! >= textBegin);
    return { ids: [...ids], title: found < 0 ? ids.length : found };
  };
  const known = {
    ...{ id: id ?? `${task}/${query}`, task, rows, tokens, queryTokens: prompt.query.length },
    spans: laid.positions.map((position) => laid.trunk.documentSpans[position]),
    read: documents.map((_, index) => readTokens(index)),
    grades: docs.map((document, i) => (gold ? Number(gold.includes(i)) : (grades![document.id!] ?? 0))),
    all: gold ? gold.map(() => 1) : Object.values(grades!).filter((grade) => grade > 0),
    bm25,
    call: bm25Scores(text, documents),
    shared: sharedWords(text, documents),
    cpuMs: Math.round((user + system) / 1000),
  };
  appendFileSync(journal, `${JSON.stringify(known)}\n`);
}
await context.dispose();
await model.native.dispose();
