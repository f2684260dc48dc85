import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tokenSpan } from "../../src/prompt/spans.ts";

describe("tokenSpan", () => {
  // An empty begin-of-sequence token, then tokens over bytes 0-3, 3-4, 4-9, 9-10.
  const offsets = Uint32Array.of(0, 0, 0, 3, 3, 4, 4, 9, 9, 10);

  it.each([
    { bytes: [0, 3], tokens: [1, 2] },
    { bytes: [3, 4], tokens: [2, 3] },
    { bytes: [2, 5], tokens: [1, 4] },
    { bytes: [5, 6], tokens: [3, 4] },
    { bytes: [0, 10], tokens: [1, 5] },
    { bytes: [9, 10], tokens: [4, 5] },
  ] as const)("bytes $bytes are tokens $tokens", ({ bytes, tokens }) => {
    expect(tokenSpan(offsets, bytes)).toEqual(tokens);
  });

  it("skips empty tokens at both ends", () => {
    expect(tokenSpan(Uint32Array.of(0, 2, 2, 2, 2, 5, 5, 5, 5, 6), [2, 5])).toEqual([2, 3]);
  });

  it("counts every token of a character that several tokens share", () => {
    expect(tokenSpan(Uint32Array.of(0, 1, 1, 4, 1, 4, 4, 5), [1, 4])).toEqual([1, 3]);
  });

  it.each([[[10, 12]], [[4, 4]]] as const)("fails where no token covers bytes %o", (bytes) => {
    expect(() => tokenSpan(offsets, bytes)).toThrow(expect.objectContaining({ code: "ENGINE_FAILED" }));
  });

  it("covers exactly the tokens that overlap, whatever the tokenisation", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 60 }),
        fc.nat(),
        fc.nat(),
        (lengths, first, second) => {
          const ends: number[] = [];
          for (const length of lengths) ends.push((ends.at(-1) ?? 0) + length);
          const total = ends.at(-1)!;
          fc.pre(total > 0);
          const [a, b] = [first % total, second % total];
          const bytes = [Math.min(a, b), Math.max(a, b) + 1] as const;

          const all = lengths.map((length, i) => ({ i, begin: ends[i]! - length, end: ends[i]! }));
          const overlapping = all.filter(
            (token) => token.begin < token.end && token.begin < bytes[1] && token.end > bytes[0],
          );
          const span = tokenSpan(Uint32Array.from(all.flatMap(({ begin, end }) => [begin, end])), bytes);
          expect(span).toEqual([overlapping[0]!.i, overlapping.at(-1)!.i + 1]);
        },
      ),
    );
  });
});
