// Every type that the cache may have, against the same model with single precision.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NativeModel } from "../../src/native/addon-types.ts";
import {
  capture,
  createContext,
  largestDifference,
  load,
  passages,
  promptOf,
  sum,
  type TokenPrompt,
} from "../helpers/addon.ts";

const types = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"] as const;

describe.each(["tiny-llama", "tiny-gemma2", "tiny-mpt"])("%s", (name) => {
  let model: NativeModel;
  let prompt: TokenPrompt;
  let exact: Float32Array[];

  beforeAll(async () => {
    model = await load(name);
    prompt = await promptOf(model, passages, 24);
    exact = await capture(model, prompt, { cacheTypeK: "f32", cacheTypeV: "f32" });
  });
  afterAll(() => model.dispose());

  // Per entry of all layers, about three times what was measured.
  test.each([
    ["f16", 2e-4],
    ["bf16", 2e-3],
    ["q8_0", 5e-3],
    ["q5_1", 0.03],
    ["q5_0", 0.05],
    ["q4_1", 0.06],
    ["q4_0", 0.06],
  ])("stays near with K in %s", async (cacheTypeK, tolerance) => {
    const rows = await capture(model, prompt, { cacheTypeK, cacheTypeV: "f32" });
    const difference = largestDifference(rows, exact);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(tolerance);
    for (const row of rows) expect(sum(row)).toBeCloseTo(1, 3);
    // What was written in other portions is the same.
    const again = await capture(model, prompt, { cacheTypeK, cacheTypeV: "f32", batchSize: 16 });
    expect(largestDifference(again, exact)).toBeLessThan(tolerance);
  });

  test.each([
    ["f16", 2e-4],
    ["bf16", 1e-3],
    ["q8_0", 3e-3],
    ["q4_0", 0.04],
  ])("stays near with V in %s, which changes later layers only", async (cacheTypeV, tolerance) => {
    const rows = await capture(model, prompt, { cacheTypeK: "f32", cacheTypeV });
    const { heads } = model.info();
    expect(largestDifference(rows.slice(0, heads), exact.slice(0, heads))).toBe(0);
    expect(largestDifference(rows, exact)).toBeLessThan(tolerance);
  });

  test.each(types)("reads K in %s without flash attention too", async (cacheTypeK) => {
    const options = { cacheTypeK, cacheTypeV: "f16" };
    const flash = await capture(model, prompt, options);
    const softMax = await capture(model, prompt, { ...options, flashAttention: false });
    const { heads } = model.info();
    expect(largestDifference(flash.slice(0, heads), softMax.slice(0, heads))).toBeLessThan(1e-6);
    expect(largestDifference(flash, softMax)).toBeLessThan(2e-2);
  });
});

describe("a cache that cannot be had", () => {
  test.each([
    [{ cacheTypeV: "q8_0", flashAttention: false }, "CONTEXT_FAILED"],
    [{ cacheTypeK: "q9_9" }, "INVALID_ARGUMENT"],
    [{ cacheTypeV: "" }, "INVALID_ARGUMENT"],
  ])("is refused: %o", async (options, code) => {
    const model = await load("tiny-llama");
    await expect(createContext(model, options)).rejects.toMatchObject({ code });
    await model.dispose();
  });
});
