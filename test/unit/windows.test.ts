import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dealWindows } from "../../src/windows/plan.ts";
import {
  fitLine,
  type Merged,
  mergeAnchored,
  mergeCalibrated,
  mergeSliding,
  mergeTournament,
  type Problem,
} from "../../src/windows/rules.ts";

const rules: [name: string, merge: (problem: Problem) => Promise<Merged>][] = [
  ["calibrated", mergeCalibrated],
  ["anchors", (problem) => mergeAnchored(problem, 2)],
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
  test("orders documents as their scores do when all windows agree on them, within the limits of a window", async () => {
    await fc.assert(
      fc.asyncProperty(sized, async ({ values, costs, capacity, most }) => {
        const { problem, asked } = problemOf(values, costs, capacity, most);
        const { order } = await merge(problem);
        expect(order.toSorted((a, b) => a - b)).toEqual(values.map((_, index) => index));
        if (merge !== mergeSliding) expect(values[order[0]!]).toBe(values.length - 1);
        for (const window of asked) {
          expect(window.length).toBeLessThanOrEqual(most);
          if (window.length > 1)
            expect(window.reduce((sum, index) => sum + costs[index]!, 0)).toBeLessThanOrEqual(capacity);
        }
        if (merge === mergeCalibrated)
          expect(order.map((index) => values[index])).toEqual([...values].sort((a, b) => b - a));
      }),
    );
  });
});

test("anchors put windows on one scale", async () => {
  // Windows that hold document 2 halve every score and add one.
  const truth = [10, 8, 6, 4, 9, 2, 7, 1];
  const costs = truth.map(() => 1);
  const problem = (): Problem => ({
    costs,
    capacity: 6,
    most: 6,
    score: async (members) => members.map((member) => (members.includes(2) ? truth[member]! / 2 + 1 : truth[member]!)),
  });
  const right = truth.map((_, index) => index).sort((a, b) => truth[b]! - truth[a]!);
  expect((await mergeAnchored(problem(), 2)).order).toEqual(right);
  expect((await mergeCalibrated(problem())).order).not.toEqual(right);
});

test("the line through anchors is that of least squares, and never turns the order around", () => {
  expect(fitLine([1, 2, 3], [3, 5, 7])).toEqual({ scale: 2, shift: 1 });
  expect(fitLine([4], [6])).toEqual({ scale: 1, shift: 2 });
  expect(fitLine([1, 2], [2, 1]).scale).toBe(1);
  expect(fitLine([1, 1.001], [0, 9]).scale).toBe(4);
  expect(fitLine([], [])).toEqual({ scale: 1, shift: 0 });
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

test("a tournament lets the better half of every window through, and the last window decides", async () => {
  const { problem, asked } = problemOf([8, 7, 6, 5, 4, 3, 2, 1], new Array(8).fill(1), 4);
  const { order } = await mergeTournament(problem);
  expect(asked).toEqual([
    [0, 2, 4, 6],
    [1, 3, 5, 7],
    [0, 1, 2, 3],
  ]);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("a sliding window carries the best from the end to the front", async () => {
  const { problem, asked } = problemOf([5, 4, 3, 2, 1, 9], new Array(6).fill(1), 4);
  const { order } = await mergeSliding(problem);
  expect(asked[0]).toEqual([2, 3, 4, 5]);
  expect(order[0]).toBe(5);
});
