import { rankDocuments } from "../ranking/scoring/ranking.ts";
import { mean } from "../util/mean.ts";
import { type ExampleScores, meanRates, ndcg } from "./objectives.ts";
import { addRow, foldsOf, paired, without } from "./quality.ts";
import { type Effort, type Problem, QUICK, solve, steepest, THOROUGH, toProblem } from "./softmax-fit.ts";
import { MIN_EXAMPLES } from "./stability.ts";

/** Pulls towards equal weights that are tried, the strongest first, in units of the loss's steepest descent from 0. */
const PULLS = [30, 10, 3, 1, 0.3, 0.1];

/** Weights are kept if they gain more than so many standard errors: with one, three of twenty fits to noise are. */
const KEPT_ABOVE = 2;

/** Fewer examples than this cannot be split twice. */
export const MIN_FIT_EXAMPLES = 2 * MIN_EXAMPLES;

/** Parts for choosing the pull inside the examples of one outer fold. */
const INNER_FOLDS = 3;

/** The result of fitting weights, whether the weights are kept or not. */
export type Fit = {
  /** Whether the weights beat the plain sum by more than two standard errors on examples that they were not fitted on. */
  kept: boolean;
  /** How strongly the weights are pulled towards each other, chosen by cross-validation; at 30 they are nearly equal. */
  pull: number;
  folds: number;
  /** Mean nDCG@10 on held-out folds. Heads, pull and weights were all chosen without the fold. */
  ndcg: { plain: number; weighted: number };
  /** Standard error of the difference of the two. */
  standardError: number;
};

/**
 * Fits non-negative head weights: a softmax over an example's documents of their weighted sum, cross-entropy with its gold
 * documents, and a square penalty on the distance of each weight from their mean, so that few examples give nearly the
 * plain sum. Convex, so the result depends on the examples alone. The pull is the strongest whose held-out loss is within
 * one standard error of the lowest.
 *
 * How good the weights are is measured by nested cross-validation: in every outer fold the `top` heads, the pull and the
 * weights come from the other folds.
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
  const { pull, weights } = fitOn(examples, heads, seed, THOROUGH);
  const { mean: gain, standardError } = paired(weighted, plain);
  const kept = gain > KEPT_ABOVE * standardError && weights.some((weight) => weight > 0);
  return {
    fit: { kept, pull, folds: folds.length, ndcg: { plain: mean(plain), weighted: mean(weighted) }, standardError },
    weights,
  };
}

/** Chooses the pull by cross-validation among these examples, then fits all of them. */
function fitOn(
  examples: readonly ExampleScores[],
  heads: readonly number[],
  seed: number,
  effort: Effort,
): { pull: number; weights: Float64Array } {
  const problem = toProblem(examples, heads);
  const losses = PULLS.map(() => new Float64Array(examples.length));
  for (const fold of foldsOf(examples.length, seed, INNER_FOLDS)) {
    const training = without(examples.length, fold).map((index) => problem[index]!);
    for (const [column, weights] of path(training, PULLS, QUICK).entries()) {
      for (const index of fold) losses[column]![index] = problem[index]!.loss(weights);
    }
  }
  const means = losses.map(mean);
  const lowest = losses[means.indexOf(Math.min(...means))]!;
  const chosen = losses.findIndex((column) => {
    const { mean: worse, standardError } = paired(column, lowest);
    return worse <= standardError;
  });
  const weights = path(problem, PULLS.slice(0, chosen + 1), effort).at(-1)!;
  const average = mean(weights);
  return { pull: PULLS[chosen]!, weights: average > 0 ? weights.map((weight) => weight / average) : weights };
}

/** Weights for every pull. */
function path(training: Problem, pulls: readonly number[], effort: Effort): Float64Array[] {
  const unit = steepest(training);
  let weights: Float64Array = new Float64Array(training[0]!.heads);
  return pulls.map((pull) => {
    weights = solve(training, pull * unit, weights, effort);
    return weights;
  });
}

/** Scores of an example's documents by a sum of heads. */
function weigh({ ranking, documents }: ExampleScores, heads: readonly number[], weights?: Float64Array): Float64Array {
  const sums = new Float64Array(documents);
  for (const [index, head] of heads.entries()) addRow(sums, ranking, head, weights ? weights[index]! : 1);
  return sums;
}
