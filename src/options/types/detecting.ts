// Written by `npm run options` from registry.ts: change it there.
import type { DetectionExampleInput } from "../../detect/examples.ts";
import type { HiddenFact } from "../../detect/hidden-fact.ts";
import type { HeadSet } from "../../heads/head-set.ts";
import type { Head } from "../../types.ts";
import type { ExampleProgress, Trial } from "../progress.ts";

/** What `detectHeads` takes besides some options of loading. */
export type DetectionOptions = {
  /** At least one example: what `parseExamples` returns, or objects with the fields that it reads. */
  examples: readonly DetectionExampleInput[];
  /**
   * What heads are rated by. Defaults to `"mass"`. `"mass"`: the calibrated, masked attention on the gold documents.
   * `"ndcg"`: nDCG@10 of the ranking that the head alone gives. `"contrastive"`: CoRe's, the share of the gold
   * documents in a softmax over uncalibrated, unmasked attention.
   */
  objective?: "mass" | "ndcg" | "contrastive" | undefined;
  /** Temperature of `"contrastive"`. A number above 0. Defaults to `0.1`. */
  temperature?: number | undefined;
  /** For `"mass"`, take attention neither calibrated nor masked: equations 2 to 4 of the paper. Defaults to `false`. */
  rawMass?: boolean | undefined;
  /**
   * How many heads to choose; all if the model has fewer. Defaults to `"auto"`; 16 with fewer than 4 examples.
   * `"auto"` chooses among 4, 8, 16, 32, 64 and all by how they rank held-out examples: 8 at least where 64 heads or
   * more see the whole prompt.
   */
  top?: number | "auto" | undefined;
  /**
   * Fit non-negative weights for the chosen heads, and keep them if they rank held-out examples better than the plain
   * sum by more than two standard errors. Defaults to `false`.
   */
  fitWeights?: boolean | undefined;
  /**
   * Stop as soon as halves of the examples read so far agree on this share of the top heads. A number above 0 and at
   * most 1. Defaults to reads all. Checked from 8 examples on, every fourth.
   */
  untilStable?: number | undefined;
  /** Leave out examples that are longer than the context instead of failing. Defaults to `false`. */
  skipLong?: boolean | undefined;
  /**
   * Decides how examples are split to measure stability and quality. An integer from 0 to 4294967295. Defaults to
   * `0`.
   */
  seed?: number | undefined;
  /**
   * File that each example's scores are appended to, for `resume`; it stays when detection is done. Defaults to none.
   */
  checkpoint?: string | undefined;
  /** Continue from `checkpoint`; start it if it does not exist. Defaults to `false`. */
  resume?: boolean | undefined;
  /** Use only the first N examples, after shuffling. An integer of at least 1. Defaults to all. */
  limit?: number | undefined;
  /**
   * Shuffle the examples by this seed; documents keep their order. An integer from 0 to 4294967295. Defaults to no
   * shuffling.
   */
  shuffle?: number | undefined;
  /** Name of the examples in the head set. Defaults to `"examples"`. */
  sourceName?: string | undefined;
  /** Called when an example has been checked, and again when it has been scored. */
  onExample?: ((progress: ExampleProgress) => void) | undefined;
};

/** What `detectRetrievalHeads` takes besides some options of loading. */
export type HaystackOptions = {
  /** The haystack: a long text, of which the first `maxTokens` tokens are used. */
  text: string;
  /** Name of the text in the head set and in messages. Defaults to `"The text"`. */
  sourceName?: string | undefined;
  /** Needles and their questions. Defaults to three that ship with qrhead, in English. */
  facts?: readonly HiddenFact[] | undefined;
  /** Tokens of the shortest haystack. An integer of at least 16. Defaults to `512`. */
  minTokens?: number | undefined;
  /**
   * Tokens of the longest haystack. An integer of at least 16. Defaults to 5000, or what the model and the text have.
   */
  maxTokens?: number | undefined;
  /** How many lengths to try, evenly spaced. An integer of at least 1. Defaults to `5`. */
  lengths?: number | undefined;
  /** How many depths to try, evenly spaced. An integer of at least 1. Defaults to `5`. */
  depths?: number | undefined;
  /** Maximum number of heads to choose. An integer of at least 1. Defaults to `16`. */
  top?: number | undefined;
  /** Minimum score of a chosen head; a head that scored 0 is never chosen. A number from 0 to 1. Defaults to 0. */
  threshold?: number | undefined;
  /**
   * Heads to take out: their output is zero while the model reads and writes. Defaults to none. Takes what `heads`
   * takes.
   */
  withoutHeads?: string | readonly Head[] | HeadSet | undefined;
  /** Called after each trial. */
  onTrial?: ((trial: Trial, done: number, total: number) => void) | undefined;
};

/** What `bootstrapExamples` takes. */
export type BootstrapOptions = {
  /** How queries are made. Defaults to `"mixed"`. */
  needle?: "mixed" | "fact" | "sentence" | "cloze" | "keywords" | undefined;
  /** How many examples to make. An integer from 1 to 1048576. Defaults to `64`. */
  examples?: number | undefined;
  /** Documents per example; fewer if the text has fewer passages. An integer from 4 to 65536. Defaults to `20`. */
  documents?: number | undefined;
  /** Seed of all random choices. An integer from 0 to 4294967295. Defaults to `0`. */
  seed?: number | undefined;
  /** Name of the texts in messages. Defaults to `"The bootstrap text"`. */
  sourceName?: string | undefined;
};
