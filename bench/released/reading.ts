import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type OpenOptions, openTask } from "../../src/eval/data/open.ts";
import { drawTopics, permute } from "../../src/eval/run.ts";
import type { Task, Topic } from "../../src/eval/types.ts";
import { everyHead } from "../../src/heads/heads.ts";
import { loadModel } from "../../src/model/model.ts";
import { selectProfile } from "../../src/prompt/profiles.ts";
import { isBlank } from "../../src/ranking/scoring/placement.ts";
import { layOutDocuments, layOutPrompt } from "../../src/reading/documents.ts";
import type { Engine } from "../../src/reading/engine.ts";
import { KvContext } from "../../src/reading/kv-context.ts";
import { ListwiseLayout } from "../../src/reading/listwise.ts";
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
  /** Processor time of reading the documents, the null query and the query, all heads, one thread. */
  cpuMs: number;
};

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

/** Where the reading of a query lies: `.json`, and `.f32`, the attention of the query and of the null query, `[2][heads][tokens]`. */
export function placeOf(folder: string, model: string, task: string, query: string): string {
  return path.join(folder, model, task, createHash("sha256").update(query).digest("hex").slice(0, 16));
}

export function readingOf(place: string): Reading | null {
  return existsSync(`${place}.json`) ? (JSON.parse(readFileSync(`${place}.json`, "utf8")) as Reading) : null;
}

/** Attention of every head, one row a head, by what asked. */
export type Attention = { query: Float32Array[]; null: Float32Array[] };

export function attentionOf(place: string, tokens: number): Attention {
  const bytes = readFileSync(`${place}.f32`);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const rows = Array.from({ length: all.length / tokens }, (_, row) => all.subarray(row * tokens, (row + 1) * tokens));
  return { query: rows.slice(0, rows.length / 2), null: rows.slice(rows.length / 2) };
}

/**
 * Reads queries that were not read yet, the first of every set, then the second of every set, until the deadline: all heads
 * at once, so that any head set can be scored from it.
 */
export async function readAll(
  config: Config,
  model: Config["models"][number],
  tasks: readonly OpenTask[],
  { models, folder, until }: { models: string; folder: string; until: number },
): Promise<void> {
  const options = { model: path.join(models, model.file), gpu: false as const, threads: 1 };
  const loaded = await loadModel(options);
  const { identity, info } = loaded;
  const profile = selectProfile("auto", { ...identity, bosText: info.bosText, eosText: info.eosText });
  const heads = { heads: everyHead(identity.layers, identity.heads), name: "all" };
  const engine: Engine = { model: loaded, heads, profile, options };
  const context = new KvContext(engine, new ListwiseLayout(engine));
  for (let round = 0; round < config.queries; round++) {
    for (const { task, topics } of tasks) {
      const topic = topics[round];
      if (!topic) continue;
      if (Date.now() > until) return;
      const place = placeOf(folder, model.key, task.name, topic.id);
      if (existsSync(`${place}.json`)) continue;
      const reading = await readOne(engine, context, task, topic, { place, limit: config.maxDocumentTokens });
      if (reading) console.log(`${model.key} ${round} ${task.name} ${reading.promptTokens} tokens ${reading.cpuMs} ms`);
    }
  }
}

async function readOne(
  engine: Engine,
  context: KvContext,
  task: Task,
  topic: Topic,
  { place, limit }: { place: string; limit: number },
): Promise<Reading | null> {
  const candidates = await task.candidates(topic);
  const scores = task.firstStage === "bm25" ? candidates.scores : await candidates.bm25();
  const filled = candidates.documents.flatMap((document, index) => (isBlank(document) ? [] : [index]));
  if (filled.length === 0) return null;
  const documents = filled.map((index) => candidates.documents[index]!);
  const laid = await layOutDocuments(engine, context.layout, documents, { order: "reverse", maxDocumentTokens: limit });
  const prompt = await layOutPrompt(engine, laid.trunk, topic.query, NULL_QUERY);
  if (context.layout.overflow(prompt)) return null;
  const began = process.cpuUsage();
  const observed = await context.observeOne(prompt, { rows: "heads" }, {});
  const { user, system } = process.cpuUsage(began);
  const spans = laid.positions.map((position): [number, number] => [...laid.trunk.documentSpans[position]!]);
  const tokens = Math.max(...spans.map(([, end]) => end));
  const rows = engine.heads.heads.length;
  const attention = new Float32Array(2 * rows * tokens);
  for (let row = 0; row < rows; row++) {
    attention.set(observed.query.row(row).subarray(0, tokens), row * tokens);
    attention.set(observed.null!.row(row).subarray(0, tokens), (rows + row) * tokens);
  }
  const reading: Reading = {
    ...{ task: task.name, query: topic.id, grades: [...topic.grades], spans, tokens },
    ...{ ids: documents.map(({ id }) => id), bm25: filled.map((index) => scores[index]!) },
    ...{ promptTokens: laid.trunk.tokens.length + prompt.query.length, cpuMs: Math.round((user + system) / 1000) },
  };
  mkdirSync(path.dirname(place), { recursive: true });
  writeFileSync(`${place}.f32`, attention);
  writeFileSync(`${place}.partial`, JSON.stringify(reading));
  renameSync(`${place}.partial`, `${place}.json`);
  return reading;
}
