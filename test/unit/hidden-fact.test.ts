import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hide, rouge1Recall } from "../../src/detect/hidden-fact.ts";

/** One token a character, by its bytes. */
function perCharacter(text: string) {
  const ends: number[] = [];
  let at = 0;
  for (const character of text) {
    ends.push(at, at + Buffer.byteLength(character));
    at += Buffer.byteLength(character);
  }
  return { bytes: Buffer.from(text), offsets: Uint32Array.from(ends) };
}

const slice = (text: string, [begin, end]: readonly [number, number]) =>
  Buffer.from(text).subarray(begin, end).toString();

describe("hide", () => {
  const text = "One fish. Two fish! Red fish? Blue fish.";
  test.each([
    [0, "NEEDLE One fish. Two fish! Red fish? Blue fish."],
    [0.3, "One fish. NEEDLE Two fish! Red fish? Blue fish."],
    [0.6, "One fish. Two fish! NEEDLE Red fish? Blue fish."],
    [1, "One fish. Two fish! Red fish? Blue fish. NEEDLE "],
  ])("puts the needle between two sentences at depth %d", (depth, expected) => {
    const hidden = hide(perCharacter(text), text.length, depth, "NEEDLE");
    expect(hidden.text).toBe(expected);
    expect(slice(hidden.text, hidden.span)).toBe("NEEDLE");
  });

  test("takes no more of the text than asked for", () => {
    expect(hide(perCharacter(text), 9, 0.5, "x").text).toBe("x One fish.");
  });

  test("finds the needle again in any text, and changes nothing of the rest but space around it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.double({ min: 0, max: 1, noNaN: true }), (content, depth) => {
        const parts = perCharacter(content);
        const { text: made, span } = hide(parts, parts.offsets.length / 2, depth, "→ needle ←");
        expect(slice(made, span)).toBe("→ needle ←");
        const rest = slice(made, [0, span[0]]) + slice(made, [span[1], Buffer.byteLength(made)]);
        expect(rest.replace(/\s/g, "")).toBe(content.replace(/\s/g, ""));
      }),
    );
  });
});

describe("rouge1Recall", () => {
  test.each([
    ["the cat sat", "The cat, sat!", 1],
    ["the cat sat", "a cat", 1 / 3],
    ["the the cat", "the cat", 2 / 3],
    ["Übung macht 3 Meister", "meister übung", 0.5],
    ["words", "", 0],
  ])("of %j in %j is %d", (reference, answer, expected) => {
    expect(rouge1Recall(reference, answer)).toBeCloseTo(expected, 12);
  });
});
