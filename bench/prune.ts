// How much of what answers a question survives `retriever.prune` at a share of the tokens, by sentences and by chunks,
// against the same pruning by BM25's scores and by keeping the head and the tail: the gold turns of a conversation and
// chapters of a book by their characters, and of a pool (question, paragraphs) whether the answer's words are still there.
//   npx tsx bench/prune.ts locomo|clipper FOLDER [--queries 12] [--shares 0.1,0.25] [--window TOKENS] [--model M]
//   npx tsx bench/prune.ts pool FILE.jsonl [--queries 91] …
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { Bm25Index, textOf } from "../src/bm25/bm25.ts";
import { type PruneOptions, type PruneResult, QRRetriever } from "../src/index.ts";
import type { PruneRanking } from "../src/pruning/price.ts";
import { prune } from "../src/pruning/prune.ts";
import type { RankDocument } from "../src/types.ts";
import { mean } from "../src/util/mean.ts";
import { readQuestions, spread } from "./data.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    queries: { type: "string", default: "12" },
    books: { type: "string", default: "5" },
    shares: { type: "string", default: "0.1,0.25" },
    window: { type: "string" },
    threads: { type: "string", default: "2" },
    model: { type: "string" },
  },
});
const [kind, folder] = positionals;
const readers = { locomo: conversations, clipper: books, pool };
if (!folder || !kind || !(kind in readers)) throw new Error("Expected locomo, clipper or pool, and a folder or file");

/** Turns of a conversation, chapters of a book or paragraphs, and the share of what answers that is still there. */
type Task = { query: string; documents: readonly RankDocument[]; survives: (pruned: PruneResult) => number };
/** What `prune` takes: its scores may come from elsewhere. */
type Pruner = Parameters<typeof prune>[0];

await using retriever = await QRRetriever.load({ model: values.model, threads: Number(values.threads) });
const windows = values.window === undefined ? ("auto" as const) : { windowTokens: Number(values.window) };
const tasks = readers[kind as keyof typeof readers](folder);
const recalls = new Map<string, number[]>();
const processorSeconds: number[] = [];
const passages = new Set<number>();
const knownChunks = new Map<string, ReturnType<Pruner["chunk"]>>();
const knownTokens = new Map<string, ReturnType<Pruner["tokenize"]>>();
/** Characters of the largest chapter, about; whole books are counted again. */
const LONGEST_REMEMBERED = 200_000;

for (const [index, task] of tasks.entries()) {
  const began = process.cpuUsage();
  const ranking = once((query, documents) => retriever.rank(query, documents, { windows, tokenScores: true }));
  const methods: [string, Pruner, PruneOptions["unit"]][] = [
    ["qrhead, sentences", scoredBy(ranking), "sentence"],
    ["qrhead, chunks by score a token", scoredBy(async (...args) => withoutTokens(await ranking(...args))), "chunk"],
    ["qrhead, chunks by score", scoredBy(async (...args) => perChunk(withoutTokens(await ranking(...args)))), "chunk"],
    ["BM25, chunks", scoredBy(async (query, documents) => byScores(bm25(query, documents))), "chunk"],
    ["head and tail", scoredBy(async (_, { length }) => byScores(ends(length))), "chunk"],
  ];
  const total = await tokensOf(task.documents.map(({ text }) => text).join("\n\n"));
  for (const [name, pruner, unit] of methods) {
    for (const share of values.shares.split(",").map(Number)) {
      const pruned = await prune(pruner, task.query, [...task.documents], {
        unit,
        budgetTokens: Math.floor(share * total),
      });
      const row = `${name} | ${share * 100} %`;
      recalls.set(row, [...(recalls.get(row) ?? []), task.survives(pruned)]);
    }
  }
  const { user, system } = process.cpuUsage(began);
  processorSeconds.push((user + system) / 1e6);
  process.stderr.write(`\r${index + 1} of ${tasks.length}`);
}
console.log(
  `\n${kind}: ${tasks.length} questions, ${mean(tasks.map(({ documents }) => documents.length)).toFixed(0)} documents ` +
    `and up to ${Math.max(...passages)} chunks each, ${mean(processorSeconds).toFixed(1)} processor seconds a question`,
);
for (const [name, row] of recalls)
  console.log(`| ${name} | ${mean(row).toFixed(3)} ± ${standardError(row).toFixed(3)} |`);

for (const share of values.shares.split(",").map(Number)) {
  const [own, theirs] = ["qrhead, sentences", "BM25, chunks"].map((name) => recalls.get(`${name} | ${share * 100} %`)!);
  const differences = own!.map((value, index) => value - theirs![index]!);
  console.log(
    `| sentences less BM25 | ${share * 100} % | ${mean(differences).toFixed(3)} ± ${standardError(differences).toFixed(3)} |`,
  );
}

/** Of each gold turn or chapter the share of its characters that stays; the mean over them. */
function recall(documents: readonly RankDocument[], gold: readonly string[]): Task["survives"] {
  return ({ documents: pruned }) =>
    mean(
      gold.map((id) => {
        const index = documents.findIndex((document) => document.id === id);
        const kept = pruned[index]!.kept.reduce((sum, { begin, end }) => sum + end - begin, 0);
        return kept / documents[index]!.text.length;
      }),
    );
}

function scoredBy(rank: Pruner["rank"]): Pruner {
  return { rank, chunk: cut, tokenize };
}

/** The same question about the same passages is asked once, for all units and budgets. */
function once(
  rank: (query: string, documents: Parameters<Pruner["rank"]>[1]) => Promise<PruneRanking>,
): Pruner["rank"] {
  let known: Promise<PruneRanking> | undefined;
  return (query, documents) => {
    passages.add(documents.length);
    known ??= rank(query, documents);
    return known;
  };
}

function withoutTokens(result: PruneRanking): PruneRanking {
  return { ...result, results: result.results.map(({ tokenScores: _, ...rest }) => rest) };
}

/** Undoes the division by a chunk's tokens. */
function perChunk(result: PruneRanking): PruneRanking {
  const { documentTokens } = result.usage;
  return {
    ...result,
    results: result.results.map((one) => ({ ...one, score: one.score * documentTokens[one.index]! })),
  };
}

/** Results that `prune` orders chunks by as they are. */
function byScores(scores: readonly number[]): PruneRanking {
  const results = scores.map((score, index) => ({ index, score }));
  const usage = { promptTokens: 0, queryTokens: 0, documentTokens: scores.map(() => 1) };
  const timings = { loadMs: 0, prefillMs: 0, nullMs: 0, queryMs: 0, totalMs: 0 };
  return { results, usage, timings, warnings: [] };
}

function bm25(query: string, documents: Parameters<Pruner["rank"]>[1]): number[] {
  const texts = (documents as RankDocument[]).map(textOf);
  return Bm25Index.of(texts).scores(query, [...texts.keys()]);
}

function ends(count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.abs(index - (count - 1) / 2));
}

/** Chunks and tokens are those of the text alone: each question about a book cuts and counts the same ones. */
function cut(text: string, options?: Parameters<Pruner["chunk"]>[1]) {
  return remembered(knownChunks, text, () => retriever.chunk(text, options));
}

function tokenize(text: string) {
  return remembered(knownTokens, text, () => retriever.tokenize(text));
}

function remembered<T>(known: Map<string, Promise<T>>, text: string, make: () => Promise<T>): Promise<T> {
  const value = known.get(text) ?? make();
  if (text.length < LONGEST_REMEMBERED) known.set(text, value);
  return value;
}

async function tokensOf(text: string): Promise<number> {
  return (await tokenize(text)).tokens.length;
}

function conversations(from: string): Task[] {
  return spread(readQuestions(from), Number(values.queries)).map(({ query, documents, grades }) => {
    const gold = [...grades.keys()].filter((id) => documents.some((document) => document.id === id));
    return { query, documents, survives: recall(documents, gold) };
  });
}

/** Questions whose answer stands in a paragraph that is judged relevant; answers such as "yes" stand anywhere. */
function pool(file: string): Task[] {
  type Line = { query: string; answer: string; docs: RankDocument[]; gold: string[] };
  const lines = readFileSync(file, "utf8").trim().split("\n");
  const answerable = lines.flatMap((line): Task[] => {
    const { query, answer, docs, gold } = JSON.parse(line) as Line;
    const holds = (text: string) => text.toLowerCase().includes(answer.toLowerCase());
    const relevant = [...docs.keys()].filter((index) => gold.includes(docs[index]!.id) && holds(docs[index]!.text));
    if (relevant.length === 0 || /^(yes|no)$/i.test(answer)) return [];
    const survives: Task["survives"] = ({ documents }) => {
      const kept = (index: number) =>
        documents[index]!.kept.map(({ begin, end }) => docs[index]!.text.slice(begin, end)).join("");
      return Number(relevant.some((index) => holds(kept(index))));
    };
    return [{ query, documents: docs, survives }];
  });
  return spread(answerable, Number(values.queries));
}

/** Claims of books of different sizes, as many of each. */
function books(from: string): Task[] {
  const claims: { query: string; book: string; gold: number[] }[] = readFileSync(
    path.join(from, "claims.jsonl"),
    "utf8",
  )
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const read = [...new Set(claims.map(({ book }) => book))]
    .map((book) => ({ book, ...JSON.parse(readFileSync(path.join(from, "books", `${book}.json`), "utf8")) }))
    .sort((a, b) => a.words - b.words);
  const chosen = spread(read, Number(values.books) - 1);
  if (!chosen.includes(read.at(-1)!)) chosen.push(read.at(-1)!);
  return chosen.flatMap(({ book, chapters }) => {
    const documents: RankDocument[] = chapters.map(({ id, text }: { id: number; text: string }) => ({
      id: String(id),
      text,
    }));
    const own = claims.filter((claim) => claim.book === book);
    return spread(own, Number(values.queries) / chosen.length).map(({ query, gold }) => ({
      query,
      documents,
      survives: recall(documents, gold.map(String)),
    }));
  });
}

function standardError(row: readonly number[]): number {
  const average = mean(row);
  const variance = row.reduce((sum, value) => sum + (value - average) ** 2, 0) / Math.max(1, row.length - 1);
  return Math.sqrt(variance / row.length);
}
