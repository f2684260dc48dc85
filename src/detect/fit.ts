import { rankDocuments } from "../ranking/scoring/ranking.ts";
import { mean } from "../util/mean.ts";
import { type ExampleScores, meanRates, ndcg } from "./objectives.ts";
import { addRow, foldsOf, paired, without } from "./quality.ts";
import { type Effort, type Problem, QUICK, solve, strongestL1, THOROUGH, toProblem } from "./softmax-fit.ts";
import { MIN_EXAMPLES } from "./stability.ts";

/** Strengths of L1 that are tried, as shares of the smallest that makes every weight 0. */
const L1_SHARES = [0.3, 0.1, 0.03, 0.01, 0.003];

/** Fewer examples than this cannot be split twice. */
export const MIN_FIT_EXAMPLES = 2 * MIN_EXAMPLES;

/** Parts for choosing L1 inside the examples of one outer fold. */
const INNER_FOLDS = 3;

/** The result of fitting weights, whether the weights are kept or not. */
export type Fit = {
  /** Whether the weights beat the plain sum by more than one standard error on examples that they were not fitted on. */
  kept: boolean;
  /** The share of the strongest L1 that cross-validation chose. */
  l1: number;
  folds: number;
  /** Mean nDCG@10 on held-out folds. Heads, L1 and weights were all chosen without the fold. */
  ndcg: { plain: number; weighted: number };
  /** Standard error of the difference of the two. */
  standardError: number;
};

/**
 * Fits non-negative head weights: a softmax over an example's documents of their weighted sum, cross-entropy with its gold
 * documents, and L1 so that heads which add nothing drop out. Convex, so the result depends on the examples alone.
 *
 * How good the weights are is measured by nested cross-validation: in every outer fold the `top` heads, the strength of L1
 * and the weights come from the other folds.
 *
 * @param heads Indexes of the heads to weigh, chosen on all examples.
 * @param rates Of each example, one number per head: choose the heads of each fold.
 * @returns null for fewer than `MIN_FIT_EXAMPLES`. Weights are in the order of `heads`, and of mean 1.
 */
export function fitWeights(
  examples: readonly ExampleScores[],
  rates: readonly Float64Array[],
  heads: readonly number[],
  seed: number,
): { fit: Fit; weights: Float64Array } | null {
  if (examples.length < MIN_FIT_EXAMPLES) return null;
  const plain = new Float64Array(examples.length);
  const weighted = new Float64Array(examples.length);
  const folds = foldsOf(examples.length, seed);
  for (const fold of folds) {
    const training = without(examples.length, fold);
    const chosen = rankDocuments(meanRates(rates, training), heads.length);
    const subset = training.map((index) => examples[index]!);
    const { weights } = fitOn(subset, chosen, seed, QUICK);
    for (const index of fold) {
      const example = examples[index]!;
      plain[index] = ndcg(weigh(example, chosen), example.gold);
      weighted[index] = ndcg(weigh(example, chosen, weights), example.gold);
    }
  }
  const { l1, weights } = fitOn(examples, heads, seed, THOROUGH);
  const { mean: gain, standardError } = paired(weighted, plain);
  const kept = gain > standardError && weights.some((weight) => weight > 0);
  return {
    fit: { kept, l1, folds: folds.length, ndcg: { plain: mean(plain), weighted: mean(weighted) }, standardError },
    weights,
  };
}

/** Chooses L1 by cross-validation among these examples, then fits all of them. */
function fitOn(
  examples: readonly ExampleScores[],
  heads: readonly number[],
  seed: number,
  effort: Effort,
): { l1: number; weights: Float64Array } {
  const problem = toProblem(examples, heads);
  const losses = new Float64Array(L1_SHARES.length);
  for (const fold of foldsOf(examples.length, seed, INNER_FOLDS)) {
    const training = without(examples.length, fold).map((index) => problem[index]!);
    const held = fold.map((index) => problem[index]!);
    for (const [column, { loss }] of path(training, held, QUICK).entries()) losses[column]! += loss;
  }
  const best = rankDocuments(
    losses.map((loss) => -loss),
    1,
  )[0]!;
  const weights = path(problem, problem, effort)[best]!.weights;
  const average = mean(weights);
  return { l1: L1_SHARES[best]!, weights: average > 0 ? weights.map((weight) => weight / average) : weights };
}

/** Weights for every strength of L1, the strongest first, and the loss that each leaves on `held`. */
function path(training: Problem, held: Problem, effort: Effort): { weights: Float64Array; loss: number }[] {
  const strongest = strongestL1(training);
  let weights: Float64Array = new Float64Array(training[0]!.heads);
  return L1_SHARES.map((share) => {
    weights = solve(training, share * strongest, weights, effort);
    return { weights, loss: held.reduce((sum, example) => sum + example.loss(weights), 0) };
  });
}

/** Scores of an example's documents by a sum of heads. */
function weigh({ ranking, documents }: ExampleScores, heads: readonly number[], weights?: Float64Array): Float64Array {
  const sums = new Float64Array(documents);
  for (const [index, head] of heads.entries()) addRow(sums, ranking, head, weights ? weights[index]! : 1);
  return sums;
}
