// The engine against a forward pass in double precision that shares no code with it, from the model's file on.
import { beforeAll, describe, expect, test } from "vitest";
import { capture, largestDifference, load, passages, promptOf, type TokenPrompt } from "../helpers/addon.ts";
import { modelPath } from "../helpers/models.ts";
import { loadReference } from "../helpers/reference/model.ts";
import { referenceMeans } from "../helpers/reference/scores.ts";

const QUERY_TOKENS = 20;
/** Per entry. Measured: 8e-8 where all is single precision; flash attention on the CPU mixes values in half precision. */
const EXACT = 1e-6;
const FLASH = 5e-4;

describe.each(["tiny-llama", "tiny-qwen2"])("%s", (name) => {
  let model: Awaited<ReturnType<typeof load>>;
  let prompt: TokenPrompt;
  let expected: Float64Array[];

  beforeAll(async () => {
    model = await load(name);
    prompt = await promptOf(model, passages, QUERY_TOKENS);
    expected = referenceMeans(loadReference(modelPath(name)), [...prompt.documents], [...prompt.query]);
    return () => model.dispose();
  });

  test("is asked about a prompt of some two hundred tokens", () => {
    expect(prompt.documents.length + QUERY_TOKENS).toBeGreaterThan(190);
    expect(expected.length).toBe(model.info().layers * model.info().heads);
  });

  test.each([
    [false, 512],
    [false, 64],
    [false, 7],
    [true, 512],
    [true, 64],
    [true, 7],
  ])("attends as the reference does (flash attention %s, ubatches of %i)", async (flashAttention, batchSize) => {
    const rows = await capture(model, prompt, { flashAttention, batchSize, cacheTypeK: "f32", cacheTypeV: "f32" });
    const onDocuments = rows.map((row) => row.slice(0, prompt.documents.length));
    expect(largestDifference(onDocuments, expected)).toBeLessThan(flashAttention ? FLASH : EXACT);
    // Before the first values were mixed, there is no difference between the two.
    const { heads } = model.info();
    expect(largestDifference(onDocuments.slice(0, heads), expected.slice(0, heads))).toBeLessThan(EXACT);
  });

  test("attends nearly so with the cache in half precision, which is the default", async () => {
    const rows = await capture(model, prompt);
    const onDocuments = rows.map((row) => row.slice(0, prompt.documents.length));
    expect(largestDifference(onDocuments, expected)).toBeLessThan(FLASH);
  });

  test("attends to the tokens in their order: the reference of another order is far away", async () => {
    const reversed = { documents: prompt.documents.toReversed(), query: prompt.query };
    const rows = (await capture(model, reversed)).map((row) => row.slice(0, prompt.documents.length));
    expect(largestDifference(rows, expected)).toBeGreaterThan(50 * FLASH);
  });
});
