import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { truncateDocument } from "../../src/prompt/truncate.ts";

/** A begin-of-sequence token that shows nothing, then tokens of `size` bytes, which split characters. */
function everyBytes(text: string, size: number): Uint32Array {
  const length = Buffer.byteLength(text);
  const offsets = [0, 0];
  for (let begin = 0; begin < length; begin += size) offsets.push(begin, Math.min(begin + size, length));
  return Uint32Array.from(offsets);
}

describe("truncateDocument", () => {
  it.each([
    { text: "abcdef", size: 2, max: 2, expected: "abcd", truncated: true },
    { text: "abcdef", size: 2, max: 3, expected: "abcdef", truncated: false },
    { text: "", size: 2, max: 1, expected: "", truncated: false },
    // é has two bytes, 👍 four: a cut inside one goes back before it.
    { text: "aéb", size: 2, max: 1, expected: "a", truncated: true },
    { text: "👍👍", size: 3, max: 2, expected: "👍", truncated: true },
    { text: "👍👍", size: 3, max: 1, expected: "", truncated: true },
  ])("cuts $text after $max tokens of $size bytes to '$expected'", ({ text, size, max, expected, truncated }) => {
    expect(truncateDocument(text, max, everyBytes(text, size))).toEqual({ text: expected, truncated });
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses a limit of %s", (max) => {
    expect(() => truncateDocument("a", max, everyBytes("a", 1))).toThrow(
      /an integer of at least 1 for maxDocumentTokens/,
    );
  });

  it("gives a whole-character beginning of the text, as long as the limit allows", () => {
    const size = fc.integer({ min: 1, max: 7 });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), size, fc.integer({ min: 1, max: 9 }), (text, size, max) => {
        const cut = truncateDocument(text, max, everyBytes(text, size));
        expect(text.startsWith(cut.text)).toBe(true);
        expect(cut.truncated).toBe(Buffer.byteLength(text) > size * max);
        const next = [...text.slice(cut.text.length)][0] ?? "";
        if (cut.truncated) expect(Buffer.byteLength(cut.text + next)).toBeGreaterThan(size * max);
        expect(Buffer.byteLength(cut.text)).toBeLessThanOrEqual(size * max);
      }),
    );
  });
});
