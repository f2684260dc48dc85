import { describe, expect, it } from "vitest";
import { busyNote } from "../../src/cli/commands/rerank.ts";
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

  it("marks the words of the passage that the tokens are of, and begins there", () => {
    const text = "Granite stood near the river. Octopuses have three hearts.";
    const begin = text.indexOf("Octopuses");
    const given = tokens(["[3] ", 9], ["Octopuses", 2], [" have", 0], [" three", 1], [" hearts", 3], [".", 0]);
    const passage = { begin, end: text.length, score: 1 };
    expect(markBestWords(given, { id: "0", text }, passage)).toBe("… «Octopuses» have «three» «hearts».");
  });

  it("begins near the first mark where that is far from the beginning", () => {
    const filler = "and ".repeat(50);
    const given = tokens(["[1] ", 0], ...Array.from({ length: 50 }, (): [string, number] => ["and ", -1]), ["bees", 1]);
    const shown = markBestWords(given, { id: "0", text: `${filler}bees` });
    expect(shown).toMatch(/^… (and ){8,12}«bees»$/);
  });

  it("counts in UTF-16 units, as texts do", () => {
    const document = { id: "0", text: "🐝🐝 honey" };
    expect(markBestWords(tokens(["[1] ", 0], ["🐝", 1], ["🐝", 1], [" honey", 1]), document)).toBe("🐝🐝 «honey»");
  });
});

describe("the note of a busy machine", () => {
  const result = (threads: number, cpuMs: number) => ({
    timings: { loadMs: 0, prefillMs: 1000, nullMs: 500, queryMs: 500, totalMs: 2100, threads, cpuMs },
  });
  it.each<[string, Parameters<typeof busyNote>[0], string | undefined]>([
    ["threads that computed", [result(2, 3900)], undefined],
    ["threads that waited for processors", [result(2, 1900)], "(--threads 1)"],
    ["eight that shared three", [result(8, 6000)], "(--threads 3)"],
    ["one thread, which waits for none", [result(1, 900)], undefined],
    ["a GPU", [{ timings: { loadMs: 0, prefillMs: 1000, nullMs: 1, queryMs: 1, totalMs: 1002 } }], undefined],
  ])("%s", (_, results, expected) => {
    const note = busyNote(results);
    if (expected === undefined) expect(note).toBeUndefined();
    else expect(note).toContain(expected);
  });
});
