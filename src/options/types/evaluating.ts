// Written by `npm run options` from registry.ts: change it there.
import type { LoadOptions } from "./ranking.ts";

/** What `evaluate` of `qrhead/eval` takes; `methods` and `measures` may also be objects. */
export type EvaluationOptions = {
  /** Folders and files with data, each a task; their names must differ. */
  data: readonly string[];
  /** Format of the data. Defaults to recognised. */
  format?: "beir" | "pools" | "longmemeval" | "locomo" | "clipper" | "niah" | undefined;
  /** Name of the judgements in a BEIR folder's `qrels`. Defaults to `"test"`. */
  split?: string | undefined;
  /** What LongMemEval and LoCoMo retrieve. Defaults to the setting's, else the format's own. */
  granularity?: "round" | "session" | "turn" | undefined;
  /** TREC run whose order and documents are the candidates. Defaults to none. */
  run?: string | undefined;
  /** File of judgements for a BEIR folder, in BEIR's or TREC's format. Defaults to the folder's. */
  qrels?: string | undefined;
  /** A published setting; options given here take precedence. Defaults to none. */
  setting?: "beir" | "longmemeval" | "clipper" | "order-sensitivity" | undefined;
  /**
   * How to rank: specifications as `parseMethods` reads them, or methods of your own. Defaults to `["bm25",
   * "qrhead"]`.
   */
  methods?: readonly string[] | undefined;
  /**
   * Candidates per query, by BM25 unless there is a run; 0 for all of a pool. An integer of at least 0. Defaults to
   * the setting's, else 100 for a corpus and all of a pool.
   */
  candidates?: number | undefined;
  /** Draw this many queries of each task. An integer of at least 1. Defaults to the setting's, else all. */
  limit?: number | undefined;
  /** Seed of every draw. An integer from 0 to 4294967295. Defaults to the setting's, else 42. */
  seed?: number | undefined;
  /** Whose generator draws the queries. Defaults to the setting's, else `"qrhead"`. */
  draw?: "qrhead" | "numpy" | undefined;
  /** Words kept of every document that a model reads. An integer of at least 1. Defaults to the setting's, else all. */
  maxDocumentWords?: number | undefined;
  /**
   * Also rank this many seeded permutations of the candidates, by methods that depend on their order. An integer from
   * 0 to 1000. Defaults to the setting's, else 0.
   */
  permutations?: number | undefined;
  /**
   * What is computed from the rankings: names that `parseMeasure` reads, or its results. Defaults to the setting's,
   * else nDCG@10, recall@10 and MRR.
   */
  measures?: readonly string[] | undefined;
  /** Gain of nDCG: the grade, or 2^grade − 1. Defaults to `"linear"`. */
  gain?: "linear" | "exponential" | undefined;
  /** Method that the others are tested against. Defaults to the first. */
  baseline?: string | undefined;
  /** Words of the haystacks of a folder of needles. Defaults to `[500, 1000, 2000]`. */
  lengths?: readonly number[] | undefined;
  /** Places of the needle, 0 at the beginning and 1 at the end. Defaults to `[0, 0.25, 0.5, 0.75, 1]`. */
  depths?: readonly number[] | undefined;
  /** Words of the passages that a haystack is cut into. An integer from 1 to 100000. Defaults to `100`. */
  passageWords?: number | undefined;
  /** Rankers of a method that work at once, each with its own model. An integer from 1 to 10000. Defaults to `1`. */
  jobs?: number | undefined;
  /** Write outcomes in the order of the queries. Defaults to `false`. */
  inOrder?: boolean | undefined;
  /** Folder of the results; without one, nothing is kept and no run can be resumed. Defaults to none. */
  output?: string | undefined;
  /** File of the outcomes. Defaults to `results.jsonl` in the folder of the results. */
  journal?: string | undefined;
  /** Continue from existing results; start if there are none. Defaults to `false`: existing results are an error. */
  resume?: boolean | undefined;
  /** Options to load the model that methods rank with. Defaults to the built-in model. */
  load?: LoadOptions | undefined;
  /**
   * What the report says about a model that is loaded elsewhere. Defaults to the size of the file that `load` names.
   */
  model?: Record<string, unknown> | undefined;
  /** Command that the report names as its origin. Defaults to an empty text. */
  command?: string | undefined;
  /** Stops the run; its outcomes stay in the journal. */
  signal?: AbortSignal | undefined;
  /** Called after each ranking. */
  onOutcome?: ((outcome: never, progress: never) => void) | undefined;
};
