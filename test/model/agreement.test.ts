// The engine's rankings against a second implementation that shares no code with it: prompt, tokens, spans, attention in
// double precision, and scores.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LoadOptions, QRRetriever, RankOptions, RankResult } from "../../src/index.ts";
import {
  type IndependentModel,
  type IndependentRanking,
  independentRanker,
  loadIndependent,
  type Passage,
  type Settings,
  type Wrapping,
  wrappings,
} from "../helpers/independent.ts";
import { loadTiny } from "../helpers/retriever.ts";

const scripts: Passage[] = [
  { text: "Light is scattered by air, blue most of all." },
  { title: "Éléphants", text: "Les éléphants marchent ; ils dorment debout.\nToujours." },
  { text: "" },
  { title: "", text: "天空是蓝色的，因为空气散射阳光。" },
  { title: "السماء", text: "السماء زرقاء لأن الهواء يشتت الضوء." },
  { text: "आकाश नीला है क्योंकि हवा प्रकाश बिखेरती है।" },
  { title: "👩‍👩‍👧", text: "👩‍👩‍👧‍👦🏳️‍🌈 ends in a family 👨‍👩‍👧" },
  { text: "Небо голубое, потому что воздух рассеивает свет" },
];

/** Where tokens reach over the ends of a text, or pieces of text are easily mistaken. */
const edges: Passage[] = [
  { text: "  spaces around  " },
  { title: "Code", text: "for (let i = 0; i < 1234567; i++) {\n\tx += i;\n}" },
  { title: "empty below", text: "" },
  { text: "\r\nline breaks\r\n\n" },
  { title: " ", text: "“It’s”… CAN’T, can't — [2] spaces, Query: none" },
  { text: "[1]   spaces around  " },
  { text: "x" },
];

const query = "Why is the sky blue?";

/**
 * How attention is read, and how near it comes. Flash attention of llama.cpp rounds K and V to half precision whatever
 * the cache holds, and so what the layers above see. Errors of scores are measured by the attention on the document,
 * because calibration subtracts numbers that are nearly equal. Measured at most, as score, head and token: 6e-7, 6e-6 and
 * 5e-7 without flash attention; 2e-4, 6e-4 and 6e-5 with it.
 */
const ways: { way: string; load: LoadOptions; tolerance: { score: number; head: number; token: number } }[] = [
  {
    way: "the softmax tensor",
    load: { flashAttention: false, cacheTypeK: "f32", cacheTypeV: "f32" },
    tolerance: { score: 3e-6, head: 3e-5, token: 3e-6 },
  },
  {
    way: "flash attention",
    load: { flashAttention: true, cacheTypeK: "f32", cacheTypeV: "f32" },
    tolerance: { score: 1e-3, head: 3e-3, token: 2e-4 },
  },
];

type Case = { model: string; prompt: LoadOptions["prompt"]; name: string; wrapping: Wrapping };

const families: Case[] = [
  { model: "tiny-llama", prompt: "auto", name: "llama3", wrapping: wrappings.llama3 },
  { model: "tiny-qwen2", prompt: "auto", name: "qwen2.5", wrapping: wrappings.qwen25 },
  { model: "tiny-llama-spm", prompt: "auto", name: "plain", wrapping: wrappings.plain },
];

const others: Case[] = [
  { model: "tiny-llama", prompt: "template", name: "template", wrapping: wrappings.llamaTemplate },
  { model: "tiny-llama", prompt: "plain", name: "plain", wrapping: wrappings.plain },
  { model: "tiny-llama", prompt: "qwen2.5", name: "qwen2.5", wrapping: wrappings.qwen25 },
  { model: "tiny-qwen2", prompt: "template", name: "template", wrapping: wrappings.qwenTemplate },
  { model: "tiny-qwen2", prompt: "plain", name: "plain", wrapping: wrappings.plain },
  // Says in its metadata that it makes one vector of a text.
  { model: "tiny-llama-pooled", prompt: "auto", name: "plain", wrapping: wrappings.plain },
];

const models = new Map<string, IndependentModel>();
const rankers = new Map<string, (settings: Settings) => IndependentRanking>();

beforeAll(async () => {
  const names = new Set([...families, ...others].map(({ model }) => model));
  for (const name of names) models.set(name, await loadIndependent(name));
});

afterAll(async () => {
  for (const model of models.values()) await model.dispose();
});

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

async function expectAgreement(
  retriever: QRRetriever,
  { model, wrapping }: Case,
  { tolerance }: (typeof ways)[number],
  passages: Passage[],
  options: RankOptions = {},
): Promise<void> {
  const key = `${model} ${wrapping.prefix}`;
  const ranker = rankers.get(key) ?? independentRanker(models.get(model)!, wrapping);
  rankers.set(key, ranker);
  const { nullQuery = "N/A", calibration = true, mask = true, order = "given" } = options;
  const expected = ranker({ passages, query, heads: retriever.heads, nullQuery, calibration, mask, order });

  const actual = await retriever.rank(query, passages, { ...options, headScores: true, tokenScores: true });
  expect(actual.usage).toEqual(expected.usage);
  expectSorted(actual, expected, tolerance.score);
  for (const { index, score, headScores, tokenScores } of actual.results) {
    const position = order === "reverse" ? passages.length - index : index + 1;
    const { title, text } = passages[index]!;
    expect(tokenScores!.map((token) => token.text).join("")).toBe(
      `[${position}] ${title === undefined ? "" : `${title}\n`}${text}`,
    );
    expect(total(tokenScores!.map((token) => (token.kept ? token.score : 0)))).toBeCloseTo(score, 10);
    expect(total(headScores!)).toBeCloseTo(score, 5);

    const expectedTokens = expected.tokenScores[index]!;
    const tokenErrors = tokenScores!.map((token, i) => Math.abs(token.score - expectedTokens[i]!.score));
    expect(Math.max(...tokenErrors)).toBeLessThan(tolerance.token);
    // A token so near to the threshold may fall on either side of it.
    if (expected.margins[index]! < 2 * tolerance.token) continue;
    expect(tokenScores!.map((token) => token.kept)).toEqual(expectedTokens.map((token) => token.kept));
    const scoreError = Math.abs(score - expected.scores[index]!) / total(expected.masses[index]!);
    expect(scoreError).toBeLessThan(tolerance.score);
    const headErrors = headScores!.map(
      (value, head) => Math.abs(value - expected.headScores[index]![head]!) / expected.masses[index]![head]!,
    );
    expect(Math.max(...headErrors)).toBeLessThan(tolerance.head);
  }
}

/**
 * Every document once, and none in front of one whose score is higher by more than the tolerance. Blank and very short
 * ones may stand lower, and are told: those of at most 8 tokens, beside the number and the title.
 */
function expectSorted({ results, usage }: RankResult, { scores, masses }: IndependentRanking, tolerance: number): void {
  const all = results.map(({ index }) => index);
  expect(all.toSorted((a, b) => a - b)).toEqual(scores.map((_, index) => index));
  for (const { index, demoted } of results) if (demoted) expect(usage.documentTokens[index]).toBeLessThanOrEqual(16);
  const order = results.filter(({ demoted }) => !demoted).map(({ index }) => index);
  for (let i = 1; i < order.length; i++) {
    const [before, after] = [order[i - 1]!, order[i]!];
    const slack = tolerance * (total(masses[before]!) + total(masses[after]!));
    expect(scores[before]!).toBeGreaterThan(scores[after]! - slack);
  }
}

describe.each(ways)("with $way", (way) => {
  describe.each(families)("$model and its $name prompt", (family) => {
    const load = (options: LoadOptions = {}) =>
      loadTiny(family.model, { prompt: family.prompt, ...way.load, ...options });
    let retriever: QRRetriever;
    beforeAll(async () => {
      retriever = await load();
    });
    afterAll(() => retriever.dispose());

    test("names its prompt", () => {
      expect(retriever.prompt).toBe(family.name);
    });

    test.each<RankOptions>([
      {},
      { calibration: false },
      { mask: false },
      { calibration: false, mask: false },
      { order: "reverse" },
      { order: "reverse", calibration: false },
      { nullQuery: "Nothing at all, 什么都没有?" },
    ])("ranks scripts with %o", async (options) => {
      await expectAgreement(retriever, family, way, scripts, options);
    });

    test("ranks texts with difficult ends", async () => {
      await expectAgreement(retriever, family, way, edges);
      await expectAgreement(retriever, family, way, edges, { order: "reverse" });
    });

    test.each<LoadOptions>([
      { heads: "1-2,0-3", batchSize: 8 },
      { heads: "random:5:42", batchSize: 64, earlyStop: false },
      { heads: "1-1,0-1", batchSize: 1 },
    ])("ranks with %o", async (options) => {
      await using other = await load(options);
      await expectAgreement(other, family, way, scripts);
    });
  });

  test.each(others)("$model and the $name prompt", async (other) => {
    await using retriever = await loadTiny(other.model, { prompt: other.prompt, ...way.load });
    expect(retriever.prompt).toBe(other.name);
    await expectAgreement(retriever, other, way, scripts);
    await expectAgreement(retriever, other, way, edges);
  });
});
