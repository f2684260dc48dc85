// How much of what answers a question survives pruning: recall of gold turns and chapters at a share of the tokens, by
// QRHead, by BM25, and by keeping the head and the tail.
//   npx tsx bench/prune.ts locomo|clipper FOLDER [--queries 12] [--shares 0.1,0.25] [--chapters 0] [--model M]
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { QRRetriever } from "../src/index.ts";
import { bm25, mean, readQuestions, spread } from "./data.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    queries: { type: "string", default: "12" },
    shares: { type: "string", default: "0.1,0.25" },
    window: { type: "string", default: "2048" },
    words: { type: "string", default: "0" },
    threads: { type: "string", default: "2" },
    model: { type: "string" },
  },
});
const [kind, folder] = positionals;
if (!folder || (kind !== "locomo" && kind !== "clipper")) throw new Error("Expected locomo or clipper, and a folder");

/** Units are whole turns, or the paragraphs of chapters; a gold group counts by the share of it that is kept, or whole. */
type Item = { text: string; group: string; title?: string };
type Task = { query: string; items: Item[]; gold: Set<string> };

const count = Number(values.queries);
const tasks = kind === "locomo" ? turns(folder) : chapters(folder);

await using retriever = await QRRetriever.load({ model: values.model, threads: Number(values.threads) });
const rows = new Map<string, number[]>();
const add = (name: string, value: number) => rows.set(name, [...(rows.get(name) ?? []), value]);
const seconds: number[] = [];
for (const { query, items, gold } of tasks) {
  const costs = await Promise.all(items.map(async ({ text }) => (await retriever.tokenize(text)).tokens.length));
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  const ranked = await retriever.rank(
    query,
    items.map(({ text, title }) => ({ text, title: title ?? null })),
    { windows: { windowTokens: Number(values.window) } },
  );
  seconds.push(ranked.timings.totalMs / 1000);
  const attention = new Array<number>(items.length).fill(0);
  for (const { index, score } of ranked.results) attention[index] = score;
  const words = bm25(
    query,
    items.map(({ text }) => text),
  );
  const middle = items.map((_, index) => Math.abs(index - (items.length - 1) / 2));
  const methods: [string, number[]][] = [
    ["QRHead", attention],
    ["QRHead a token", attention.map((score, index) => score / Math.max(1, costs[index]!))],
    ["BM25", words],
    ["head and tail", middle],
  ];
  for (const share of values.shares.split(",").map(Number)) {
    for (const [name, scores] of methods) add(`${name} | ${share * 100} %`, recall(scores, share * total));
  }

  /** Share of the gold tokens that are kept: for turns whole ones, for chapters those of their paragraphs. */
  function recall(scores: readonly number[], budget: number): number {
    const order = items.map((_, index) => index).sort((a, b) => scores[b]! - scores[a]! || a - b);
    let left = budget;
    const kept = new Set<number>();
    for (const index of order) {
      if (costs[index]! > left) continue;
      left -= costs[index]!;
      kept.add(index);
    }
    if (kind === "locomo") {
      const found = new Set([...kept].map((index) => items[index]!.group).filter((group) => gold.has(group)));
      return found.size / gold.size;
    }
    const wanted = items.map((_, index) => index).filter((index) => gold.has(items[index]!.group));
    const all = wanted.reduce((sum, index) => sum + costs[index]!, 0);
    return wanted.filter((index) => kept.has(index)).reduce((sum, index) => sum + costs[index]!, 0) / all;
  }
}
console.log(
  `${kind}: ${tasks.length} questions, ${mean(tasks.map(({ items }) => items.length)).toFixed(0)} units each, ${mean(seconds).toFixed(1)} s a question`,
);
for (const [name, recalls] of rows) console.log(`| ${name} | ${mean(recalls).toFixed(3)} |`);

function turns(from: string): Task[] {
  return spread(readQuestions(from), count).map(({ query, documents, grades }) => ({
    query,
    items: documents.map(({ id, text, title }) => ({ text, group: id, ...(title && { title }) })),
    gold: new Set([...grades.keys()].filter((id) => documents.some((document) => document.id === id))),
  }));
}

function chapters(from: string): Task[] {
  const claims = readFileSync(path.join(from, "claims.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const books = new Map<string, { words: number; chapters: { id: number; text: string }[] }>();
  const most = Number(values.words);
  const fitting = claims.filter(({ book }) => {
    if (!books.has(book)) books.set(book, JSON.parse(readFileSync(path.join(from, "books", `${book}.json`), "utf8")));
    return most === 0 || books.get(book)!.words <= most;
  });
  return spread(fitting, count).map(({ query, book, gold }) => ({
    query,
    items: books
      .get(book)!
      .chapters.flatMap(({ id, text }) => paragraphsOf(text).map((part) => ({ text: part, group: String(id) }))),
    gold: new Set<string>(gold.map(String)),
  }));
}

/** Paragraphs put together to about 120 words. */
function paragraphsOf(text: string): string[] {
  const parts: string[] = [];
  let open = "";
  for (const paragraph of text.split(/\n\s*\n/)) {
    const joined = open ? `${open}\n\n${paragraph}` : paragraph;
    if (open && joined.split(/\s+/).length > 120) {
      parts.push(open);
      open = paragraph;
    } else open = joined;
  }
  return open.trim() ? [...parts, open] : parts;
}
