import type { WordProcessing } from "../bm25/words.ts";
import type { RankDocument } from "../types.ts";

/** Relevance grades of judged documents by id; above 0 is relevant. Documents that are not named count as not relevant. */
export type Grades = ReadonlyMap<string, number>;

/** A query with judged documents. */
export type Topic = {
  id: string;
  query: string;
  grades: Grades;
  /** Class within the task that reports split by, such as a needle's depth and length. */
  group?: string;
};

/** What a task could not use, and how often. Nothing is left out without one of these. */
export type Dropped = {
  /** One sentence without the count, such as `queries without judgements`. */
  reason: string;
  count: number;
  /** A few ids or lines where it was found. */
  examples: string[];
};

/** The documents of one query that every method ranks. */
export type Candidates = {
  /** In first-stage order, best first; or as given where there was no first stage. */
  documents: RankDocument[];
  /** First-stage scores, not increasing. */
  scores: number[];
  /** BM25 scores of the same documents. Defaults to `lucene`. */
  bm25: (words?: WordProcessing) => Promise<number[]>;
};

/** A collection of topics and what they are searched in, read as needed. */
export interface Task extends AsyncDisposable {
  readonly name: string;
  /** Format it was read from, such as `beir`. */
  readonly format: string;
  /** What the order of the candidates comes from: `bm25`, `run` or `given`. */
  readonly firstStage: "bm25" | "run" | "given";
  /** Topics that can be measured, in the order of the file. */
  readonly topics: readonly Topic[];
  readonly dropped: readonly Dropped[];
  /** Distinct documents, where they are counted. */
  readonly documents: number | null;
  candidates(topic: Topic): Promise<Candidates>;
}

/** How candidates are made; see `openTask`. */
export type CandidateOptions = {
  /** At most this many candidates a query, by BM25 unless a run is given; 0 keeps all (not for a corpus). */
  depth: number;
  /** TREC run whose order and documents are the candidates. */
  run?: string | undefined;
};
