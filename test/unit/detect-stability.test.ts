import { describe, expect, test } from "vitest";
import type { ExampleScores } from "../../src/detect/objectives.ts";
import { chooseCount, foldsOf, paired, qualityOf, without } from "../../src/detect/quality.ts";
import { overlapOf, stabilityOf } from "../../src/detect/stability.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { mean } from "../../src/util/mean.ts";

const row = (...values: number[]) => Float64Array.from(values);
/** Heads 0, 1, 2 above the rest in every example, by more than the noise. */
function noisy(examples: number, heads: number, signal: number, seed = 1): Float64Array[] {
  const random = seededRandom(seed);
  return Array.from({ length: examples }, () =>
    Float64Array.from({ length: heads }, (_, head) => (head < 3 ? signal : 0) + random()),
  );
}

describe("the overlap of two choices", () => {
  test("is 1 where every example says the same", () => {
    const rates = Array.from({ length: 10 }, () => row(5, 4, 3, 2, 1, 0));
    expect(stabilityOf(rates, 2, 0)).toEqual({
      splits: 50,
      examples: 5,
      overlap: 1,
      chance: 1 / 3,
      curve: [1, 2, 4, 5].map((examples) => ({ examples, overlap: 1 })),
    });
  });

  test("is that of chance where the examples say nothing", () => {
    const rates = noisy(40, 100, 0);
    expect(overlapOf(rates, 20, { size: 20, seed: 3 })).toBeGreaterThan(0.1);
    expect(overlapOf(rates, 20, { size: 20, seed: 3 })).toBeLessThan(0.3);
  });

  test("of halves that can be listed is their exact mean", () => {
    // Two examples for each of two heads: halves agree only where both hold one of each kind, and then head 0 wins.
    const rates = [row(1, 0), row(1, 0), row(0, 1), row(0, 1)];
    // Of the 3 ways to halve 4, one parts the kinds (no overlap); in the other two the means are equal and head 0 is first.
    expect(overlapOf(rates, 1, { size: 2, seed: 7, splits: 2000 })).toBeCloseTo(2 / 3, 1);
  });

  test("grows with the examples, and is the same for the same seed", () => {
    const curve = stabilityOf(noisy(64, 200, 0.3), 3, 5)!.curve;
    expect(curve.map(({ examples }) => examples)).toEqual([1, 2, 4, 8, 16, 32]);
    expect(curve.at(-1)!.overlap).toBeGreaterThan(curve[0]!.overlap + 0.4);
    expect(stabilityOf(noisy(64, 200, 0.3), 3, 5)!.curve).toEqual(curve);
    expect(stabilityOf(noisy(64, 200, 0.3), 3, 6)!.curve).not.toEqual(curve);
  });

  test("is not to be had from three examples", () => {
    expect(stabilityOf(noisy(3, 8, 1), 3, 0)).toBeNull();
  });
});

describe("folds", () => {
  test.each([
    [10, 5],
    [12, 5],
    [5, 5],
    [4, 4],
  ])("of %i examples hold every one once", (examples, count) => {
    const folds = foldsOf(examples, 1);
    expect(folds).toHaveLength(count);
    expect(folds.flat().sort((a, b) => a - b)).toEqual([...Array(examples).keys()]);
    expect(Math.max(...folds.map((fold) => fold.length)) - Math.min(...folds.map((fold) => fold.length))).toBeLessThan(
      2,
    );
    expect(without(examples, folds[0]!)).toEqual([...Array(examples).keys()].filter((i) => !folds[0]!.includes(i)));
  });
});

/** `good` heads score the gold document 1, all others a document that is not gold by as much as `noise`. */
function example(gold: number, heads: number, good: number, noise: number): ExampleScores {
  const documents = 4;
  const scores = new Float32Array(heads * documents);
  for (let head = 0; head < heads; head++) {
    scores[head * documents + (head < good ? gold : (gold + 1) % documents)] = head < good ? 1 : noise;
  }
  return { scores, ranking: scores, masses: new Float32Array(scores.length), documents, gold: [gold] };
}

describe("held-out quality", () => {
  const examples = Array.from({ length: 10 }, (_, index) => example(index % 4, 20, 6, 0.5));
  const rates = examples.map(() => Float64Array.from({ length: 20 }, (_, head) => (head < 6 ? 1 : 0)));

  test("is that of the summed heads, by their number", () => {
    const { quality, ndcgs } = qualityOf(examples, rates, 0)!;
    expect(quality.folds).toBe(5);
    // 4, 8: up to six good ones outvote two bad ones. 16: 6 against 5 still. All 20: 6 × 1 against 14 × 0.5.
    const second = 1 / Math.log2(3);
    expect(quality.byHeads).toEqual([
      { heads: 4, ndcg: 1, rPrecision: 1 },
      { heads: 8, ndcg: 1, rPrecision: 1 },
      { heads: 16, ndcg: 1, rPrecision: 1 },
      { heads: 20, ndcg: expect.closeTo(second, 12), rPrecision: 0 },
    ]);
    expect(ndcgs.map((values) => values.length)).toEqual([10, 10, 10, 10]);
    // Too easy to tell four heads from sixteen.
    expect(chooseCount(quality, ndcgs)).toBe(8);
  });

  test("does not let an example choose the heads that rank it", () => {
    // Each example likes a head of its own, which ranks it rightly; every other head ranks it wrongly.
    const own = Array.from({ length: 5 }, (_, index) => {
      const made = example(0, 5, 0, 1);
      made.ranking.fill(0, 4 * index, 4 * index + 4);
      made.ranking[4 * index] = 100;
      return made;
    });
    const liking = own.map((_, index) => Float64Array.from({ length: 5 }, (_, head) => (head === index ? 1 : 0)));
    const { quality } = qualityOf(own, liking, 0)!;
    expect(quality.byHeads.map(({ heads, rPrecision }) => [heads, rPrecision])).toEqual([
      [4, 0],
      [5, 1],
    ]);
  });

  test("takes the fewest heads that rank alike, unless all of them rank perfectly", () => {
    const choose = (...rows: [number, Float64Array][]) =>
      chooseCount(
        { folds: 2, byHeads: rows.map(([heads, values]) => ({ heads, ndcg: mean(values), rPrecision: 0 })) },
        rows.map(([, values]) => values),
      );
    const [perfect, good] = [row(1, 1, 1, 1), row(1, 0.9, 1, 1)];
    expect(choose([4, good], [8, good], [16, good])).toBe(4);
    expect(choose([4, perfect], [8, perfect], [16, perfect])).toBe(8);
    expect(choose([4, perfect], [12, perfect])).toBe(4);
    expect(choose([4, row(0, 0.1, 0, 0.2)], [16, perfect], [32, perfect])).toBe(16);
    expect(choose([4, good], [8, good], [16, perfect])).toBe(4);
  });

  test("takes eight at least of a model with many heads", () => {
    const [same, better] = [row(0.7, 0.8, 0.9, 0.8), row(0.9, 1, 1, 1)];
    const choose = (total: number, eight = same) =>
      chooseCount(
        {
          folds: 2,
          byHeads: [4, 8, total].map((heads, at) => ({ heads, ndcg: mean([same, eight, same][at]!), rPrecision: 0 })),
        },
        [same, eight, same],
      );
    expect([choose(12), choose(63), choose(64), choose(270)]).toEqual([4, 4, 8, 8]);
    expect(choose(12, better)).toBe(8);
  });

  test("takes more heads where they rank better by more than the noise", () => {
    const byHeads = [
      { heads: 4, ndcg: 0.5, rPrecision: 0 },
      { heads: 8, ndcg: 0.79, rPrecision: 0 },
      { heads: 16, ndcg: 0.8, rPrecision: 0 },
    ];
    const few = row(0.5, 0.4, 0.6, 0.5);
    const some = row(0.9, 0.7, 0.76, 0.8);
    const most = row(0.8, 0.8, 0.8, 0.8);
    expect(chooseCount({ folds: 2, byHeads }, [few, some, most])).toBe(8);
  });
});

test("a paired difference has the standard error of its mean", () => {
  const { mean, standardError } = paired(row(1, 2, 4), row(0, 0, 1));
  expect(mean).toBe(2);
  // Differences 1, 2, 3: deviation 1, over the root of 3.
  expect(standardError).toBeCloseTo(1 / Math.sqrt(3), 12);
});
