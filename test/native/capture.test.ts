// Attention computed from q and k at the flash-attention node, against the softmax that llama.cpp computes without flash
// attention: another graph, another kernel, read from another tensor.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { f32, u32 } from "../../scripts/models/gguf-writer.ts";
import type { NativeModel } from "../../src/native/addon-types.ts";
import {
  capture,
  everyHead,
  largestDifference,
  load,
  passages,
  promptOf,
  sum,
  type TokenPrompt,
} from "../helpers/addon.ts";
import { makeVariant } from "../helpers/variant.ts";

/** Per entry, with an F16 cache. Measured: 2e-4 at most. */
const TOLERANCE = 1e-3;
const QUERY_TOKENS = 24;

const decoders = [
  "llama",
  "llama-spm",
  "qwen2",
  "qwen3",
  "gemma2",
  "gemma3",
  "phi3",
  "qwen3moe",
  "gptoss",
  "mpt",
  "gemma4",
];
// A choice of experts flips where two of them score alike, and then the paths compute different models. With every expert
// in use there is no choice.
const everyExpert: Record<string, string> = { qwen3moe: "qwen3moe", gptoss: "gpt-oss" };

function pathOf(decoder: string): string {
  const key = everyExpert[decoder];
  if (key === undefined) return `tiny-${decoder}`;
  return makeVariant(`tiny-${decoder}`, `${decoder}-every-expert`, { [`${key}.expert_used_count`]: u32(4) });
}

async function bothWays(
  model: NativeModel,
  prompt: TokenPrompt,
): Promise<[flash: Float32Array[], softMax: Float32Array[]]> {
  return [await capture(model, prompt), await capture(model, prompt, { flashAttention: false })];
}

describe.each(decoders)("tiny-%s", (decoder) => {
  let model: NativeModel;
  let prompt: TokenPrompt;
  let flash: Float32Array[];
  let softMax: Float32Array[];

  beforeAll(async () => {
    model = await load(pathOf(decoder));
    prompt = await promptOf(model, passages, QUERY_TOKENS);
    [flash, softMax] = await bothWays(model, prompt);
  });
  afterAll(() => model.dispose());

  test("gives the softmax of the path without flash attention, in every head", () => {
    const { heads } = model.info();
    expect(largestDifference(flash, softMax)).toBeLessThan(TOLERANCE);
    // Nothing has been computed before the first layer that could differ.
    expect(largestDifference(flash.slice(0, heads), softMax.slice(0, heads))).toBeLessThan(1e-6);
  });

  test("gives rows that sum to one, or to less where a sink takes a share", () => {
    const sums = flash.map(sum);
    if (decoder === "gptoss") {
      expect(Math.max(...sums)).toBeLessThan(1);
      expect(Math.min(...sums)).toBeLessThan(0.99);
    } else {
      for (const total of sums) expect(total).toBeCloseTo(1, 4);
    }
    for (const row of flash) expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
  });

  test("gives rows that differ from head to head", () => {
    for (const [index, row] of flash.entries()) {
      if (index > 0) expect(largestDifference([row], [flash[index - 1]!])).toBeGreaterThan(TOLERANCE);
    }
  });

  test("gives the same for a few heads as for all, with the forward pass cut short or not", async () => {
    const { layers, heads } = model.info();
    const chosen = [
      [layers - 2, heads - 1],
      [0, 1],
    ];
    const rows = chosen.map(([layer, head]) => flash[layer! * heads + head!]!);
    const options = { heads: Int32Array.from(chosen.flat()) };
    const early = await capture(model, prompt, options);
    const full = await capture(model, prompt, { ...options, earlyStop: false });
    expect(largestDifference(early, full)).toBe(0);
    // Heads that share keys are computed together, so the order of additions may differ from that of a whole layer.
    expect(largestDifference(early, rows)).toBeLessThan(1e-6);
  });

  test.each([1, 7, QUERY_TOKENS, 64])("gives the same in ubatches of %i", async (batchSize) => {
    expect(largestDifference(flash, await capture(model, prompt, { batchSize }))).toBeLessThan(TOLERANCE);
  });
});

describe("a sliding window", () => {
  // [layer, window?] of the tiny models: 32 tokens, in Gemma 2 and gpt-oss every other layer, in Gemma 3 and 4 by its pattern.
  test.each([
    ["gemma2", [true, false, true, false]],
    ["gemma3", [true, false, true, false]],
    ["gptoss", [true, false, true, false]],
    ["gemma4", [true, false, true, false, true, false, true]],
  ] as const)(
    "of tiny-%s gives exactly nothing to tokens out of reach, in its own layers alone",
    async (decoder, windows) => {
      const model = await load(`tiny-${decoder}`);
      const { documents, query } = await promptOf(model, passages, 1);
      const { heads } = model.info();
      for (const options of [{}, { flashAttention: false }, { batchSize: 16 }]) {
        const rows = await capture(model, { documents, query }, options);
        for (const [layer, hasWindow] of windows.entries()) {
          for (const row of rows.slice(layer * heads, (layer + 1) * heads)) {
            const outside = sum(row.slice(0, row.length - 32));
            if (hasWindow) expect(outside).toBe(0);
            else expect(outside).toBeGreaterThan(0.05);
          }
        }
      }
      await model.dispose();
    },
  );
});

describe("what the model's header says about attention comes through", () => {
  test.each([
    ["gemma2", "a soft-cap", { "gemma2.attn_logit_softcapping": f32(500) }],
    ["mpt", "the slopes of ALiBi", { "mpt.attention.max_alibi_bias": f32(2) }],
    ["gemma3", "the width of the window", { "gemma3.attention.sliding_window": u32(64) }],
    ["llama", "the frequency of rotation", { "llama.rope.freq_base": f32(1000) }],
  ] as const)("tiny-%s: %s", async (decoder, what, metadata) => {
    const original = await load(`tiny-${decoder}`);
    const changed = await load(makeVariant(`tiny-${decoder}`, `${decoder}-${what.replaceAll(" ", "-")}`, metadata));
    const prompt = await promptOf(original, passages, QUERY_TOKENS);
    const heads = everyHead({ layers: 1, heads: original.info().heads });
    const [flash, softMax] = await bothWays(changed, prompt);
    expect(largestDifference(flash, softMax)).toBeLessThan(TOLERANCE);
    const before = await capture(original, prompt, { heads });
    expect(largestDifference(before, flash.slice(0, before.length))).toBeGreaterThan(10 * TOLERANCE);
    await Promise.all([original.dispose(), changed.dispose()]);
  });
});

describe("experts", () => {
  test("that are chosen among may make the paths differ behind the first choice, and never before it", async () => {
    const model = await load("tiny-gptoss");
    const { heads } = model.info();
    const [flash, softMax] = await bothWays(model, await promptOf(model, passages, QUERY_TOKENS));
    expect(largestDifference(flash.slice(0, heads), softMax.slice(0, heads))).toBeLessThan(1e-6);
    await model.dispose();
  });
});
