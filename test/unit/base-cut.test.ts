// What the base model is cut with: block formats of ggml, and a vocabulary that splits text as the whole one does.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addProduct } from "../../scripts/base/adapter.ts";
import { dequantizeQ4_1, dequantizeQ8_0, fromHalf, quantizeQ4_1, quantizeQ8_0 } from "../../scripts/base/quants.ts";
import { closeUnderMerges, cutVocabulary, packIds, unpackIds, type Vocabulary } from "../../scripts/base/vocabulary.ts";

describe("block formats", () => {
  test("Q4_1 is read as ggml lays it out: scale, minimum, low nibbles first", () => {
    const block = Buffer.alloc(20);
    block.writeUInt16LE(0x3800, 0); // 0.5
    block.writeUInt16LE(0xc000, 2); // -2
    block[4] = 0xf1; // value 0 is 1, value 16 is 15
    const values = dequantizeQ4_1(block);
    expect([values[0], values[16], values[1]]).toEqual([-1.5, 5.5, -2]);
  });

  test("half precision: subnormal, one, largest, and not a number", () => {
    expect([0x0001, 0x3c00, 0x7bff, 0x8400].map(fromHalf)).toEqual([2 ** -24, 1, 65504, -(2 ** -14)]);
    expect(fromHalf(0x7e00)).toBeNaN();
  });

  const block = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 32, maxLength: 32 });
  test.each([
    ["Q8_0", quantizeQ8_0, dequantizeQ8_0, 127],
    ["Q4_1", quantizeQ4_1, dequantizeQ4_1, 15],
  ] as const)(
    "%s moves a value by no more than half a step and the rounding of its scale",
    (name, write, read, steps) => {
      fc.assert(
        fc.property(block, (given) => {
          const values = Float32Array.from(given);
          const [low, high] = [Math.min(...values), Math.max(...values)];
          const range = name === "Q8_0" ? Math.max(Math.abs(low), Math.abs(high)) : high - low;
          const back = read(write(values));
          // A half has 11 bits: what the scale is off by counts as often as there are steps; subnormal scales have less.
          const limit = range / steps / 2 + (range + Math.abs(low)) * 2 ** -11 + steps * 2 ** -24;
          for (const [i, value] of values.entries()) expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(limit);
        }),
      );
    },
  );
});

describe("an adapter", () => {
  test("adds alpha / rank · B·A to the weights, row by row", () => {
    const a = { shape: [3, 2], values: Float32Array.of(1, 2, 3, 10, 20, 30) };
    const b = { shape: [2, 2], values: Float32Array.of(1, 0, 0.5, -1) };
    // Rows of B·A: (1, 2, 3) and (0.5 - 10, 1 - 20, 1.5 - 30); alpha 1 over rank 2 halves them.
    const sum = addProduct(Float32Array.of(100, 100, 100, 0, 0, 0), a, b, 1);
    expect([...sum]).toEqual([100.5, 101, 101.5, -4.75, -9.5, -14.25]);
  });

  test("of another shape than the weights is an error", () => {
    const a = { shape: [3, 1], values: new Float32Array(3) };
    const b = { shape: [1, 2], values: new Float32Array(2) };
    expect(() => addProduct(new Float32Array(5), a, b, 1)).toThrow("Expected an adapter of 5 values");
  });
});

/** Byte pairs by the definition: of all neighbours that merge, the pair of lowest rank, the leftmost one, again and again. */
function split(text: string, { merges }: Vocabulary): string[] {
  const parts = [...text];
  for (;;) {
    const ranks = parts.slice(1).map((right, i) => merges.findIndex(([a, b]) => a === parts[i] && b === right));
    const best = Math.min(...ranks.filter((rank) => rank >= 0));
    if (best === Number.POSITIVE_INFINITY) return parts;
    const at = ranks.indexOf(best);
    parts.splice(at, 2, parts[at]! + parts[at + 1]!);
  }
}

/** A vocabulary over three letters, made as byte pairs are learnt: each new token of two that there are. */
const vocabularies = fc
  .array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 25 })
  .map((picks): Vocabulary => {
    const tokens = ["<end>", "a", "b", "c"];
    const merges: [string, string][] = [];
    for (const [left, right] of picks) {
      const pair = [tokens[1 + (left % (tokens.length - 1))]!, tokens[1 + (right % (tokens.length - 1))]!] as const;
      const made = pair.join("");
      if (made.length > 12 || tokens.includes(made)) continue;
      tokens.push(made);
      merges.push([...pair]);
    }
    return { tokens, types: tokens.map((_, id) => (id === 0 ? 3 : 1)), merges };
  });

describe("a cut vocabulary", () => {
  test("splits a text as before where all of its tokens are kept, and every text into what it has", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 30 });
    fc.assert(
      fc.property(vocabularies, fc.array(fc.nat({ max: 30 })), text, (whole, picks, letters) => {
        const wanted = picks.filter((id) => id < whole.tokens.length);
        const kept = closeUnderMerges(whole, wanted);
        const cut = cutVocabulary(whole, kept);
        const before = split(letters, whole);
        const after = split(letters, cut);
        expect(after.every((token) => cut.tokens.includes(token))).toBe(true);
        if (before.every((token) => cut.tokens.includes(token))) expect(after).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });

  test("keeps special tokens, single letters, and what wanted tokens are merged from", () => {
    const merges = [
      ["a", "b"],
      ["ab", "c"],
      ["b", "c"],
    ] as const;
    const whole = { tokens: ["<end>", "a", "b", "c", "ab", "abc", "bc"], types: [3, 1, 1, 1, 1, 1, 1], merges };
    const cut = cutVocabulary(whole, closeUnderMerges(whole, [5]));
    expect(cut.tokens).toEqual(["<end>", "a", "b", "c", "ab", "abc"]);
    expect(cut.ids).toEqual([0, 1, 2, 3, 4, 5]);
    expect(cut.merges).toEqual(merges.slice(0, 2));
  });

  test("is stored as one bit a token", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: 999 })), (ids) => {
        expect(unpackIds(packIds(ids, 1000))).toEqual([...ids].sort((a, b) => a - b));
      }),
    );
  });
});
