import { describe, expect, test } from "vitest";
import { fitWeights } from "../../src/detect/fit.ts";
import type { ExampleScores } from "../../src/detect/objectives.ts";
import { solve, steepest, toProblem } from "../../src/detect/softmax-fit.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { exampleScores } from "../helpers/example-scores.ts";

const DOCUMENTS = 5;

const made = (count: number, signals: readonly number[], noise: number) =>
  exampleScores(count, signals, { documents: DOCUMENTS, noise });

/** The loss, written down a second time. */
function lossOf(examples: readonly ExampleScores[], heads: number, weights: readonly number[]): number {
  let loss = 0;
  for (const { ranking, gold } of examples) {
    const logits = Array.from({ length: DOCUMENTS }, (_, document) =>
      weights.reduce((sum, weight, head) => sum + weight * ranking[head * DOCUMENTS + document]!, 0),
    );
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    for (const document of gold) loss -= Math.log(Math.exp(logits[document]!) / total) / gold.length;
  }
  expect(weights).toHaveLength(heads);
  return loss / examples.length;
}

/** What `toProblem` divides scores by: the mean over examples of the deviation of the plain sums. */
function scaleOf(examples: readonly ExampleScores[], heads: number): number {
  const deviations = examples.map(({ ranking }) => {
    const sums = Array.from({ length: DOCUMENTS }, (_, document) =>
      Array.from({ length: heads }, (_, head) => ranking[head * DOCUMENTS + document]!).reduce((a, b) => a + b, 0),
    );
    const mean = sums.reduce((a, b) => a + b, 0) / DOCUMENTS;
    return Math.sqrt(sums.reduce((a, b) => a + (b - mean) ** 2, 0) / DOCUMENTS);
  });
  return deviations.reduce((a, b) => a + b, 0) / deviations.length;
}

describe("the solver", () => {
  const examples = made(20, [0.5, 0.2, 0, 0.1], 1);
  const problem = toProblem(examples, [0, 1, 2, 3]);
  const scale = scaleOf(examples, 4);
  const at = (weights: readonly number[], pull: number) => {
    const middle = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    const penalty = (pull / 2) * weights.reduce((sum, weight) => sum + (weight - middle) ** 2, 0);
    return (
      penalty +
      lossOf(
        examples,
        4,
        weights.map((weight) => weight / scale),
      )
    );
  };

  test.each([3, 0.3, 0.03])("finds a point that no small step improves, with a pull of %f", (share) => {
    const pull = share * steepest(problem);
    const weights = [...solve(problem, pull, new Float64Array(4))];
    const best = at(weights, pull);
    for (const head of weights.keys()) {
      for (const step of [0.01, -0.01, 0.2, -0.2]) {
        const moved = weights.map((weight, index) => Math.max(0, weight + (index === head ? step : 0)));
        expect(at(moved, pull)).toBeGreaterThanOrEqual(best - 1e-9);
      }
    }
    // It is convex: another start ends at the same place.
    const other = solve(problem, pull, Float64Array.of(3, 0, 2, 1));
    for (const [head, weight] of weights.entries()) expect(other[head]).toBeCloseTo(weight, 3);
  });

  test("gives equal weights under a strong pull, and different ones under a weak one", () => {
    const spread = (pull: number) => {
      const weights = solve(problem, pull * steepest(problem), new Float64Array(4));
      return (Math.max(...weights) - Math.min(...weights)) / Math.max(...weights);
    };
    expect(spread(30)).toBeLessThan(0.1);
    expect(spread(0.1)).toBeGreaterThan(0.5);
  });

  test("never weighs a head below zero, also one that points away from the gold document", () => {
    const weights = solve(toProblem(made(20, [0.5, -0.5], 1), [0, 1]), 1e-4, new Float64Array(2));
    expect(weights[0]).toBeGreaterThan(0);
    expect(weights[1]).toBe(0);
  });
});

const rated = (examples: readonly ExampleScores[], heads: number) =>
  examples.map(({ ranking, gold }) =>
    Float64Array.from({ length: heads }, (_, head) => ranking[head * DOCUMENTS + gold[0]!]!),
  );

describe("weights", () => {
  test("are kept where some heads are worth more than others", () => {
    // One sure head among loud ones that know nothing: the plain sum drowns it.
    const signals = [0.6, 0, 0, 0, 0, 0, 0, 0];
    const examples = made(60, signals, 0.5);
    const random = seededRandom(1000);
    for (const { ranking } of examples) {
      for (let i = DOCUMENTS; i < ranking.length; i++) ranking[i] = 6 * random();
    }
    const heads = [...signals.keys()];
    const { fit, weights } = fitWeights(examples, rated(examples, 8), heads, 0)!;
    expect(fit.kept).toBe(true);
    expect(fit.ndcg.weighted).toBeGreaterThan(fit.ndcg.plain + 0.1);
    expect(weights[0]).toBe(Math.max(...weights));
    expect(weights.reduce((sum, weight) => sum + weight, 0) / 8).toBeCloseTo(1, 9);
    expect(fitWeights(examples, rated(examples, 8), heads, 0)!.weights).toEqual(weights);
  });

  test("are not kept where all heads are alike, or none knows anything", () => {
    for (const signal of [0.3, 0]) {
      const examples = made(40, [signal, signal, signal, signal], 1);
      const { fit } = fitWeights(examples, rated(examples, 4), [0, 1, 2, 3], 0)!;
      expect(fit.kept).toBe(false);
    }
  });

  test("from few examples stay near the plain sum, and are kept about as rarely as chance allows", () => {
    let kept = 0;
    for (let draw = 0; draw < 5; draw++) {
      // Eight heads that know the same, seen thirty times: nothing is to be gained.
      const noisy = made(30, new Array(8).fill(0.25), 1);
      const random = seededRandom(draw);
      for (const { ranking } of noisy) for (let i = 0; i < ranking.length; i++) ranking[i]! += random() - 0.5;
      const { fit, weights } = fitWeights(noisy, rated(noisy, 8), [...Array(8).keys()], draw)!;
      kept += fit.kept ? 1 : 0;
      expect(Math.min(...weights)).toBeGreaterThan(0.3);
      expect(Math.max(...weights)).toBeLessThan(2);
    }
    expect(kept).toBeLessThanOrEqual(1);
  });

  test("are not fitted on fewer than eight examples", () => {
    const examples = made(7, [1, 1], 1);
    expect(fitWeights(examples, rated(examples, 2), [0, 1], 0)).toBeNull();
  });
});
