import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { outlierMask, scoreDocuments } from "../../src/ranking/scoring/documents.ts";

describe("scoreDocuments", () => {
  it("sums the tokens of each document without the mask", () => {
    const scores = scoreDocuments(
      Float64Array.of(9, 1, 2, 4, -8, 9),
      [
        [1, 3],
        [3, 5],
        [2, 2],
      ],
      { mask: false },
    );
    expect([...scores]).toEqual([3, -4, 0]);
  });

  it("drops tokens at or below mean − 2·std of their document", () => {
    // Nine times 1 and once −9: mean 0, unbiased std √(90/9) = √10, threshold −6.32…: only −9 goes.
    const values = Float64Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1, -9);
    expect([...scoreDocuments(values, [[0, 10]], { mask: true })]).toEqual([9]);
  });

  it("uses the unbiased deviation", () => {
    // Four times 0 and once −5: mean −1, unbiased std √5, threshold −5.472: −5 stays.
    // With the biased deviation, 2, the threshold were −5 itself and −5 would go.
    expect([...scoreDocuments(Float64Array.of(0, 0, 0, 0, -5), [[0, 5]], { mask: true })]).toEqual([-5]);
  });

  it("tells which tokens the mask keeps", () => {
    expect(outlierMask(Float64Array.of(1, -9, 1, 1, 1, 1, 1, 1, 1, 1))).toEqual([true, false, ...Array(8).fill(true)]);
    expect(outlierMask(Float64Array.of(3))).toEqual([false]);
  });

  it("masks each document by its own tokens", () => {
    const values = Float64Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1, -9, -9, -10, -11);
    expect([
      ...scoreDocuments(
        values,
        [
          [0, 10],
          [10, 13],
        ],
        { mask: true },
      ),
    ]).toEqual([9, -30]);
  });

  it("scores a document of one token, or of equal tokens, 0 with the mask, as published", () => {
    expect([
      ...scoreDocuments(
        Float64Array.of(5, 2, 2, 2),
        [
          [0, 1],
          [1, 4],
        ],
        { mask: true },
      ),
    ]).toEqual([0, 0]);
    expect([...scoreDocuments(Float64Array.of(5), [[0, 1]], { mask: false })]).toEqual([5]);
  });

  it("adds single-precision scores in double precision", () => {
    const values = Float32Array.of(2 ** 24, 1, 1);
    expect([...scoreDocuments(values, [[0, 3]], { mask: false })]).toEqual([2 ** 24 + 2]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %s, wherever it is", (bad) => {
    expect(() => scoreDocuments(Float32Array.of(1, 2, bad), [[0, 2]], { mask: true })).toThrow(
      expect.objectContaining({ code: "ATTENTION_INVALID", message: expect.stringContaining("token 2") }),
    );
  });

  it.each([[[0, 4]], [[-1, 2]], [[2, 1]]] as const)("refuses the span %o of three tokens", (span) => {
    expect(() => scoreDocuments(Float32Array.of(1, 2, 3), [span], { mask: false })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  it("does not depend on other documents", () => {
    const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(values, values, (a, b) => {
        const alone = scoreDocuments(Float64Array.from(a), [[0, a.length]], { mask: true });
        const spans = [
          [0, a.length],
          [a.length, a.length + b.length],
        ] as const;
        expect(scoreDocuments(Float64Array.from([...a, ...b]), spans, { mask: true })[0]).toBe(alone[0]);
      }),
    );
  });
});
