import { Bm25Index, textOf } from "../../bm25/bm25.ts";
import { sortAsTrec } from "../../bm25/order.ts";
import type { WordProcessing } from "../../bm25/words.ts";
import type { RankDocument } from "../../types.ts";
import type { CandidateOptions, Candidates, Dropped, Task, Topic } from "../types.ts";
import { invalid, type Notes } from "./notes.ts";
import { readTrecRun, type TrecRun } from "./trec-run.ts";

/** What a format with documents of its own for every query knows. */
export type PoolSource = {
  name: string;
  format: string;
  topics: readonly Topic[];
  notes: Notes;
  /** The documents of a topic, in their own order. */
  documentsOf: (topic: Topic) => Promise<readonly RankDocument[]>;
  /** Distinct documents, where they are known. */
  documents?: number;
  close?: () => Promise<void>;
};

/**
 * A task whose queries bring their documents. BM25 counts words in the query's own pool, as QRHead's baselines did.
 * With a `depth` the candidates are BM25's best of the pool; where it is 0 all are ranked and the first stage is the order
 * given.
 */
export async function openPools(source: PoolSource, options: CandidateOptions): Promise<Task> {
  const run = options.run === undefined ? undefined : await readTrecRun(options.run, source.notes);
  const topics = source.topics.filter(({ id }) => {
    const known = !run || run.rankings.has(id);
    if (!known) source.notes.add("queries that the run lacks", id);
    return known;
  });
  for (const topic of run ? topics : []) {
    const known = new Set((await source.documentsOf(topic)).map(({ id }) => id));
    for (const id of run!.rankings.get(topic.id)!.ids) {
      if (!known.has(id)) source.notes.add("documents of the run that the pool lacks", `${topic.id} ${id}`);
    }
  }
  if (topics.length === 0) throw invalid(source.name, "has no query that can be measured");
  return new PoolTask(source, topics, options.depth, run);
}

class PoolTask implements Task {
  readonly name: string;
  readonly format: string;
  readonly firstStage: "bm25" | "run" | "given";
  readonly documents: number | null;

  constructor(
    readonly source: PoolSource,
    readonly topics: readonly Topic[],
    readonly depth: number,
    readonly run: TrecRun | undefined,
  ) {
    this.name = source.name;
    this.format = source.format;
    this.documents = source.documents ?? null;
    this.firstStage = run ? "run" : depth > 0 ? "bm25" : "given";
  }

  get dropped(): readonly Dropped[] {
    return this.source.notes.dropped;
  }

  async candidates(topic: Topic): Promise<Candidates> {
    const documents = await this.source.documentsOf(topic);
    const indexes = new Map<WordProcessing, Bm25Index>();
    const bm25 = (words: WordProcessing = "lucene") => {
      const index = indexes.get(words) ?? Bm25Index.of(documents.map(textOf), words);
      indexes.set(words, index);
      return index.scores(
        topic.query,
        documents.map((_, i) => i),
      );
    };
    const chosen = this.#choose(topic, documents, bm25);
    return {
      documents: chosen.map(({ index: i }) => documents[i]!),
      scores: chosen.map(({ score }) => score),
      bm25: async (words) => {
        const scores = bm25(words);
        return chosen.map(({ index: i }) => scores[i]!);
      },
    };
  }

  #choose(topic: Topic, documents: readonly RankDocument[], bm25: () => number[]): { index: number; score: number }[] {
    const ids = documents.map(({ id }) => id);
    if (this.run) {
      const places = new Map(ids.map((id, i) => [id, i]));
      const ranking = this.run.rankings.get(topic.id)!;
      const found = ranking.ids.flatMap((id, rank) => {
        const i = places.get(id);
        return i === undefined ? [] : [{ index: i, score: ranking.scores[rank]! }];
      });
      return this.depth > 0 ? found.slice(0, this.depth) : found;
    }
    if (this.depth === 0) return ids.map((_, i) => ({ index: i, score: ids.length - i }));
    const scores = bm25();
    return sortAsTrec(ids, scores)
      .slice(0, this.depth)
      .map((i) => ({ index: i, score: scores[i]! }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close?.();
  }
}
