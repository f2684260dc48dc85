import { describe, expect, test } from "vitest";
import { bestHeads, type ExampleScores, meanRates, type Objective, rateHeads } from "../../src/detect/objectives.ts";

/** Rows are heads, columns documents. */
const scores = (gold: number[], ...rows: number[][]): Example => ({
  scores: Float32Array.from(rows.flat()),
  documents: rows[0]!.length,
  gold,
});

type Example = Pick<ExampleScores, "scores" | "documents" | "gold">;

function means(objective: Objective, examples: Example[], temperature?: number): number[] {
  return [...meanRates(examples.map((example) => rateHeads(example, objective, temperature)))];
}

describe("mass", () => {
  test("is the mean over examples of what the gold documents have together", () => {
    const first = scores([0, 2], [0.5, 9, 0.25], [-1, 9, 0.5]);
    const second = scores([1], [9, 1.25, 9, 9], [9, 0, 9, 9]);
    expect(means("mass", [first])).toEqual([0.75, -0.5]);
    expect(means("mass", [first, second])).toEqual([1, -0.25]);
  });
});

describe("ndcg", () => {
  // The gain at ranks 1, 2, 3.
  const [g1, g2, g3] = [1, 0.6309297535714575, 0.5];

  test.each<[what: string, example: Example, expected: number]>([
    ["one found first", scores([1], [1, 2, 0]), 1],
    ["one found second", scores([1], [2, 1, 0]), g2],
    ["one found third", scores([1], [2, 1, 3]), g3],
    ["two found first and third", scores([0, 2], [3, 2, 1, 0]), (g1 + g3) / (g1 + g2)],
    ["equal scores, by index", scores([1], [0, 0, 0]), g2],
    ["negative scores", scores([0], [-1, -2]), 1],
  ])("of %s", (_, example, expected) => {
    expect(means("ndcg", [example])[0]).toBeCloseTo(expected, 12);
  });

  test("ends with rank 10", () => {
    const falling = Array.from({ length: 12 }, (_, index) => 12 - index);
    expect(means("ndcg", [scores([9], falling)])[0]).toBeCloseTo(1 / Math.log2(11), 12);
    expect(means("ndcg", [scores([10], falling)])).toEqual([0]);
    // Eleven are gold, of which no more than ten could be found.
    const gold = Array.from({ length: 11 }, (_, index) => index);
    expect(means("ndcg", [scores(gold, falling)])[0]).toBeCloseTo(1, 12);
  });

  test("is averaged over examples, for each head by itself", () => {
    const first = scores([0], [2, 1], [1, 2]);
    const second = scores([0], [1, 2], [2, 1]);
    const [a, b] = means("ndcg", [first, second, second]);
    expect(a).toBeCloseTo((1 + 2 * g2) / 3, 12);
    expect(b).toBeCloseTo((2 + g2) / 3, 12);
  });
});

describe("contrastive", () => {
  test("is the softmax of a gold document among those that are not gold", () => {
    const example = scores([0], [0.5, 0.25, 0]);
    const powers = [0.5, 0.25, 0].map((score) => Math.exp(score / 0.5));
    expect(means("contrastive", [example], 0.5)[0]).toBeCloseTo(
      powers[0]! / (powers[0]! + powers[1]! + powers[2]!),
      12,
    );
    // ln 3 at temperature 1: three against one.
    expect(means("contrastive", [scores([1], [0, Math.log(3)])], 1)[0]).toBeCloseTo(0.75, 6);
  });

  test("has the temperature of CoRe", () => {
    expect(means("contrastive", [scores([0], [0.1, 0])])[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
  });

  test("is averaged over the gold documents, which do not compete", () => {
    const example = scores([0, 1], [1, 0, 0]);
    const expected = (1 / (1 + Math.exp(-1)) + 1 / 2) / 2;
    expect(means("contrastive", [example], 1)[0]).toBeCloseTo(expected, 12);
  });

  test("stays a number where powers overflow", () => {
    const example = scores([0], [1, 0], [0, 1], [5000, 5000]);
    expect(means("contrastive", [example], 1e-4)).toEqual([1, 0, 0.5]);
    expect(means("contrastive", [example], Number.MIN_VALUE)).toEqual([1, 0, 0.5]);
  });
});

test("the best heads are in order, equal ones by layer and by head", () => {
  const layers = Float64Array.from([0, 2, 1, 2, 0, 3]);
  expect(bestHeads(layers, 2, 4)).toEqual([
    [2, 1],
    [0, 1],
    [1, 1],
    [1, 0],
  ]);
  expect(bestHeads(layers, 3, 100)).toHaveLength(6);
});
