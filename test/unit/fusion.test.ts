import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { loadEnglish } from "../../src/bm25/english.ts";
import { checkFusion, fuseRanking, fuseResults, fuseScores, fusionOf } from "../../src/ranking/fusion.ts";
import type { Ranked } from "../../src/ranking/results.ts";

beforeAll(loadEnglish);

const ranked = (index: number, score: number, more: Partial<Ranked> = {}): Ranked => ({
  ...{ index, id: String(index), score, share: 0, relevance: 0 },
  ...more,
});

describe("fusing scores", () => {
  test("adds z-scores of the population, the weight for the heads", () => {
    // Heads 1, 2, 3: mean 2, variance 2/3. Prior 0, 0, 6: mean 2, variance 8.
    const [a, b] = [1 / Math.sqrt(2 / 3), Math.sqrt(8)];
    const fused = fuseScores([1, 2, 3], [0, 0, 6], { weight: 0.25 });
    expect(fused[0]).toBeCloseTo(0.25 * -a + 0.75 * (-2 / b), 12);
    expect(fused[1]).toBeCloseTo(0.75 * (-2 / b), 12);
    expect(fused[2]).toBeCloseTo(0.25 * a + 0.75 * (4 / b), 12);
  });

  test("by rank, equal scores share their mean rank", () => {
    const fused = fuseScores([5, 1, 1, 0], [0, 9, 9, 9], "rrf");
    expect(fused).toEqual([1 / 61 + 1 / 64, 1 / 62.5 + 1 / 62, 1 / 62.5 + 1 / 62, 1 / 64 + 1 / 62]);
  });

  test("a prior that is the same everywhere, or a single document, changes nothing", () => {
    expect(fuseScores([1, 3], [0.7, 0.7], { weight: 0.5 })).toEqual([-0.5, 0.5]);
    // A mean of equal numbers may differ from them in the last bit.
    expect(fuseScores([1, 1, 1], [0.1, 0.1, 0.1], { weight: 0.3 })).toEqual([0, 0, 0]);
    expect(fuseScores([3], [4], { weight: 0.5 })).toEqual([0]);
  });

  test("numbers at the ends of what a double holds have z-scores too", () => {
    const [z] = fuseScores([0, 1, 2], [0, 0, 0], { weight: 1 });
    for (const prior of [
      [-1.7e308, 0, 1.7e308],
      [0, 5e-324, 1e-323],
    ]) {
      const found = fuseScores([0, 0, 0], prior, { weight: 0 });
      for (const [i, value] of [z!, 0, -z!].entries()) expect(found[i]).toBeCloseTo(value, 12);
    }
  });

  test("weight 1 is the heads' order and weight 0 the prior's, whatever their scale", () => {
    const scores = fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(scores, scores, fc.integer({ min: 1, max: 1000 }), (first, second, scale) => {
        const count = Math.min(first.length, second.length);
        const [heads, prior] = [first.slice(0, count), second.slice(0, count).map((value) => value / scale)];
        const orderOf = (values: number[]) => values.map((_, i) => i).sort((a, b) => values[b]! - values[a]!);
        expect(orderOf(fuseScores(heads, prior, { weight: 1 }))).toEqual(orderOf(heads));
        expect(orderOf(fuseScores(heads, prior, { weight: 0 }))).toEqual(orderOf(prior));
      }),
    );
  });

  test.each([
    ["a prior of another length", [1, 2], [1], { weight: 0.5 }, /prior/],
    ["a prior that is no number", [1, 2], [1, Number.NaN], "rrf" as const, /prior/],
    ["a weight above 1", [1, 2], [1, 2], { weight: 1.5 }, /fuse\.weight/],
    ["a weight that is none", [1, 2], [1, 2], { weight: Number.NaN }, /fuse\.weight/],
  ])("refuses %s", (_, heads, prior, fuse, message) => {
    expect(() => fuseScores(heads, prior, fuse)).toThrow(message);
  });
});

describe("fusing a ranking", () => {
  test("the sum is the score that orders, with what the heads gave and the prior beside it", () => {
    const results = fuseRanking([ranked(1, 3), ranked(0, 2), ranked(2, 1)], [9, 0, 6], { weight: 0.5 });
    expect(results.map(({ index, attention, prior }) => [index, attention, prior])).toEqual([
      [0, 2, 9],
      [1, 3, 0],
      [2, 1, 6],
    ]);
    // Heads 2, 3, 1: mean 2, variance 2/3. Prior 9, 0, 6: mean 5, variance 14.
    const z = [0, 1, -1].map((one, i) => one / Math.sqrt(2 / 3) / 2 + ([4, -5, 1][i]! / Math.sqrt(14)) * 0.5);
    for (const [place, { score }] of results.entries()) expect(score).toBeCloseTo(z[place]!, 12);
  });

  test("equal sums stand as the documents do", () => {
    const results = fuseRanking([ranked(2, 1), ranked(0, 1), ranked(1, 1)], [4, 4, 4], { weight: 0.6 });
    expect(results.map(({ index, score }) => [index, score])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
  });

  test("a demoted document counts with the score of its place, and a blank one stays last", () => {
    const short = ranked(2, 5, { demoted: "short" });
    const blank = ranked(3, 8, { demoted: "blank" });
    const results = fuseRanking([ranked(0, 4), ranked(1, 2), short, blank], [0, 0, 0, 100], { weight: 1 });
    expect(results.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(results[2]!.attention).toBe(5);
  });

  test("a short document counts with no more of the prior than what it stands behind", () => {
    const short = ranked(1, 5, { demoted: "short" });
    const results = fuseRanking([ranked(0, 4), short, ranked(2, 1)], [3, 9, 0], { weight: 0.5 });
    expect(results.map(({ index, prior }) => [index, prior])).toEqual([
      [0, 3],
      [1, 9],
      [2, 0],
    ]);
    expect(results[1]!.score).toBe(results[0]!.score);
    // Whatever the order of the documents.
    const turned = fuseRanking([ranked(1, 4), ranked(0, 5, { demoted: "short" }), ranked(2, 1)], [9, 3, 0], {
      weight: 0.5,
    });
    expect(turned.map(({ index }) => index)).toEqual([1, 0, 2]);
  });

  test("a document that only repeats the query scores no higher than any that it stands behind", () => {
    // By the heads 1, 2, then the echo; the prior is for 2 and the echo.
    const results = [ranked(1, 4), ranked(2, 3), ranked(0, 5, { demoted: "short" }), ranked(3, 0)];
    const fused = fuseRanking(results, [5, 0, 5, 0], { weight: 0.5 }, new Map([[0, [1, 2]]]));
    expect(fused.map(({ index }) => index)).toEqual([2, 1, 0, 3]);
    expect(fused[2]!.score).toBe(fused[1]!.score);
  });

  test("no blank document has a higher score than one with words", () => {
    const blank = ranked(0, 8, { demoted: "blank" });
    const results = fuseRanking([ranked(1, 4), ranked(2, 2), blank], [100, 0, 0], { weight: 0.5 });
    expect(results.map(({ index }) => index)).toEqual([1, 2, 0]);
    expect(results[2]).toMatchObject({ score: results[1]!.score, attention: 8, prior: 100 });
  });
});

describe("ranking with a prior", () => {
  const documents = ["red boats", "the ferryman owns it", "green hills"].map((text, i) => ({ id: String(i), text }));
  test("bm25 scores the documents of the call", () => {
    const byHeads = [ranked(1, 0.2), ranked(2, 0.1), ranked(0, 0)];
    const results = fuseResults("red boat", byHeads, documents, { prior: "bm25", fuse: { weight: 0.2 } });
    expect(results.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(results[0]!.prior).toBeGreaterThan(0);
    expect(results.slice(1).map(({ prior }) => prior)).toEqual([0, 0]);
  });

  test("without a prior, or with fuse none, the heads rank alone", () => {
    for (const options of [{}, { prior: [3, 2, 1], fuse: "none" as const }]) expect(fusionOf(options)).toBeUndefined();
    expect(fusionOf({ fuse: "rrf" })).toEqual({ prior: "bm25", fuse: "rrf" });
    expect(fusionOf({ prior: [1, 2] })).toEqual({ prior: [1, 2], fuse: { weight: 0.5 } });
  });

  test("heads that rank better beside BM25 do so where nothing else is asked for", () => {
    expect(fusionOf({}, 0.6)).toEqual({ prior: "bm25", fuse: { weight: 0.6 } });
    expect(fusionOf({ prior: "bm25" }, 0.6)).toEqual({ prior: "bm25", fuse: { weight: 0.6 } });
    expect(fusionOf({ fuse: { weight: 0.3 } }, 0.6)).toEqual({ prior: "bm25", fuse: { weight: 0.3 } });
    expect(fusionOf({ fuse: "none" }, 0.6)).toBeUndefined();
    // A search over a whole collection knows more of the words than the documents of one call do.
    expect(fusionOf({ prior: [1, 2] }, 0.6)).toEqual({ prior: [1, 2], fuse: { weight: 0.5 } });
  });

  test("a prior that does not fit is refused, and one list for several queries", () => {
    const fusion = { prior: [1, 2], fuse: "rrf" } as const;
    expect(() => checkFusion(fusion, 3, 1)).toThrow(/3 finite numbers, one per document for prior/);
    expect(() => checkFusion(fusion, 2, 2)).toThrow(/"bm25" for several queries for prior/);
    expect(() => checkFusion({ prior: "bm25", fuse: "rrf" }, 3, 2)).not.toThrow();
  });
});
