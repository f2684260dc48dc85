import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type OpenOptions, openTask } from "../../src/eval/data/open.ts";
import { drawTopics, permute } from "../../src/eval/run.ts";
import type { Task, Topic } from "../../src/eval/types.ts";
import type { Config } from "./config.ts";

export const NULL_QUERY = "N/A";

/** A query that was read: what is known of its candidates, and where its attention lies. */
export type Reading = {
  task: string;
  query: string;
  grades: [id: string, grade: number][];
  /** Candidates, in BM25's order. */
  ids: string[];
  bm25: number[];
  /** Tokens of each candidate, half-open. */
  spans: [number, number][];
  /** Tokens of the prompt before the query: columns of the attention. */
  tokens: number;
  promptTokens: number;
  /** Processor time of reading the documents and all that was asked, one thread. */
  cpuMs: number;
};

/** With the rows of the attention: what was asked, and the heads that looked, each by layer × heads of a layer + head. */
export type KeptReading = Reading & { asks: string[]; heads: number[] };

export type OpenTask = { source: string; task: Task; topics: Topic[] };

export async function openTasks(config: Config, data: string): Promise<OpenTask[]> {
  const open: OpenOptions = { depth: config.candidates, granularity: undefined };
  const tasks: OpenTask[] = [];
  for (const source of config.sets) {
    const task = await openTask(path.join(data, source), open);
    const drawn = drawTopics(task.topics, config.queries, config.seed);
    // In an order of their own, so that the first few are as good a sample as all.
    tasks.push({ source, task, topics: permute(drawn.length, config.seed).map((index) => drawn[index]!) });
  }
  return tasks;
}

/** Where the reading of a query lies: `.json`, and `.f32`, the attention, `[asks][heads][tokens]`. */
export function placeOf(folder: string, model: string, task: string, query: string): string {
  return path.join(folder, model, task, createHash("sha256").update(query).digest("hex").slice(0, 16));
}

export function readingOf(place: string): KeptReading | null {
  return existsSync(`${place}.json`) ? (JSON.parse(readFileSync(`${place}.json`, "utf8")) as KeptReading) : null;
}

/** A row for each head that looked, by layer × heads of a layer + head: a number a token. */
export type Seen = readonly Float32Array[];

/** By what was asked. */
export function attentionOf(place: string, { asks, heads, tokens }: KeptReading): Map<string, Seen> {
  const bytes = readFileSync(`${place}.f32`);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return new Map(
    asks.map((name, ask) => {
      const seen: Float32Array[] = [];
      for (const [row, head] of heads.entries()) {
        const begin = (ask * heads.length + row) * tokens;
        seen[head] = all.subarray(begin, begin + tokens);
      }
      return [name, seen];
    }),
  );
}

/** Keeps a reading: the attention first, so that what has its `.json` is whole. */
export function keep(place: string, reading: KeptReading, attention: Float32Array): void {
  mkdirSync(path.dirname(place), { recursive: true });
  writeFileSync(`${place}.f32`, attention);
  writeFileSync(`${place}.partial`, JSON.stringify(reading));
  renameSync(`${place}.partial`, `${place}.json`);
}
