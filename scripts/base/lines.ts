/** What every head gave to the candidates of one training question. */
export type Line = {
  id: string;
  /** 1 where the document answers. In the order of BM25, as everything here. */
  gold: number[];
  bm25: number[];
  /** Tokens of each document. */
  tokens: number[];
  /** [head][document], the heads in the order of `--heads`, calibrated and without mask, so that sums of heads are exact. */
  heads: number[][];
};
