import { expect, test } from "vitest";
import type { PromptLayout } from "../../src/prompt/layout.ts";
import { findDegenerate } from "../../src/ranking/degenerate.ts";

/** Two documents of two tokens, then a query of one. */
const layout = (nullToken: number, texts = ["a", "b"]): PromptLayout => ({
  trunk: {
    key: "",
    sources: texts.map((text) => ({ text })),
    tokens: Int32Array.of(1, 2, 3, 4),
    offsets: new Uint32Array(8),
    text: new Uint8Array(),
    documentSpans: [
      [0, 2],
      [2, 4],
    ],
    byteSpans: [],
    joint: undefined as never,
  },
  query: Int32Array.of(9),
  nullQuery: Int32Array.of(nullToken),
});

test.each<[string, PromptLayout, number[], number[], number[], RegExp | undefined]>([
  ["an ordinary ranking", layout(8), [0.1, 0.2, 0, 0], [1, 1, 1, 1], [0.3, 0], undefined],
  ["the null query", layout(9), [0, 0, 0, 0], [1, 2, 1, 1], [0, 0], /^warning: The query is the null query/],
  ["weights that are zeros", layout(8), [0, 0, 0, 0], [0.2, 0.2, 0.2, 0.2], [0, 0], /^warning: .* may be zeros/],
  [
    "heads that see no document",
    layout(8),
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0],
    /^error: .* outside their sliding window/,
  ],
  [
    "equal scores",
    layout(8),
    [0.1, 0.2, 0.2, 0.1],
    [1, 1, 1, 1],
    [0.3, 0.3],
    /^warning: All 2 documents have the score 0\.3/,
  ],
  ["the same document twice", layout(8, ["a", "a"]), [0.1, 0.2, 0.1, 0.2], [1, 1, 1, 1], [0.3, 0.3], undefined],
])("%s", (_, given, tokens, raw, scores, expected) => {
  const asked = { query: "Who?", nullQuery: "N/A" };
  const { error, warning } = findDegenerate(given, asked, Float32Array.from(tokens), Float32Array.from(raw), scores);
  const said = error !== undefined ? `error: ${error}` : warning !== undefined ? `warning: ${warning}` : undefined;
  if (expected === undefined) expect(said).toBeUndefined();
  else expect(said).toMatch(expected);
});

test.each([" N/A", "N/A\n", "n/a"])("a query that says what the null query says: %j", (query) => {
  const asked = { query, nullQuery: "N/A " };
  const { warning } = findDegenerate(layout(8), asked, Float32Array.of(0.1, 0.2, 0, 0), new Float32Array(4), [0.3, 0]);
  expect(warning).toMatch(/^The query says the same as the null query/);
});

test("an uncalibrated query has no null query to be", () => {
  const asked = { query: "N/A", nullQuery: null };
  const { warning } = findDegenerate(layout(8), asked, Float32Array.of(0.1, 0.2, 0, 0), new Float32Array(4), [0.3, 0]);
  expect(warning).toBeUndefined();
});
