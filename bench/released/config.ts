import { readFileSync } from "node:fs";

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
  models: {
    key: string;
    title: string;
    file: string;
    /** Heads of `qrhead retrieval-heads` for this model, best first, such as `13-18,13-21`. */
    wu?: string;
    /** Heads of `qrhead detect --bootstrap` for this model, as many as its published set has. */
    bootstrap?: string;
  }[];
};

export const config = JSON.parse(readFileSync(new URL("config.json", import.meta.url), "utf8")) as Config;
