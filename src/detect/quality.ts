import { seededRandom, shuffled } from "../heads/heads.ts";
import { rankDocuments } from "../ranking/scoring/ranking.ts";
import { mean } from "../util/mean.ts";
import { countChoosable } from "./blind-heads.ts";
import { type ExampleScores, meanRates, ndcg } from "./objectives.ts";
import { MIN_EXAMPLES } from "./stability.ts";

/** Numbers of heads that are tried, beside all of them. */
const HEAD_COUNTS = [4, 8, 16, 32, 64];

/** Heads to use if the examples cannot decide: on two released models, 4, 8 and 16 heads rank alike. */
const HEADS_OF_EASY_EXAMPLES = 8;

/**
 * Models with so many heads that see the whole prompt get 8 at least. On SmolLM2 (270 heads) eight rank level with four where
 * both were found with labels, and .012 above them without (docs/results/released-models.md). Gemma 3 270M (12 such heads)
 * ranks alike with either.
 */
const MANY_HEADS = 64;
const LEAST_OF_MANY = 8;

/** Parts that the examples are cut into: each is ranked by heads that the others chose. */
const FOLDS = 5;

/** How well heads rank examples that had no say in choosing them. */
export type Quality = {
  folds: number;
  /** By number of heads, ascending; the last is all that there were to choose among. */
  byHeads: {
    heads: number;
    /** Mean nDCG@10. */
    ndcg: number;
    /** Mean share of the gold documents among as many first ranks as there are gold documents. */
    rPrecision: number;
  }[];
};

/** The examples of each fold, as indexes; the same for the same seed. At least two, and as many as examples at most. */
export function foldsOf(examples: number, seed: number, folds: number = FOLDS): number[][] {
  const order = shuffled([...Array(examples).keys()], seededRandom(seed));
  const count = Math.max(2, Math.min(folds, examples));
  return Array.from({ length: count }, (_, fold) => order.filter((_, index) => index % count === fold));
}

/** All examples but those of one fold, in their order. */
export function without(examples: number, fold: readonly number[]): number[] {
  const left = new Set(fold);
  return [...Array(examples).keys()].filter((index) => !left.has(index));
}

/**
 * Ranks every example by the sum of its best heads' calibrated scores, the heads being chosen on the other folds.
 *
 * Reranking masks outliers in the sum over heads, and this function masks them per head. So the numbers serve to compare head
 * counts, and are close to those of reranking but not equal.
 *
 * @param rates Of each example, one number per head.
 * @returns null for fewer than `MIN_EXAMPLES`; also what each example got, `[head count][example]`.
 */
export function qualityOf(
  examples: readonly ExampleScores[],
  rates: readonly Float64Array[],
  seed: number,
): { quality: Quality; ndcgs: Float64Array[] } | null {
  if (examples.length < MIN_EXAMPLES) return null;
  const heads = countChoosable(rates[0]!);
  const counts = [...HEAD_COUNTS.filter((count) => count < heads), heads];
  const empty = () => counts.map(() => new Float64Array(examples.length));
  const [ndcgs, precisions] = [empty(), empty()];
  const folds = foldsOf(examples.length, seed);
  for (const fold of folds) {
    const order = rankDocuments(meanRates(rates, without(examples.length, fold)));
    for (const index of fold) {
      const { ranking, documents, gold } = examples[index]!;
      const sums = new Float64Array(documents);
      let added = 0;
      for (const [column, count] of counts.entries()) {
        for (; added < count; added++) addRow(sums, ranking, order[added]!, 1);
        ndcgs[column]![index] = ndcg(sums, gold);
        precisions[column]![index] = rPrecision(sums, gold);
      }
    }
  }
  const byHeads = counts.map((count, column) => ({
    heads: count,
    ndcg: mean(ndcgs[column]!),
    rPrecision: mean(precisions[column]!),
  }));
  return { quality: { folds: folds.length, byHeads }, ndcgs };
}

/**
 * The number of heads to use: the smallest whose nDCG is no further below the best than one standard error of their
 * difference over the examples. Fewer heads need fewer layers. If several numbers rank every example perfectly, the examples
 * are too easy to choose the smallest. Then it is 8, or the nearest perfect number below 8, else above. It is at least 8 where
 * there are 64 heads or more.
 */
export function chooseCount(quality: Quality, all: readonly Float64Array[]): number {
  const least = quality.byHeads.at(-1)!.heads < MANY_HEADS ? 0 : LEAST_OF_MANY;
  const first = quality.byHeads.findIndex(({ heads }) => heads >= least);
  const [byHeads, ndcgs] = [quality.byHeads.slice(first), all.slice(first)];
  const perfect = byHeads.filter((_, index) => ndcgs[index]!.every((ndcg) => ndcg === 1)).map(({ heads }) => heads);
  if (perfect.length > 1) return perfect.findLast((heads) => heads <= HEADS_OF_EASY_EXAMPLES) ?? perfect[0]!;
  const best = rankDocuments(
    byHeads.map(({ ndcg }) => ndcg),
    1,
  )[0]!;
  const column = byHeads.findIndex((_, index) => {
    const { mean, standardError } = paired(ndcgs[best]!, ndcgs[index]!);
    return mean <= standardError;
  });
  return byHeads[column]!.heads;
}

/** Mean of `a − b` over examples, and its standard error. */
export function paired(a: Float64Array, b: Float64Array): { mean: number; standardError: number } {
  const differences = a.map((value, index) => value - b[index]!);
  const centre = mean(differences);
  const squares = differences.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return { mean: centre, standardError: Math.sqrt(squares / (a.length - 1) / a.length) };
}

/** Adds `weight` times one head's scores of the documents. */
export function addRow(sums: Float64Array, scores: Float32Array, head: number, weight: number): void {
  const first = head * sums.length;
  for (let document = 0; document < sums.length; document++) sums[document]! += weight * scores[first + document]!;
}

function rPrecision(scores: Float64Array, gold: readonly number[]): number {
  const relevant = new Set(gold);
  return rankDocuments(scores, relevant.size).filter((document) => relevant.has(document)).length / relevant.size;
}
