import { expect, it } from "vitest";
import { Bm25Index } from "../../src/bm25/bm25.ts";
import { termsOf } from "../../src/bm25/words.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { referenceBm25 } from "../helpers/eval-reference.ts";

it.each([
  [
    "lucene",
    "The ships' captain SAILED quickly, relational ponies; U.S.A. and Zürich's 3.5 flights at example.com, I've 東京 no_op",
    "ship captain sail quickli relat poni u.s.a zürich 3.5 flight example.com i'v 東 京 no_op",
  ],
  ["lucene", "generalizations oscillators caresses hopping agreed national", "gener oscil caress hop agre nation"],
  [
    "light",
    "The ships SAILED quickly, sailing into Zürich's harbours in 1905!",
    "ship sail quick sail zürich s harbour 1905",
  ],
] as const)("makes the terms of %s", (words, text, expected) => {
  expect(termsOf(text, words).join(" ")).toBe(expected);
});

it("scores as computed by hand", () => {
  // Lengths 3, 2, 1: avg 2. `cat` is in two of three, so idf = ln(1 + 1.5 / 2.5) = ln 1.6.
  // d0: tf 2, norm 0.9 · (0.6 + 0.4 · 1.5) = 1.08: ln 1.6 · 2 · 1.9 / 3.08; d1: tf 1, norm 0.9: ln 1.6 · 1.9 / 1.9.
  const index = Bm25Index.of(["The cats and a cat sleep", "cat bowl", "dogs"]);
  const [first, second, third] = index.scores("Cats!", [0, 1, 2]);
  expect(first).toBeCloseTo(0.5798746, 6);
  expect(second).toBeCloseTo(0.4700036, 6);
  expect(third).toBe(0);
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
