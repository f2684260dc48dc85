import { describe, expect, test } from "vitest";
import type { ExampleScores } from "../../src/detect/objectives.ts";
import { summarize } from "../../src/detect/summary.ts";

/** Two documents, the first one gold: a head's score of that is its rating by mass. */
const exampleOf = (ratings: readonly number[]): ExampleScores => {
  const scores = Float32Array.from(ratings.flatMap((rating) => [rating, 0]));
  return { scores, ranking: scores, masses: scores.map(Math.abs), documents: 2, gold: [0] };
};
const options = {
  ...({ name: "mass", objective: "mass", temperature: 0.1, nullQuery: "N/A", seed: 0, shuffle: undefined } as const),
  ...({ sourceName: "examples", top: undefined, fitWeights: false, prompt: "plain" } as const),
  model: { name: "small", architecture: "llama", layers: 2, heads: 2, fingerprint: "0".repeat(64) },
};
const summaryOf = (ratings: readonly number[], more: { top?: number } = {}) => {
  const examples = [exampleOf(ratings), exampleOf(ratings)];
  const rates = examples.map(() => Float64Array.from(ratings));
  return summarize({ examples, rates, skipped: 0 }, { ...options, ...more });
};

describe("the heads of few examples", () => {
  test("are those with a rating above zero, fewer than the default number", () => {
    expect(summaryOf([-0.5, 0.25, 0, 0.5]).heads).toEqual([
      [1, 1],
      [0, 1],
    ]);
  });

  test("are as many as the caller asks for", () => {
    expect(summaryOf([-0.5, 0.25, 0, 0.5], { top: 4 }).heads).toHaveLength(4);
  });

  test("are none where every rating speaks against them", () => {
    expect(() => summaryOf([-0.5, -0.25, 0, -1])).toThrow(/^No head of small has a rating above zero/);
  });
});
