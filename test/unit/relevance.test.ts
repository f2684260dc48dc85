// Share, relevance and what a call leaves out, against numbers that are computed here in another way.
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { loadEnglish } from "../../src/bm25/english.ts";
import { chooseResults } from "../../src/ranking/choose.ts";
import type { RankPlan } from "../../src/ranking/plan.ts";
import type { Standing } from "../../src/ranking/results.ts";
import { calibrationOf, GENERIC, oddsOf, relevancesOf, sharesOf } from "../../src/ranking/scoring/relevance.ts";
import { echoesOf, sharedWords } from "../../src/ranking/words.ts";

beforeAll(loadEnglish);

const sigmoid = (x: number) => (1 + Math.tanh(x / 2)) / 2;

describe("odds", () => {
  test("are over the attention that no document gets", () => {
    // Two heads, whose attention is 2 in sum: 0.5 on the first document, 0.3 on the second, 1.2 elsewhere.
    const { odds, rawOdds } = oddsOf([0.24, -0.06], [0.5, 0.3], 2);
    expect(odds.map((value) => value * 1.2)).toEqual([expect.closeTo(0.24, 12), expect.closeTo(-0.06, 12)]);
    expect(rawOdds.map((value) => value * 1.2)).toEqual([expect.closeTo(0.5, 12), expect.closeTo(0.3, 12)]);
  });

  test("of a softmax do not depend on which other tokens there are", () => {
    const exponents = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(exponents, exponents, exponents, (own, others, rest) => {
        const mass = (values: number[]) => values.reduce((sum, value) => sum + Math.exp(value), 0);
        const alone = mass(own) + mass(rest);
        const all = alone + mass(others);
        const single = oddsOf([mass(own) / alone], [mass(own) / alone], 1).odds[0]!;
        const both = oddsOf([mass(own) / all, 0], [mass(own) / all, mass(others) / all], 1).odds[0]!;
        expect(both / single).toBeCloseTo(1, 6);
      }),
    );
  });

  test("are finite where documents get all attention", () => {
    for (const value of oddsOf([1, 0.5], [1.5, 0.5], 2).odds) expect(Number.isFinite(value)).toBe(true);
  });
});

describe("relevance", () => {
  test("is the logistic of the odds, and falls in the final order", () => {
    const curve = { a: -1.5, b: 20 };
    const odds = [0.2, 0.05, 0, -0.1];
    const expected = odds.map((value) => expect.closeTo(sigmoid(-1.5 + 20 * value), 12));
    for (const falls of [true, false]) {
      expect(relevancesOf(odds, [], curve, falls)).toEqual(expected);
      // The second stands lower than its odds: it has those of its place.
      const [, demoted] = relevancesOf([0.05, 0.2, 0], [], curve, falls);
      expect(demoted).toBeCloseTo(sigmoid(-0.5), 12);
    }
  });

  test("counts the words that the query and the document share, and falls only where it must", () => {
    const curve = { a: -4, b: 20, words: 3 };
    const [odds, shared] = [
      [0.2, 0.15, 0.1],
      [0, 0.5, 1],
    ];
    const free = odds.map((value, i) => expect.closeTo(sigmoid(-4 + 20 * value + 3 * shared[i]!), 12));
    expect(relevancesOf(odds, shared, curve, false)).toEqual(free);
    expect(relevancesOf(odds, shared, curve, true)).toEqual(odds.map(() => expect.closeTo(sigmoid(0), 12)));
  });

  test("comes from the head set's own constants where they apply", () => {
    const own = { a: -2, b: 9 };
    expect(calibrationOf(own, { layout: "listwise", applies: true })).toEqual({ ...own, fitted: true });
    const both = { ...own, words: 3, heldOut: { folds: 5, auc: 0.9, logLoss: 0.3 } };
    expect(calibrationOf(both, { layout: "listwise", applies: true })).toEqual({ ...own, words: 3, fitted: true });
    expect(calibrationOf(own, { layout: "listwise", applies: false })).toEqual({ ...GENERIC.listwise, fitted: false });
    expect(calibrationOf(undefined, { layout: "independent", applies: true }).fitted).toBe(false);
  });
});

test("shared words are stemmed topic words of the query, titles included", () => {
  const documents = ["Ferries leave at nine.", "", "Who is it that you have?", "The price of bread"].map((text, i) => ({
    ...{ id: `${i}`, text },
    ...(i === 1 && { title: "Ferry prices" }),
  }));
  expect(sharedWords("What is the price of the ferry's ferries?", documents)).toEqual([0.5, 1, 0, 0.5]);
  // Nothing but words that every text has: they say nothing.
  expect(sharedWords("who are you?", documents)).toEqual([0.5, 0.5, 0.5, 0.5]);
  // The same letters, written in two ways.
  expect(sharedWords("caf\u00e9", [{ id: "0", text: "Cafe\u0301 Nero" }])).toEqual([1]);
});

test("an echo says nothing but words of the query, and every document that has its words is named", async () => {
  const texts = ["The ferry?", "ferries to Ischia, at a price", "Paris", "is it", "Ferry price", "A price"];
  const documents = texts.map((text, i) => ({ id: `${i}`, text }));
  const echoes = await echoesOf("What is the price of the ferry?", documents, [0, 2, 3, 4, 5], undefined);
  expect([...echoes]).toEqual([
    [0, [0, 1, 4]],
    [4, [1, 4]],
    [5, [1, 4, 5]],
  ]);
  // A short answer to a question with a choice is no echo of the other one.
  const choice = ["Saturday only.", "On Sunday we went to the sea."].map((text, i) => ({ id: `${i}`, text }));
  const query = "Is the shop open on Sunday or on Saturday only?";
  expect([...(await echoesOf(query, choice, [0], undefined))]).toEqual([[0, [0]]]);
});

test("shares add up to 1, in proportion", () => {
  expect(sharesOf([3, 1, 0])).toEqual([0.75, 0.25, 0]);
  expect(sharesOf([0, 0])).toEqual([0.5, 0.5]);
});

describe("what a call leaves out", () => {
  const scores = [0.1, 0.4, -0.2, 0.3];
  const standing: Standing = {
    ...{ query: "q", heads: [[0, 0]], warnings: [], order: [1, 3, 0, 2], odds: scores, rawOdds: [1, 4, 1, 2] },
    describe: (index) => ({ index, id: `d${index}`, score: scores[index]! }),
    usage: { promptTokens: 0, queryTokens: 0, documentTokens: [] },
    timings: { loadMs: 0, prefillMs: 0, nullMs: 0, queryMs: 0, totalMs: 0 },
  };
  const documents = scores.map((_, index) => ({ id: `d${index}`, text: index === 2 ? "whale" : "ship" }));
  const plan = (more: Partial<RankPlan>): RankPlan => ({
    ...{ layout: "listwise", isChosen: false, windows: "auto", order: "given" },
    ...{ nullQuery: "N/A", mask: true, weights: null },
    ...{ relevance: { a: 0, b: 10, fitted: true }, how: { rows: "sum", weights: null } },
    ...more,
  });
  const choose = (more: Partial<RankPlan>) => chooseResults(standing, documents, plan(more));

  test("is what is below the threshold, which is counted, and what is behind topK, which is not", () => {
    const least = sigmoid(2);
    expect(choose({}).results.map(({ index }) => index)).toEqual([1, 3, 0, 2]);
    expect(choose({})).toMatchObject({ abstained: false, belowThreshold: 0 });
    const some = choose({ threshold: least, topK: 1 });
    expect(some.results).toEqual([
      { index: 1, id: "d1", score: 0.4, share: 0.5, relevance: expect.closeTo(sigmoid(4)) },
    ]);
    expect(some).toMatchObject({ abstained: false, belowThreshold: 2 });
    expect(choose({ threshold: 0.999 })).toMatchObject({ results: [], abstained: true, belowThreshold: 4 });
    expect(choose({ relevance: { a: -5, b: 10, fitted: true } })).toMatchObject({ abstained: true, belowThreshold: 0 });
  });

  test("a threshold on generic constants is warned of, and nothing else is", () => {
    const generic = { a: 0, b: 10, fitted: false };
    expect(choose({ relevance: generic }).warnings).toEqual([]);
    expect(choose({ threshold: 0.1 }).warnings).toEqual([]);
    expect(choose({ threshold: 0.1, relevance: generic }).warnings.join()).toMatch(/generic constants/);
  });

  test("shared words count where the head set says so, with a first stage or without", () => {
    const relevance = { a: -3, b: 10, words: 4, fitted: true };
    const asked = (more: Partial<RankPlan>) =>
      chooseResults({ ...standing, query: "where is the whale?" }, documents, plan({ relevance, ...more })).results;
    const values = { 1: sigmoid(1), 3: sigmoid(0), 0: sigmoid(-2) };
    // The last shares the query's one word: it has more than the one before it if the order is not the heads' own.
    const fusion = { prior: [0, 0, 0, 0], fuse: { weight: 1 } };
    for (const [more, last] of [
      [{}, values[0]],
      [{ fusion }, sigmoid(-3 - 2 + 4)],
    ] as const) {
      expect(asked(more).map((one) => [one.index, one.relevance])).toEqual([
        ...([1, 3, 0] as const).map((index) => [index, expect.closeTo(values[index], 12)]),
        [2, expect.closeTo(last, 12)],
      ]);
    }
  });

  test("with a first stage relevance is what the heads say, and the order is of both", () => {
    const fusion = { prior: [0, 0, 9, 0], fuse: { weight: 0.1 } };
    const { results } = choose({ fusion });
    expect(results[0]).toMatchObject({ index: 2, relevance: expect.closeTo(sigmoid(-2)), prior: 9 });
    expect(choose({ fusion, threshold: 0.5 }).results.map(({ index }) => index)).toEqual([1, 3, 0]);
    expect(choose({ fusion, topK: 1 }).results.map(({ index }) => index)).toEqual([2]);
    const words = choose({ fusion: { prior: "bm25", fuse: "rrf" } });
    expect(words.fusion).toEqual({ prior: "bm25", fuse: "rrf" });
  });
});
