// Pools of candidates from the question files of a training folder: for each question BM25's best passages of its file.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import path from "node:path";
import { Bm25Index } from "../../src/bm25/bm25.ts";
import { seededRandom } from "../../src/heads/heads.ts";

/** A line of a training file; what else it has is not used here. */
type Question = { id: string; query: string; title?: string; positive: string; answer?: string };

export type Pool = {
  id: string;
  query: string;
  /** Best first. */
  docs: { id: string; title?: string; text: string }[];
  gold: string[];
  /** BM25's score of each document. */
  bm25: number[];
};

/** Files whose licence is unclear. */
const LEFT_OUT = ["climate_fever"];
/** A passage with an answer of so many letters in it may answer too, though nobody said so. */
const TELLING = 4;

/**
 * Pools of up to `candidates` passages of `perFile` questions a file. Questions whose own passage is not among BM25's best
 * are passed over, as no order of those would tell anything; half of the questions see titles, where there are some.
 *
 * @returns The first question of every file, then the second of every file, and so on: any beginning is balanced.
 */
export function trainingPools(folder: string, perFile: number, candidates: number, seed: number): Pool[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl.zst"));
  const names = files.map((name) => name.split(".")[0]!).filter((name) => !LEFT_OUT.includes(name));
  const perName = names
    .sort()
    .map((name) => poolsOf(path.join(folder, `${name}.jsonl.zst`), name, perFile, candidates, seed));
  return Array.from({ length: perFile }, (_, i) => perName.flatMap((pools) => pools[i] ?? [])).flat();
}

function poolsOf(file: string, name: string, count: number, candidates: number, seed: number): Pool[] {
  const text = execFileSync("zstd", ["-dcq", "--long=27", file], { encoding: "utf8", maxBuffer: 1 << 30 });
  const questions = text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Question);
  const passages = [...new Map(questions.map(({ positive, title }) => [positive, title])).entries()];
  const place = new Map(passages.map(([positive], i) => [positive, i]));
  const ids = passages.map((_, i) => String(i));
  const index = Bm25Index.of(passages.map(([positive, title]) => (title ? `${title} ${positive}` : positive)));
  const titled = passages.filter(([, title]) => title).length > passages.length / 2;
  const pools: Pool[] = [];
  for (const question of shuffled(questions, seed ^ hash(name))) {
    if (pools.length === count) break;
    const gold = place.get(question.positive)!;
    const answer = (question.answer ?? "").toLowerCase();
    const mayAnswer = (i: number) => answer.length >= TELLING && passages[i]![0].toLowerCase().includes(answer);
    const found = index.search(question.query, 3 * candidates, ids);
    const best = found.filter((hit) => hit.index === gold || !mayAnswer(hit.index)).slice(0, candidates);
    if (best.length < candidates || !best.some((hit) => hit.index === gold)) continue;
    const showTitles = titled && hash(question.id) % 2 === 0;
    pools.push({
      id: `${name}/${question.id}`,
      query: question.query,
      docs: best.map((hit) => ({
        id: ids[hit.index]!,
        ...(showTitles && { title: passages[hit.index]![1] ?? "" }),
        text: passages[hit.index]![0],
      })),
      gold: [ids[gold]!],
      bm25: best.map(({ score }) => score),
    });
  }
  return pools;
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = seededRandom(seed >>> 0);
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

function hash(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32LE(0);
}
