import { sortAsTrec } from "../../bm25/order.ts";

/** The constant of Cormack et al. 2009: how little the first ranks differ. */
const RRF_K = 60;

/**
 * Reciprocal rank fusion: Σ over rankings of 1 / (60 + rank), ranks from 1, equal scores in trec_eval's order.
 *
 * @param rankings Scores of the same documents by each method, in the order of `ids`.
 */
export function fuseByRank(ids: readonly string[], rankings: readonly (readonly number[])[]): number[] {
  const fused = new Array<number>(ids.length).fill(0);
  for (const scores of rankings) {
    for (const [rank, i] of sortAsTrec(ids, scores).entries()) fused[i]! += 1 / (RRF_K + rank + 1);
  }
  return fused;
}
