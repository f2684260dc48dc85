import { describe, expect, it } from "vitest";
import { rankDocuments } from "../../src/ranking/scoring/ranking.ts";

describe("rankDocuments", () => {
  it("orders by score, ties by index", () => {
    expect(rankDocuments([0.5, 2, 0.5, -1, 2])).toEqual([1, 4, 0, 2, 3]);
    expect(rankDocuments(Float64Array.of(0, -0, Number.POSITIVE_INFINITY))).toEqual([2, 0, 1]);
    expect(rankDocuments([])).toEqual([]);
  });

  it("returns the best topK, or all when there are fewer", () => {
    expect(rankDocuments([1, 3, 2], 2)).toEqual([1, 2]);
    expect(rankDocuments([1, 3, 2], 9)).toEqual([1, 2, 0]);
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses a topK of %s", (topK) => {
    expect(() => rankDocuments([1], topK)).toThrow(/an integer of at least 1 for topK/);
  });

  it("refuses NaN", () => {
    expect(() => rankDocuments([1, Number.NaN])).toThrow(/scores\[1\]/);
  });
});
