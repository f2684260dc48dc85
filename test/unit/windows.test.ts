import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rankDocuments } from "../../src/ranking/scoring/ranking.ts";
import { dealWindows } from "../../src/ranking/windows/plan.ts";
import {
  mergeCalibrated,
  mergeFinal,
  mergeSliding,
  mergeTournament,
  type Problem,
  type Rule,
} from "../../src/ranking/windows/rules.ts";

const rules: [name: string, merge: Rule][] = [
  ["calibrated", mergeCalibrated],
  ["final", mergeFinal],
  ["tournament", mergeTournament],
  ["sliding", mergeSliding],
];

/** A problem whose windows score documents by these values, with the windows that were asked for. */
function problemOf(
  values: readonly number[],
  costs: readonly number[],
  capacity: number,
  most = Number.POSITIVE_INFINITY,
) {
  const asked: number[][] = [];
  const problem: Problem = {
    costs,
    capacity,
    most,
    score: async (members) => {
      asked.push([...members]);
      return members.map((member) => values[member]!);
    },
  };
  return { problem, asked };
}

const sized = fc.integer({ min: 2, max: 30 }).chain((count) =>
  fc.record({
    values: fc.shuffledSubarray(
      Array.from({ length: count }, (_, i) => i),
      { minLength: count },
    ),
    costs: fc.array(fc.integer({ min: 1, max: 10 }), { minLength: count, maxLength: count }),
    capacity: fc.integer({ min: 20, max: 60 }),
    most: fc.integer({ min: 3, max: 12 }),
  }),
);

describe("dealWindows", () => {
  test("puts every document in one window, and no window over its limits", () => {
    fc.assert(
      fc.property(sized, ({ costs, capacity, most }) => {
        const windows = dealWindows(costs, capacity, most);
        expect(windows.flat().sort((a, b) => a - b)).toEqual(costs.map((_, index) => index));
        for (const window of windows) {
          expect(window.length).toBeGreaterThan(0);
          expect(window.length).toBeLessThanOrEqual(most);
          expect(window.reduce((sum, index) => sum + costs[index]!, 0)).toBeLessThanOrEqual(capacity);
        }
      }),
    );
  });

  test("balances windows and deals a ranking round", () => {
    expect(dealWindows([5, 5, 5, 5, 5, 5], 20)).toEqual([
      [0, 2, 4],
      [1, 3, 5],
    ]);
    expect(dealWindows([30, 5, 5, 5], 20)).toEqual([[0], [1], [2], [3]]);
  });
});

describe.each(rules)("%s", (_, merge) => {
  test("gives documents the scores that all windows agree on, within the limits of a window", async () => {
    await fc.assert(
      fc.asyncProperty(sized, async ({ values, costs, capacity, most }) => {
        const { problem, asked } = problemOf(values, costs, capacity, most);
        const scores = await merge(problem);
        expect(scores).toHaveLength(values.length);
        for (const [index, score] of scores.entries()) expect(score).toBeCloseTo(values[index]!, 6);
        for (const window of asked) {
          expect(window.length).toBeLessThanOrEqual(most);
          expect(new Set(window).size).toBe(window.length);
          if (window.length > 1)
            expect(window.reduce((sum, index) => sum + costs[index]!, 0)).toBeLessThanOrEqual(capacity);
        }
      }),
    );
  });

  test("reads one window once where one holds all, and ends where each holds one document", async () => {
    const one = problemOf([3, 1, 2], [2, 2, 2], 6);
    expect(await merge(one.problem)).toEqual([3, 1, 2]);
    expect(one.asked).toEqual([[0, 1, 2]]);
    const many = problemOf([3, 1, 2], [4, 4, 4], 4);
    expect(rankDocuments(await merge(many.problem))).toEqual([0, 2, 1]);
    expect(many.asked).toHaveLength(3);
  });
});

test("the order in which windows are read does not matter where the rule says so", async () => {
  const values = [3, 9, 1, 7, 5, 8, 2, 6];
  const costs = [4, 2, 3, 5, 1, 2, 4, 3];
  for (const [name, merge] of rules.slice(0, 3)) {
    const plain = await merge(problemOf(values, costs, 10).problem);
    // A scorer whose answers come late, and which remembers nothing of windows before.
    const { problem } = problemOf(values, costs, 10);
    const late = await merge({
      ...problem,
      score: async (members) => {
        await new Promise((done) => setTimeout(done, 1));
        return problem.score(members);
      },
    });
    expect(late, name).toEqual(plain);
  }
});

test("a tournament lets the best third of every window through, and a score is the mean of a document's readings", async () => {
  const { problem, asked } = problemOf([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], new Array(10).fill(1), 5);
  // Every reading after the first two gives one more.
  const scores = await mergeTournament({
    ...problem,
    score: async (members) => (await problem.score(members)).map((value) => value + (asked.length > 2 ? 1 : 0)),
  });
  expect(asked).toEqual([
    [0, 2, 4, 6, 8],
    [1, 3, 5, 7, 9],
    [0, 1, 2, 3],
  ]);
  expect(scores).toEqual([9.5, 8.5, 7.5, 6.5, 5, 4, 3, 2, 1, 0]);
});

test("the best of all windows meet in one final, as many as it holds", async () => {
  const { problem, asked } = problemOf([1, 2, 9, 8, 7, 6], [1, 1, 1, 2, 1, 1], 4);
  await mergeFinal(problem);
  expect(asked.slice(0, -1).flat().sort()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(asked.at(-1)).toEqual([2, 3, 4]);
});

test("a sliding window carries the best from the end to the front", async () => {
  const { problem, asked } = problemOf([5, 4, 3, 2, 1, 9], new Array(6).fill(1), 4);
  const scores = await mergeSliding(problem);
  expect(asked).toEqual([
    [2, 3, 4, 5],
    [0, 1, 5, 2],
  ]);
  expect(rankDocuments(scores)[0]).toBe(5);
});
