// How rare words are in English text, where the documents of a call cannot tell.
import { beforeAll, expect, test } from "vitest";
import { Bm25Index } from "../../src/bm25/bm25.ts";
import { loadEnglish } from "../../src/bm25/english.ts";
import { PASSAGES, STEMS_BY_COUNT } from "../../src/bm25/english-counts.ts";
import { bm25Scores } from "../../src/ranking/words.ts";
import { referenceBm25 } from "../helpers/eval-reference.ts";

beforeAll(loadEnglish);

const asDocuments = (texts: readonly string[]) => texts.map((text, index) => ({ id: `${index}`, text }));

test("a word that is rare in English counts for more, where as many documents have one as the other", () => {
  const documents = asDocuments([
    "The people of the town made a new form of work with some care.",
    "The antibodies of the town made a new form of work with some care.",
  ]);
  const [people, antibodies] = bm25Scores("people antibodies", documents);
  expect(antibodies!).toBeGreaterThan(1.3 * people!);
  const [first, second] = Bm25Index.of(documents.map(({ text }) => text)).scores("people antibodies", [0, 1]);
  expect(first).toBeCloseTo(second!, 12);
});

test("a word that no passage of English text has is the rarest", () => {
  const documents = asDocuments([
    "In the first year most people in the city use the qrxvt system for work.",
    "In the first year most people in the city use the immunology system for work.",
  ]);
  const [unknown, rare] = bm25Scores("qrxvt immunology", documents);
  expect(unknown!).toBeGreaterThan(rare!);
});

test.each([
  [
    "German",
    "Wo schläft die Katze?",
    [
      "Die Katze schläft auf dem warmen Ofen.",
      "Der Hund wartet vor der Tür auf sein Fressen.",
      "Die Bahn nach Wien fährt um acht Uhr ab.",
    ],
  ],
  [
    "French",
    "Où dort le chat ?",
    [
      "Le chat dort sur le poêle chaud.",
      "Le chien attend devant la porte.",
      "Le train pour Vienne part à huit heures.",
    ],
  ],
  [
    "Japanese",
    "猫はどこで寝ますか",
    ["猫は暖かい床で寝ています。", "犬はドアの前で待っています。", "列車は八時に出発します。"],
  ],
])("words of %s are as rare as in the documents alone", (_, query, texts) => {
  expect(bm25Scores(query, asDocuments(texts))).toEqual(
    referenceBm25(query, texts).map((score) => expect.closeTo(score, 10)),
  );
});

test("each stem is listed once, under a number of passages", () => {
  const seen = new Set<string>();
  for (const line of STEMS_BY_COUNT.split("\n")) {
    const [count, ...stems] = line.split(" ");
    expect(Number(count)).toBeGreaterThanOrEqual(8);
    expect(Number(count)).toBeLessThan(PASSAGES);
    for (const stem of stems) {
      expect(seen.has(stem)).toBe(false);
      seen.add(stem);
    }
  }
  expect(seen.size).toBeGreaterThan(15_000);
});
