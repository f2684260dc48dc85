import { largestOf, smallestOf } from "../util/extremes.ts";
import { mean } from "../util/mean.ts";
import type { ExampleScores } from "./objectives.ts";

/** Steps of one fit at most, and the change of the largest weight, as a share of it, at which a fit ends sooner. */
export type Effort = { steps: number; tolerance: number };

/** For the weights that are kept. */
export const THOROUGH: Effort = { steps: 500, tolerance: 1e-6 };
/** For comparing pulls: held-out losses hardly move any more. */
export const QUICK: Effort = { steps: 80, tolerance: 1e-3 };

/** Examples as a function of the weights of some heads. */
export type Problem = readonly ListwiseExample[];

/**
 * One example's listwise loss: with z(d) = Σ w·s(d), log Σ exp z(d) over all documents, less the mean z of the gold ones.
 * The cross-entropy of ListNet (Cao et al., 2007) with all gold documents alike.
 */
class ListwiseExample {
  readonly heads: number;
  /** `[documents × heads]`. */
  readonly #features: Float64Array;
  readonly #target: Float64Array;
  /** Scratch, one number per document: a fit evaluates each example thousands of times. */
  readonly #logits: Float64Array;

  constructor(features: Float64Array, documents: number, gold: readonly number[]) {
    this.heads = features.length / documents;
    this.#features = features;
    this.#target = new Float64Array(documents);
    this.#logits = new Float64Array(documents);
    for (const document of gold) this.#target[document] = 1 / gold.length;
  }

  /** The loss; its gradient is added to `gradient` where there is one. */
  loss(weights: Float64Array, gradient?: Float64Array): number {
    const [heads, features, target, logits] = [this.heads, this.#features, this.#target, this.#logits];
    let highest = Number.NEGATIVE_INFINITY;
    let wanted = 0;
    for (let document = 0; document < logits.length; document++) {
      let logit = 0;
      for (let head = 0; head < heads; head++) logit += weights[head]! * features[document * heads + head]!;
      logits[document] = logit;
      highest = Math.max(highest, logit);
      wanted += target[document]! * logit;
    }
    let sum = 0;
    for (const logit of logits) sum += Math.exp(logit - highest);
    if (gradient) {
      for (let document = 0; document < logits.length; document++) {
        const slope = Math.exp(logits[document]! - highest) / sum - target[document]!;
        for (let head = 0; head < heads; head++) gradient[head]! += slope * features[document * heads + head]!;
      }
    }
    return highest + Math.log(sum) - wanted;
  }
}

/**
 * The examples with the chosen heads' scores as features, scaled by one number for all so that the plain sum spreads the
 * documents of an example by about 1.
 */
export function toProblem(examples: readonly ExampleScores[], heads: readonly number[]): Problem {
  const tables = examples.map(({ ranking, documents }) =>
    Float64Array.from({ length: documents * heads.length }, (_, index) => {
      const document = Math.floor(index / heads.length);
      return ranking[heads[index % heads.length]! * documents + document]!;
    }),
  );
  const spreads = tables.map((features) => spreadOfSums(features, heads.length));
  const scale = mean(spreads) || 1;
  return examples.map(
    ({ documents, gold }, index) =>
      new ListwiseExample(
        tables[index]!.map((value) => value / scale),
        documents,
        gold,
      ),
  );
}

/** The steepest descent of any weight from weights of 0; 0 where none descends. */
export function steepest(problem: Problem): number {
  const { gradient } = evaluate(problem, new Float64Array(problem[0]!.heads), 0);
  return Math.max(0, -smallestOf(gradient));
}

/**
 * Minimises mean loss + `pull` / 2 × Σ (weight − mean weight)² over weights of at least 0: accelerated proximal gradient
 * (FISTA, Beck and Teboulle 2009) with backtracking, begun anew where the momentum leads uphill.
 *
 * @param start Weights to begin with: a solution for a similar `pull` saves steps.
 */
export function solve(
  problem: Problem,
  pull: number,
  start: Float64Array,
  { steps, tolerance }: Effort = THOROUGH,
): Float64Array {
  let weights = start;
  let ahead = start;
  let momentum = 1;
  let step = 1;
  /** Whether the value at `next` is below the parabola that a step of this size assumes. */
  const isBelowParabola = (next: Float64Array, loss: number, gradient: Float64Array) => {
    const move = next.map((weight, head) => weight - ahead[head]!);
    const bound = loss + dot(gradient, move) + dot(move, move) / (2 * step);
    return evaluate(problem, next, pull).loss <= bound + 1e-12 * Math.abs(loss) || step < 1e-12;
  };
  for (let count = 0; count < steps; count++) {
    const { loss, gradient } = evaluate(problem, ahead, pull);
    const move = () => ahead.map((weight, head) => Math.max(0, weight - step * gradient[head]!));
    let next = move();
    while (!isBelowParabola(next, loss, gradient)) {
      step /= 2;
      next = move();
    }
    const change = next.map((weight, head) => weight - weights[head]!);
    const uphill = change.reduce((sum, value, head) => sum + (ahead[head]! - next[head]!) * value, 0) > 0;
    momentum = uphill ? 1 : momentum;
    const grown = (1 + Math.sqrt(1 + 4 * momentum ** 2)) / 2;
    ahead = uphill ? next : next.map((weight, head) => weight + ((momentum - 1) / grown) * change[head]!);
    momentum = grown;
    weights = next;
    if (largestOf(change.map(Math.abs)) <= tolerance * Math.max(1, largestOf(weights))) break;
  }
  return weights;
}

/** Mean loss of the examples and the penalty, and the gradient of both. */
function evaluate(problem: Problem, weights: Float64Array, pull: number): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(weights.length);
  let loss = 0;
  for (const example of problem) loss += example.loss(weights, gradient);
  const centre = mean(weights);
  return {
    loss: loss / problem.length + (pull / 2) * weights.reduce((sum, weight) => sum + (weight - centre) ** 2, 0),
    gradient: gradient.map((slope, head) => slope / problem.length + pull * (weights[head]! - centre)),
  };
}

/** Standard deviation over documents of the plain sum over heads. */
function spreadOfSums(features: Float64Array, heads: number): number {
  const sums = Float64Array.from({ length: features.length / heads }, (_, document) =>
    features.subarray(document * heads, (document + 1) * heads).reduce((sum, value) => sum + value, 0),
  );
  const middle = mean(sums);
  return Math.sqrt(mean(sums.map((value) => (value - middle) ** 2)));
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}
