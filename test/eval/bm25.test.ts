import { expect, it } from "vitest";
import { analyze, Bm25Index } from "../../src/eval/bm25.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { referenceBm25 } from "../helpers/eval-reference.ts";

it("leaves out words without a topic and stems lightly", () => {
  expect(analyze("The ships SAILED quickly, sailing into Zürich's harbours in 1905!")).toEqual([
    "ship",
    "sail",
    "quick",
    "sail",
    "zürich",
    "s",
    "harbour",
    "1905",
  ]);
});

it("scores as the formula does, repeated query words included", () => {
  const random = seededRandom(11);
  const words = Array.from({ length: 40 }, (_, i) => `word${String.fromCharCode(97 + (i % 26))}${i}`);
  const text = (length: number) => Array.from({ length }, () => words[Math.floor(random() ** 2 * 40)]).join(" ");
  const texts = Array.from({ length: 60 }, () => text(Math.floor(random() * 50)));
  const index = Bm25Index.of(texts);
  const ids = texts.map((_, i) => `d${i}`);
  for (let trial = 0; trial < 20; trial++) {
    const query = text(1 + Math.floor(random() * 6));
    const expected = referenceBm25(query, texts);
    const scores = index.scores(
      query,
      texts.map((_, i) => i),
    );
    for (const [i, score] of scores.entries()) expect(score).toBeCloseTo(expected[i]!, 10);
    const found = index.search(query, 10, ids);
    const best = expected
      .map((score, i) => ({ score, i }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score);
    expect(found.map(({ score }) => score)).toEqual(best.slice(0, 10).map(({ score }) => expect.closeTo(score, 10)));
  }
});

it("finds nothing for a query without a known word", () => {
  expect(Bm25Index.of(["one text", "another"]).search("zebra", 5, ["a", "b"])).toEqual([]);
});
