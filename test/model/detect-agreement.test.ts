// Scores of detection against a computation in float64 that shares no code with it.
import { beforeAll, describe, expect, test } from "vitest";
import { type DetectOptions, detectHeads } from "../../src/detect/index.ts";
import { independentRanker, loadIndependent, type Passage, type Wrapping, wrappings } from "../helpers/independent.ts";
import { modelPath } from "../helpers/models.ts";

type Example = { query: string; docs: Passage[]; gold: number[] };

const examples: Example[] = [
  {
    query: "Why is the sky blue?",
    docs: [
      { text: "Light of the sun is scattered by air, blue light most of all, and so we see it everywhere." },
      { title: "Bees", text: "They dance in the dark of the hive, and others follow." },
      { text: "天空是蓝色的，因为空气散射阳光。" },
    ],
    gold: [0, 2],
  },
  { query: "Who dances?", docs: [{ title: "Été", text: "Le ciel est bleu." }, { text: "Bees dance." }], gold: [1] },
];

/** Of a head and an example, the score of every document, and whether the mask may be told apart from rounding. */
type Reference = { scores: number[]; dropped: number; sure: boolean };

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

const goldMass = (scores: number[], gold: number[]) => sum(gold.map((document) => scores[document]!));

type Case = {
  objective: string;
  /** Neither calibrated nor masked. */
  raw: boolean;
  options: Partial<DetectOptions>;
  rate: (scores: number[], gold: number[]) => number;
  /** Measured at most: 3e-8, 5e-8, 0 and 2e-7, in the order below. Without flash attention, which rounds K and V to half precision. */
  tolerance: number;
};

const cases: Case[] = [
  { objective: "mass", raw: false, options: {}, rate: goldMass, tolerance: 2e-7 },
  { objective: "raw-mass", raw: true, options: { rawMass: true }, rate: goldMass, tolerance: 4e-7 },
  {
    objective: "ndcg",
    raw: false,
    options: { objective: "ndcg" },
    rate(scores, gold) {
      const rank = (document: number) => scores.filter((other) => other > scores[document]!).length;
      const gains = (ranks: number[]) => sum(ranks.map((position) => 1 / Math.log2(2 + position)));
      return gains(gold.map(rank)) / gains(gold.map((_, position) => position));
    },
    tolerance: 1e-12,
  },
  {
    objective: "contrastive",
    raw: true,
    options: { objective: "contrastive", temperature: 0.05 },
    rate(scores, gold) {
      const powers = scores.map((score) => Math.exp(score / 0.05));
      const others = sum(powers.filter((_, document) => !gold.includes(document)));
      return sum(gold.map((document) => powers[document]! / (powers[document]! + others))) / gold.length;
    },
    tolerance: 2e-6,
  },
];

const families: [model: string, wrapping: Wrapping][] = [
  ["tiny-llama", wrappings.llama3],
  ["tiny-qwen2", wrappings.qwen25],
];

describe.each(families)("%s", (name, wrapping) => {
  /** `[head][example]`. */
  let reference: (raw: boolean) => Reference[][];

  beforeAll(async () => {
    const model = await loadIndependent(name);
    const rank = independentRanker(model, wrapping);
    const { layers, heads } = model.weights;
    // With one head at a time, the sum over heads that is masked is the head's own.
    const compute = (raw: boolean) =>
      Array.from({ length: layers * heads }, (_, index) =>
        examples.map(({ query, docs }): Reference => {
          const head = [Math.floor(index / heads), index % heads] as const;
          const settings = { passages: docs, query, nullQuery: "N/A", heads: [head], order: "given" } as const;
          const { scores, margins, tokenScores } = rank({ ...settings, calibration: !raw, mask: !raw });
          const dropped = tokenScores.flat().filter(({ kept }) => !kept).length;
          return { scores, dropped, sure: margins.every((margin) => margin > 1e-6) };
        }),
      );
    const known = { raw: compute(true), calibrated: compute(false) };
    reference = (raw) => (raw ? known.raw : known.calibrated);
    await model.dispose();
  });

  test("is asked something that the mask of single heads matters for", () => {
    expect(sum(reference(false).flatMap((of) => of.map(({ dropped }) => dropped)))).toBeGreaterThan(5);
  });

  test.each(cases)("agrees on $objective", async ({ objective, raw, options, rate, tolerance }) => {
    const caches = { flashAttention: false, cacheTypeK: "f32", cacheTypeV: "f32" } as const;
    const model = modelPath(name);
    const found = await detectHeads({ model, gpu: false, threads: 1, examples, ...caches, ...options });
    expect(found.objective).toBe(objective);
    expect(found.nullQuery).toBe(raw ? undefined : "N/A");

    const expected = reference(raw).map(
      (of) => sum(of.map(({ scores }, example) => rate(scores, examples[example]!.gold))) / examples.length,
    );
    const sure = reference(raw).map((of) => of.every((example) => example.sure));
    const actual = found.scores.flat();
    expect(actual).toHaveLength(expected.length);
    expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(100 * tolerance);
    expect(sure.filter((is) => !is).length).toBeLessThan(3);
    const errors = actual.map((score, head) => (sure[head] ? Math.abs(score - expected[head]!) : 0));
    expect(Math.max(...errors)).toBeLessThan(tolerance);
  });
});
