// What the benches read: BEIR folders and LoCoMo conversations, as questions with judged documents.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Bm25Index, textOf } from "../src/bm25/bm25.ts";
import type { RankDocument } from "../src/types.ts";

export type Question = { query: string; documents: readonly RankDocument[]; grades: ReadonlyMap<string, number> };

const jsonLines = (file: string) =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** A folder with corpus.jsonl, queries.jsonl and qrels.tsv, or one with questions.jsonl and NAME.docs.json files. */
export function readQuestions(folder: string): Question[] {
  return readdirSync(folder).includes("corpus.jsonl") ? readBeir(folder) : readConversations(folder);
}

function readBeir(folder: string): Question[] {
  const documents: RankDocument[] = jsonLines(path.join(folder, "corpus.jsonl")).map(({ _id, title, text }) => ({
    id: _id,
    ...(title && { title }),
    text,
  }));
  const grades = new Map<string, Map<string, number>>();
  for (const line of readFileSync(path.join(folder, "qrels.tsv"), "utf8").trim().split("\n").slice(1)) {
    const [query, document, grade] = line.trim().split("\t") as [string, string, string];
    if (!grades.has(query)) grades.set(query, new Map());
    grades.get(query)!.set(document, Number(grade));
  }
  return jsonLines(path.join(folder, "queries.jsonl"))
    .filter(({ _id }) => grades.has(_id))
    .map(({ _id, text }) => ({ query: text, documents, grades: grades.get(_id)! }));
}

/** Turns as documents. Questions without an answer in the conversation (category 5) are left out. */
function readConversations(folder: string): Question[] {
  const turns = new Map<string, RankDocument[]>();
  return jsonLines(path.join(folder, "questions.jsonl"))
    .filter(({ category, gold_turns }) => category !== 5 && gold_turns.length > 0)
    .map(({ query, conversation, gold_turns }) => {
      if (!turns.has(conversation)) {
        turns.set(conversation, JSON.parse(readFileSync(path.join(folder, `${conversation}.docs.json`), "utf8")).turns);
      }
      const grades = new Map<string, number>(gold_turns.map((id: string) => [id, 1]));
      return { query, documents: turns.get(conversation)!, grades };
    });
}

/** Scores of BM25, as `qrhead eval` counts it. */
export function bm25(query: string, texts: readonly string[]): number[] {
  return Bm25Index.of(texts).scores(
    query,
    texts.map((_, index) => index),
  );
}

/** Questions about one set of documents share its index. */
const indexes = new WeakMap<readonly RankDocument[], Bm25Index>();

/** The best `count` documents by BM25, best first; those that share no word with the query come last, as given. */
export function candidates({ query, documents }: Question, count: number): RankDocument[] {
  const index = indexes.get(documents) ?? Bm25Index.of(documents.map(textOf));
  indexes.set(documents, index);
  const all = documents.map((_, position) => position);
  const scores = index.scores(query, all);
  const order = all.sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, count).map((position) => documents[position]!);
}

/** nDCG@10 with gain 2^grade − 1, against the best order of all judged documents. */
export function ndcg10(ids: readonly string[], grades: ReadonlyMap<string, number>): number {
  const gain = (grade: number, rank: number) => (2 ** grade - 1) / Math.log2(rank + 2);
  const dcg = ids.slice(0, 10).reduce((sum, id, rank) => sum + gain(grades.get(id) ?? 0, rank), 0);
  const best = [...grades.values()].sort((a, b) => b - a).slice(0, 10);
  const ideal = best.reduce((sum, grade, rank) => sum + gain(grade, rank), 0);
  return ideal > 0 ? dcg / ideal : 0;
}

/** Numbers that are the same in every run (Lehmer's generator), at least 0 and below 1. */
export function randomFrom(seed: number): () => number {
  let state = seed % 2147483647 || 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** `count` of the items, spread evenly over them. */
export function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, items.length / count);
  return Array.from({ length: Math.min(count, items.length) }, (_, i) => items[Math.floor(i * step)]!);
}

/** The same items in another order, the same in every run. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
