// The curve from attention to relevance, against its loss written down a second time, and measures counted pair by pair.
import { describe, expect, test } from "vitest";
import { calibrate, fitCurve, type Labelled } from "../../src/detect/calibrate.ts";
import { type ExampleScores, rateHeads } from "../../src/detect/objectives.ts";
import { foldsOf } from "../../src/detect/quality.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { exampleScores } from "../helpers/example-scores.ts";

const DOCUMENTS = 6;

/** All heads see half of everything, and a tenth more each. */
const made = (count: number, signals: readonly number[]) =>
  exampleScores(count, signals, { documents: DOCUMENTS, noise: 0.1, masses: (head) => 0.5 + head / 10 });

const ratesOf = (examples: readonly ExampleScores[]) => examples.map((example) => rateHeads(example, "mass"));

function lossOf(documents: readonly Labelled[], a: number, b: number): number {
  const mean = documents.reduce((sum, { odds }) => sum + odds, 0) / documents.length;
  const variance = documents.reduce((sum, { odds }) => sum + (odds - mean) ** 2, 0) / documents.length;
  const kinds = [true, false].map((kind) => {
    const own = documents.filter(({ gold }) => gold === kind);
    return own.reduce((sum, { odds }) => sum + Math.log1p(Math.exp((kind ? -1 : 1) * (a + b * odds))), 0) / own.length;
  });
  return (kinds[0]! + kinds[1]!) / 2 + (variance * b * b) / (2 * documents.length);
}

describe("a curve", () => {
  const random = seededRandom(3);
  const documents = Array.from({ length: 300 }, (_, index): Labelled => {
    const gold = index % 7 === 0;
    return { odds: 0.04 * random() + (gold ? 0.02 : 0), gold };
  });

  test("has the least loss, both kinds of documents counting alike", () => {
    const { a, b } = fitCurve(documents);
    const least = lossOf(documents, a, b);
    for (const [da, db] of [
      [0.05, 0],
      [-0.05, 0],
      [0, b / 50],
      [0, -b / 50],
      [0.05, -b / 50],
      [-0.05, b / 50],
    ] as const) {
      expect(lossOf(documents, a + da, b + db)).toBeGreaterThan(least);
    }
    // Half way between where the two kinds lie.
    expect(-a / b).toBeGreaterThan(0.02);
    expect(-a / b).toBeLessThan(0.04);
  });

  test("is the same for odds of another scale", () => {
    const { a, b } = fitCurve(documents);
    const scaled = fitCurve(documents.map((one) => ({ ...one, odds: one.odds * 1000 })));
    expect(scaled.a).toBeCloseTo(a, 6);
    expect(scaled.b * 1000).toBeCloseTo(b, 4);
  });

  test("is finite where odds tell all documents apart, and flat where they tell none", () => {
    const apart = fitCurve([0, 0.1, 0.2, 0.9, 1].map((odds) => ({ odds, gold: odds > 0.5 })));
    expect(apart.b).toBeGreaterThan(1);
    expect(apart.b).toBeLessThan(100);
    expect(fitCurve([true, false].map((gold) => ({ odds: 0.3, gold })))).toEqual({ a: 0, b: 0 });
  });
});

describe("calibrating heads", () => {
  test("measures on examples that had no say", () => {
    const examples = made(20, [0.06, 0.05, 0, 0]);
    const rates = ratesOf(examples);
    const found = calibrate(examples, rates, [0, 1], [1, 2], 5)!;
    const odds = (example: ExampleScores) =>
      Array.from({ length: DOCUMENTS }, (_, document) => {
        const [first, second] = [example.ranking[document]!, example.ranking[DOCUMENTS + document]!];
        return (first + 2 * second) / (3 - example.masses[0]! - 2 * example.masses[1]!);
      });
    const labelled = (example: ExampleScores) =>
      odds(example).map((value, document): Labelled => ({ odds: value, gold: example.gold.includes(document) }));
    expect(found).toMatchObject(fitCurve(examples.flatMap(labelled)));
    const held = foldsOf(20, 5).flatMap((fold) => {
      const { a, b } = fitCurve(examples.filter((_, index) => !fold.includes(index)).flatMap(labelled));
      return fold
        .flatMap((index) => labelled(examples[index]!))
        .map(({ odds: value, gold }) => ({ p: 1 / (1 + Math.exp(-a - b * value)), gold }));
    });
    const [gold, others] = [held.filter((one) => one.gold), held.filter((one) => !one.gold)];
    const wins = gold.flatMap(({ p }) => others.map((other) => (p > other.p ? 1 : p === other.p ? 0.5 : 0)));
    expect(found.heldOut!.auc).toBeCloseTo(wins.reduce((sum: number, win) => sum + win, 0) / wins.length, 10);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const loss = (mean(gold.map(({ p }) => -Math.log(p))) + mean(others.map(({ p }) => -Math.log(1 - p)))) / 2;
    expect(found.heldOut!.logLoss).toBeCloseTo(loss, 10);
    expect(found.heldOut!.auc).toBeGreaterThan(0.9);
  });

  test("gives none where attention does not rise with relevance, or examples are few", () => {
    const wrong = made(12, [-0.06, -0.06]);
    expect(calibrate(wrong, ratesOf(wrong), [0, 1], null, 1)).toBeNull();
    const few = made(3, [0.06, 0.06]);
    expect(calibrate(few, ratesOf(few), [0, 1], null, 1)).toBeNull();
  });
});
