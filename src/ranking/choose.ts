import type { RankDocument } from "../types.ts";
import { fuseResults } from "./fusion.ts";
import type { RankPlan } from "./plan.ts";
import type { Ranked, Ranking, Standing } from "./results.ts";
import { DEFAULT_THRESHOLD, relevancesOf, sharesOf } from "./scoring/relevance.ts";
import { sharedWords } from "./words.ts";

/**
 * The results of a call: shares and relevances, a first stage's scores joined, and what the call leaves out.
 *
 * A first stage changes the order and not the relevance, which need not fall from rank to rank then.
 */
export function chooseResults(
  { order, behind, odds, rawOdds, describe, ...standing }: Standing,
  documents: readonly RankDocument[],
  { fusion, relevance, threshold, topK }: RankPlan,
): Ranking {
  const least = threshold ?? Number.NEGATIVE_INFINITY;
  const shares = sharesOf(rawOdds);
  const shared = relevance.words === undefined ? [] : sharedWords(standing.query, documents);
  const inOrder = (values: readonly number[]) => order.map((index) => values[index]!);
  const relevances = relevancesOf(inOrder(odds), inOrder(shared), relevance, fusion === undefined);
  const places = [...order.keys()];
  const reach = (value: number) => places.filter((place) => relevances[place]! >= value);
  const result = (place: number): Ranked => {
    const index = order[place]!;
    const described = describe(index);
    const { id, score } = described;
    return Object.assign({ index, id, score, share: shares[index]!, relevance: relevances[place]! }, described);
  };
  const left = reach(least);
  const results = fusion
    ? fuseResults(standing.query, places.map(result), documents, fusion, behind)
        .filter((one) => one.relevance >= least)
        .slice(0, topK)
    : left.slice(0, topK).map(result);
  return {
    ...standing,
    results,
    abstained: reach(threshold ?? DEFAULT_THRESHOLD).length === 0,
    belowThreshold: order.length - left.length,
    calibration: relevance,
    warnings: [...standing.warnings, ...(threshold !== undefined && !relevance.fitted ? [GENERIC_WARNING] : [])],
    ...(fusion && { fusion: { prior: fusion.prior === "bm25" ? "bm25" : "given", fuse: fusion.fuse } }),
  };
}

/** The warning for a threshold on relevance whose constants were not fitted. */
export const GENERIC_WARNING =
  "The head set has no calibration for this layout and these options, and relevance is computed with generic constants: " +
  "a threshold may leave out too much or too little";

/** The ranking of no documents: nothing is read for it. */
export function emptyRanking(query: string, heads: Ranking["heads"], { relevance }: RankPlan, loadMs: number): Ranking {
  return {
    query,
    heads: [...heads],
    results: [],
    abstained: true,
    belowThreshold: 0,
    calibration: relevance,
    usage: { promptTokens: 0, queryTokens: 0, documentTokens: [] },
    timings: { loadMs, prefillMs: 0, nullMs: 0, queryMs: 0, totalMs: 0 },
    warnings: [],
  };
}
