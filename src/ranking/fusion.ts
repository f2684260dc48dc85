import { Bm25Index, textOf } from "../bm25/bm25.ts";
import { invalidArgument } from "../errors.ts";
import type { Fuse, Prior, RankDocument } from "../types.ts";
import type { Ranked } from "./results.ts";

export type FusionOptions = {
  /** Scores of a first stage to rank with; with `fuse` alone `"bm25"`. Defaults to none. */
  prior?: Prior | undefined;
  /** How they join the heads' scores. Defaults to `{ weight: 0.5 }` where there is a prior. */
  fuse?: Fuse | undefined;
};

export const DEFAULT_FUSE = { weight: 0.5 } as const;

/** How a call joins a first stage's scores. */
export type Fusion = { prior: Prior; fuse: Exclude<Fuse, "none"> };

/** What the options ask for; undefined where documents are ranked by the heads alone. */
export function fusionOf({ prior, fuse }: FusionOptions): Fusion | undefined {
  if (fuse === "none" || (prior === undefined && fuse === undefined)) return undefined;
  return { prior: prior ?? "bm25", fuse: fuse ?? DEFAULT_FUSE };
}

/**
 * @throws InputError `INVALID_ARGUMENT` for a prior that has not one number a document, or numbers for several queries.
 */
export function checkFusion({ prior }: Fusion, documents: number, queries: number): void {
  if (prior === "bm25") return;
  if (queries > 1) throw invalidArgument("prior", '"bm25" where there are several queries', prior);
  assertPrior(prior, documents);
}

/** Results of all documents, ordered with a first stage's scores as well. */
export function fuseResults<T extends Pick<Ranked, "index" | "score" | "demoted">>(
  query: string,
  results: readonly T[],
  documents: readonly RankDocument[],
  { prior, fuse }: Fusion,
): (T & { fused: number; prior: number })[] {
  return fuseRanking(results, prior === "bm25" ? bm25Scores(query, documents) : prior, fuse);
}

/** BM25 of every document, where the documents themselves are the collection that words are rare in. */
function bm25Scores(query: string, documents: readonly RankDocument[]): number[] {
  const index = Bm25Index.of(documents.map(textOf));
  return index.scores(
    query,
    documents.map((_, i) => i),
  );
}

/** The constant of Cormack et al. 2009: how little the first ranks differ. */
const RRF_K = 60;

/**
 * One number a document from the heads' scores and the prior's, higher is better.
 *
 * @param heads Scores by the heads, finite.
 * @param prior As many, finite.
 * @throws InputError `INVALID_ARGUMENT` for a weight that is no number from 0 to 1, or a prior of another length.
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
 * Orders a ranking anew. `score` stays what the heads gave; `fused` and `prior` are added.
 *
 * A document that stands lower than its score counts with the score of its place, and a blank one stays behind all others.
 *
 * @param results A ranking of all documents, best first.
 * @param prior One score a document, in the order of the documents passed.
 */
export function fuseRanking<T extends Pick<Ranked, "index" | "score" | "demoted">>(
  results: readonly T[],
  prior: readonly number[],
  fuse: Exclude<Fuse, "none">,
): (T & { fused: number; prior: number })[] {
  assertPrior(prior, results.length);
  let lowest = Number.POSITIVE_INFINITY;
  const placed = results.map(({ score }) => {
    lowest = Math.min(lowest, score);
    return lowest;
  });
  const priors = results.map(({ index }) => prior[index]!);
  const fused = fuseScores(placed, priors, fuse);
  const joined = results.map((result, i) => ({ ...result, prior: priors[i]!, fused: fused[i]! }));
  const isBlank = ({ demoted }: T) => Number(demoted === "blank");
  return joined.sort((a, b) => isBlank(a) - isBlank(b) || b.fused - a.fused || a.index - b.index);
}

/** (x − mean) / std of the population; 0 where all are equal. */
function zScores(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance);
  // Equal values have a mean that rounding may part from them.
  const isFlat = values.every((value) => value === values[0]);
  return values.map((value) => (isFlat || deviation === 0 ? 0 : (value - mean) / deviation));
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
  const isList = Array.isArray(prior) && prior.length === count && prior.every((value) => Number.isFinite(value));
  if (!isList) throw invalidArgument("prior", `"bm25" or ${count} finite numbers, one a document`, prior);
}
