import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scoreDocuments } from "../../src/ranking/scoring/documents.ts";
import { isBlank, type Placed, placeDocuments } from "../../src/ranking/scoring/placement.ts";
import { rankDocuments } from "../../src/ranking/scoring/ranking.ts";

/** Documents of these tokens' scores, the first two of each its number. */
function place(
  { echoes }: { echoes?: ReadonlyMap<number, readonly number[]> },
  ...rows: (readonly number[] | "blank")[]
) {
  const values = rows.map((row) => (row === "blank" ? [0, 0] : row));
  const tokens = Float64Array.from(values.flat());
  let at = 0;
  const placed = values.map((row, index): Placed => {
    const span = [at, at + row.length] as const;
    at += row.length;
    const [score] = scoreDocuments(tokens, [span], { mask: false });
    return { score: score!, span, contentTokens: row.length - 2, blank: rows[index] === "blank", titled: false };
  });
  return placeDocuments(placed, tokens, { mask: false, ...(echoes && { echoes }) });
}

const irrelevant = [0, 0, -0.1, 0.3, -0.4, 0.2, -0.2, -0.1];
const relevant = [0, 0, 0.2, 0.9, 0.1, 0.4, 0.1, -0.1];

test.each<[string, (readonly number[] | "blank")[], number[], (string | undefined)[]]>([
  ["blank documents stand last", ["blank", irrelevant, relevant], [2, 1, 0], ["blank", undefined, undefined]],
  [
    "a short one stands behind what got more on as many tokens",
    [[0, 0, 0.1], irrelevant],
    [1, 0],
    ["short", undefined],
  ],
  [
    "a short answer stays where its score is",
    [[0, 0, 0.8], irrelevant, relevant],
    [2, 0, 1],
    [undefined, undefined, undefined],
  ],
  [
    "one that is not much shorter stays",
    [
      [0, 0, 0.01, 0.01],
      [0, 0, 0.1, -0.1, -0.2],
    ],
    [0, 1],
    [undefined, undefined],
  ],
  ["equal ones stay as given", [irrelevant, irrelevant, irrelevant], [0, 1, 2], [undefined, undefined, undefined]],
  [
    "short ones among themselves are ordered by score",
    [
      [0, 0, -0.2],
      [0, 0, 0.1],
      [0, 0, 0],
    ],
    [1, 2, 0],
    [undefined, undefined, undefined],
  ],
  [
    "a chain of shorter ones stands behind the longest",
    [
      [0, 0, 0.1],
      [0, 0, 0.15, -0.05, 0.05, -0.05],
      [0, 0, ...Array(20).fill(-0.1), 0.3, 0.5],
    ],
    [2, 0, 1],
    ["short", "short", undefined],
  ],
])("%s", (_, rows, order, demoted) => {
  expect(place({}, ...rows)).toMatchObject({ order, demoted });
});

describe("a text that only repeats the query", () => {
  const [echo, better, worse] = [
    [0, 0, 0.9, 0.9, 0.2],
    [0, 0, 0.5, 0.4, 0.1, -0.1, 0.1, 0.2],
    [0, 0, 0.1, 0.1, 0.1, 0.1, -0.1, 0.1],
  ];
  const placed = (echoes: [number, number[]][], ...rows: number[][]) => place({ echoes: new Map(echoes) }, ...rows);

  test("stands behind all longer documents that have its words", () => {
    expect(placed([[0, [0, 1, 2]]], echo, worse, better)).toEqual({
      order: [2, 1, 0],
      demoted: ["short", undefined, undefined],
      behind: new Map([[0, [1, 2]]]),
    });
    expect(placed([[0, [0, 2]]], echo, worse, better).order).toEqual([2, 0, 1]);
  });

  test("stays where no longer document has them", () => {
    const stays = { order: [0, 2, 1], demoted: [undefined, undefined, undefined], behind: new Map() };
    expect(placed([], echo, worse, better)).toEqual(stays);
    expect(placed([[0, [0]]], echo, worse, better)).toEqual(stays);
    // As long as itself, nearly.
    expect(placed([[0, [0, 1]]], echo, worse.slice(0, 6), better).demoted).toEqual([undefined, undefined, undefined]);
  });
});

test("texts of more than a few tokens are ordered by score alone", () => {
  const row = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 11, maxLength: 30 });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 8 }), (rows) => {
      const { order, demoted } = place({}, ...rows);
      expect(order).toEqual(rankDocuments(rows.map((values) => values.reduce((sum, value) => sum + value, 0))));
      expect(demoted.every((why) => why === undefined)).toBe(true);
    }),
  );
});

test.each([
  ["", true],
  [" \n\t\u00a0\u200b\ufeff", true],
  ["-", true],
  ["…", true],
  ["```\n", true],
  ["| --- | --- |", true],
  ["}", true],
  ["a", false],
  ["7", false],
  ["租", false],
  ["🐝", false],
  ["¿Qué?", false],
])("%j is blank: %s", (text, blank) => {
  expect(isBlank({ text })).toBe(blank);
  expect(isBlank({ title: "T", text })).toBe(false);
});
