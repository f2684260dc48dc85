import { describe, expect, it } from "vitest";
import { bestWords, markBestWords } from "../../src/cli/highlight.ts";
import type { TokenScore } from "../../src/ranking/results.ts";

const tokens = (...pairs: [string, number][]): TokenScore[] =>
  pairs.map(([text, score]) => ({ text, score, kept: true }));

describe("highlight", () => {
  it("finds the words whose tokens got most, not those of the number and the title", () => {
    const document = { id: "0", title: "Sky high", text: "Sky is blue" };
    const given = tokens(
      ["[1]", 9],
      [" Sky", 9],
      [" high\n", 9],
      ["S", 0.5],
      ["ky", 0.2],
      [" is", 0.1],
      [" blue", 0.6],
    );
    const words = bestWords(given, document, 2).map(({ begin, end }) => document.text.slice(begin, end));
    expect(words).toEqual(["Sky", "blue"]);
    expect(markBestWords(given, document)).toBe("Sky high · «Sky» is «blue»");
  });

  it("leaves out masked tokens, words without attention and short words", () => {
    const document = { id: "0", text: "an owl\nsees  mice" };
    const given = tokens(["[1] ", 0], ["an", 5], [" owl", -1], ["\nsees", 2], ["  mice", 3]);
    given[4]!.kept = true;
    given[3]!.kept = false;
    expect(markBestWords(given, document)).toBe("an owl sees «mice»");
  });

  it("counts in UTF-16 units, as texts do", () => {
    const document = { id: "0", text: "🐝🐝 honey" };
    expect(markBestWords(tokens(["[1] ", 0], ["🐝", 1], ["🐝", 1], [" honey", 1]), document)).toBe("🐝🐝 «honey»");
  });
});
