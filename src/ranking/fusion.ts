import { invalidArgument } from "../errors.ts";
import type { Fuse, Prior, RankDocument } from "../types.ts";
import { largestOf, smallestOf } from "../util/extremes.ts";
import { isList, valuesOfList } from "../util/kinds.ts";
import { mean } from "../util/mean.ts";
import type { Ranked } from "./results.ts";
import { bm25Scores } from "./words.ts";

export type FusionOptions = {
  /** Scores of a first stage to rank with; with `fuse` alone `"bm25"`. Defaults to none. */
  prior?: Prior | undefined;
  /** How they join the heads' scores. Defaults to `{ weight: 0.5 }` where there is a prior. */
  fuse?: Fuse | undefined;
};

export const DEFAULT_FUSE = { weight: 0.5 } as const;

/** How a call joins a first stage's scores. */
export type Fusion = { prior: "bm25" | readonly number[]; fuse: Exclude<Fuse, "none"> };

/**
 * What the options ask for; undefined where documents are ranked by the heads alone.
 *
 * @param weight What the heads count for beside BM25 where the options say nothing; undefined for heads that rank best alone.
 */
export function fusionOf({ prior, fuse }: FusionOptions, weight?: number): Fusion | undefined {
  if (fuse === "none") return undefined;
  if (prior === undefined && fuse === undefined && weight === undefined) return undefined;
  // What a search over a whole collection says counts for more than what the documents of one call say.
  const isGiven = weight === undefined || (prior !== undefined && prior !== "bm25");
  return { prior: asList(prior), fuse: fuse ?? (isGiven ? DEFAULT_FUSE : { weight }) };
}

/** Numbers as an array. What is neither is left for `checkFusion` to refuse. */
function asList(prior: Prior = "bm25"): "bm25" | readonly number[] {
  return prior === "bm25" ? prior : ((valuesOfList(prior) ?? prior) as readonly number[]);
}

/**
 * @throws InputError `INVALID_ARGUMENT` for a prior that has not one number a document, or numbers for several queries.
 */
export function checkFusion({ prior }: Fusion, documents: number, queries: number): void {
  if (prior === "bm25") return;
  if (queries > 1) throw invalidArgument("prior", '"bm25" for several queries', prior);
  assertPrior(prior, documents);
}

/** What a result has if a first stage was fused. */
export type Fused = { score: number; attention: number; prior: number };

/** Results of all documents, ordered with a first stage's scores as well. */
export function fuseResults<T extends Pick<Ranked, "index" | "score" | "demoted">>(
  query: string,
  results: readonly T[],
  documents: readonly RankDocument[],
  { prior, fuse }: Fusion,
  behind?: ReadonlyMap<number, readonly number[]>,
): (T & Fused)[] {
  return fuseRanking(results, prior === "bm25" ? bm25Scores(query, documents) : prior, fuse, behind);
}

/** The constant of Cormack et al. 2009: how little the first ranks differ. */
const RRF_K = 60;

/**
 * One number per document from the heads' scores and the prior's; higher is better.
 *
 * @param heads Scores by the heads, finite.
 * @param prior As many, finite.
 * @throws InputError `INVALID_ARGUMENT` for a weight that is not a number from 0 to 1, or a prior of another length.
 */
export function fuseScores(heads: readonly number[], prior: readonly number[], fuse: Exclude<Fuse, "none">): number[] {
  assertPrior(prior, heads.length);
  if (fuse === "rrf") {
    const [a, b] = [meanRanks(heads), meanRanks(prior)];
    return heads.map((_, i) => 1 / (RRF_K + a[i]!) + 1 / (RRF_K + b[i]!));
  }
  const { weight } = fuse;
  if (!(weight >= 0 && weight <= 1)) throw invalidArgument("fuse.weight", "a number from 0 to 1", weight);
  const [a, b] = [zScores(heads), zScores(prior)];
  return heads.map((_, i) => weight * a[i]! + (1 - weight) * b[i]!);
}

/**
 * Reorders a ranking. `score` becomes the fused number, `attention` the heads' score; `prior` is added.
 *
 * A demoted document counts with the attention of its place. A short one counts with no more of the prior than what it stands
 * behind, and scores no higher. A blank one stays behind all others, and scores no higher than the last of them.
 *
 * @param results A ranking of all documents by the heads, best first.
 * @param prior One score per document, in the order of the documents passed.
 * @param behind For documents that only repeat the query, those that they stand behind; by index.
 */
export function fuseRanking<T extends Pick<Ranked, "index" | "score" | "demoted">>(
  results: readonly T[],
  prior: readonly number[],
  fuse: Exclude<Fuse, "none">,
  behind: ReadonlyMap<number, readonly number[]> = new Map(),
): (T & Fused)[] {
  assertPrior(prior, results.length);
  let lowest = Number.POSITIVE_INFINITY;
  const placed = results.map(({ score }) => {
    lowest = Math.min(lowest, score);
    return lowest;
  });
  let before = Number.POSITIVE_INFINITY;
  const priors = results.map(({ index }) => prior[index]!);
  const counted = results.map(({ demoted }, i) => {
    if (demoted === undefined) before = priors[i]!;
    return demoted === "short" ? Math.min(before, priors[i]!) : priors[i]!;
  });
  const fused = fuseScores(placed, counted, fuse);
  const byIndex: number[] = [];
  for (const [i, { index }] of results.entries()) byIndex[index] = fused[i]!;
  const lowestOf = new Map<readonly number[], number>();
  for (const [i, { index }] of results.entries()) {
    const those = behind.get(index);
    if (!those) continue;
    const lowest = lowestOf.get(those) ?? smallestOf(those.map((one) => byIndex[one]!));
    lowestOf.set(those, lowest);
    fused[i] = Math.min(fused[i]!, lowest);
  }
  const isBlank = ({ demoted }: T) => demoted === "blank";
  const least = results.reduce(
    (low, result, i) => (isBlank(result) ? low : Math.min(low, fused[i]!)),
    Number.POSITIVE_INFINITY,
  );
  const joined = results.map((result, i) => ({
    ...result,
    score: isBlank(result) ? Math.min(least, fused[i]!) : fused[i]!,
    ...{ attention: result.score, prior: priors[i]! },
  }));
  const isDemoted = ({ demoted }: T) => Number(demoted !== undefined);
  return joined.sort(
    (a, b) =>
      Number(isBlank(a)) - Number(isBlank(b)) || b.score - a.score || isDemoted(a) - isDemoted(b) || a.index - b.index,
  );
}

/** (x − mean) / std of the population; 0 where all are equal. */
function zScores(given: readonly number[]): number[] {
  // No sum of squares leaves the range of a double, however large or small a first stage's scores are.
  const largest = largestOf(given.map(Math.abs));
  const unit = largest > 0 ? 2 ** Math.floor(Math.log2(largest)) : 1;
  const values = given.map((value) => value / unit);
  const middle = mean(values);
  const variance = mean(values.map((value) => (value - middle) ** 2));
  const deviation = Math.sqrt(variance);
  // Equal values have a mean that rounding may part from them.
  const isFlat = values.every((value) => value === values[0]);
  return values.map((value) => (isFlat || deviation === 0 ? 0 : (value - middle) / deviation));
}

/** Ranks from 1, the highest value first; equal values share the mean of their ranks. */
function meanRanks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]!);
  const ranks = new Array<number>(values.length);
  for (let begin = 0, end = 0; begin < order.length; begin = end) {
    while (end < order.length && values[order[end]!] === values[order[begin]!]) end++;
    for (const i of order.slice(begin, end)) ranks[i] = (begin + 1 + end) / 2;
  }
  return ranks;
}

/** @throws InputError `INVALID_ARGUMENT` unless there is one finite number a document. */
function assertPrior(prior: readonly number[], count: number): void {
  const areNumbers = isList(prior) && prior.length === count && prior.every((value) => Number.isFinite(value));
  if (!areNumbers) throw invalidArgument("prior", `"bm25" or ${count} finite numbers, one per document`, prior);
}
