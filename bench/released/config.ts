import { readFileSync } from "node:fs";
import type { PromptName } from "../../src/prompt/profiles.ts";

/** Heads that were found by a command, and which command that was. */
export type Found = {
  /** Best first, such as `13-18,13-21`. */
  heads: string;
  /** One a head, where they count differently. */
  weights?: number[];
  by: string;
  /** What to know of how they were found. */
  note?: string;
};

/** What is measured: see config.json. */
export type Config = {
  /** Of the draw of queries, of random heads and of intervals. */
  seed: number;
  /** Queries of each set at most. */
  queries: number;
  /** BM25's best so many are ranked. */
  candidates: number;
  maxDocumentTokens: number;
  /** Sets of random heads, as many heads as there are QR heads. */
  randomDraws: number;
  /** What the heads count for in a fusion of z-scores. */
  fuseWeight: number;
  /** Files and folders under the data folder. */
  sets: string[];
  /** Null queries that are compared with the published one. */
  nullQueries: string[];
  /** A GGUF that embeds, the dense baseline. */
  dense: string;
  models: {
    key: string;
    title: string;
    file: string;
    /** A head-set file with the score of every head, from the repository's root. */
    scores: string;
    wu?: Found;
    /** Chosen without labels, as many as the command found best. */
    bootstrap?: Found;
    /** The best of the same run in their order, for sets of other sizes. */
    bootstrapOrder?: string;
    weighted?: Found;
    /** Chosen on examples that share few words with their answers, and on those and HotpotQA's together. */
    fewShared?: Found;
    both?: Found;
    /** The best heads by other objectives of detection on hotpot_train100, as many as are published. */
    objectives?: Record<string, string>;
    /** For variants.ts: queries of each set, prompts beside the default and `question`, and whether found heads get rows. */
    variants: { queries: number; prompts: PromptName[]; found: boolean };
  }[];
};

export const config = JSON.parse(readFileSync(new URL("config.json", import.meta.url), "utf8")) as Config;
