// Heads taken out of a model: against a forward pass in double precision, and against what must hold for any architecture.
import { beforeAll, describe, expect, test } from "vitest";
import type { NativeModel, NativeWriterOptions } from "../../src/native/addon-types.ts";
import type { Head } from "../../src/types.ts";
import { largestOf } from "../../src/util/extremes.ts";
import { createContext, everyHead, largestDifference, load, never, passages, tokensOf } from "../helpers/addon.ts";
import { modelPath } from "../helpers/models.ts";
import { referenceLogits } from "../helpers/reference/attention.ts";
import { loadReference } from "../helpers/reference/model.ts";

/** Of the largest logit. The output matrix is of 8 bits, and llama.cpp rounds what it multiplies with that to 8 bits as well. */
const BOUND = 8e-3;
const SAMPLING = { temperature: 0, topK: 40, topP: 0.95, seed: 0, repeatPenalty: 1, afresh: true };
const promptOf = async (model: NativeModel) => (await tokensOf(model, passages)).slice(0, 90);
const flat = (heads: readonly Head[]) => Int32Array.from(heads.flat());

/** Logits behind a prompt, and the tokens written behind it. */
async function write(
  model: NativeModel,
  prompt: Int32Array,
  withoutHeads?: Int32Array,
  options: Partial<NativeWriterOptions> = {},
): Promise<{ logits: Float32Array; tokens: number[] }> {
  const defaults = { cacheTypeK: "f16", cacheTypeV: "f16", flashAttention: true, offloadKqv: false };
  const writer = await model.createWriter({
    ...{ contextSize: 512, batchSize: 64, threads: 1, ...defaults },
    ...(withoutHeads && { withoutHeads }),
    ...options,
  });
  try {
    await writer.read(prompt, SAMPLING, never);
    const logits = writer.promptLogits();
    const tokens: number[] = [];
    while (tokens.length < 6) {
      const { token, end } = await writer.next(never);
      if (end) break;
      tokens.push(token);
    }
    return { logits, tokens };
  } finally {
    await writer.dispose();
  }
}

const indexOfLargest = (values: ArrayLike<number>) =>
  Array.from(values).reduce((best, value, index, all) => (value > all[best]! ? index : best), 0);

describe.each(["tiny-llama", "tiny-qwen2"])("%s", (name) => {
  // Heads of several layers, one layer whole.
  const without: Head[] = [
    [0, 1],
    [1, 0],
    [1, 1],
    [1, 2],
    [1, 3],
    [2, 2],
  ];
  let expected: Record<"whole" | "removed", Float64Array>;

  beforeAll(async () => {
    const model = await load(name);
    const prompt = [...(await promptOf(model))];
    const reference = loadReference(modelPath(name));
    expected = { whole: referenceLogits(reference, prompt), removed: referenceLogits(reference, prompt, without) };
    await model.dispose();
  });

  test.each([
    [false, 64],
    [false, 7],
    [true, 64],
    [true, 7],
  ])(
    "computes logits as the reference does (flash attention %s, ubatches of %i)",
    async (flashAttention, batchSize) => {
      const model = await load(name);
      try {
        const prompt = await promptOf(model);
        const scale = largestOf(expected.removed.map(Math.abs));
        const difference = (a: ArrayLike<number>, b: ArrayLike<number>) => largestDifference([a], [b]) / scale;
        const options = { flashAttention, batchSize, cacheTypeK: "f32", cacheTypeV: "f32" };
        const removed = await write(model, prompt, flat(without), options);
        expect(difference(removed.logits, expected.removed)).toBeLessThan(BOUND);
        expect(removed.tokens[0]).toBe(indexOfLargest(expected.removed));
        // None taken out is another computation, and the one that is done without the option.
        expect(difference(expected.removed, expected.whole)).toBeGreaterThan(10 * BOUND);
        const whole = await write(model, prompt, undefined, options);
        expect(difference(whole.logits, expected.whole)).toBeLessThan(BOUND);
      } finally {
        await model.dispose();
      }
    },
  );

  test("a context that looks at heads writes the same without them", async () => {
    const model = await load(name);
    const prompt = await promptOf(model);
    const { tokens } = await write(model, prompt, flat(without));
    const heads = Int32Array.of(0, 0, 2, 2);
    const generate = async (withoutHeads: Int32Array) => {
      const context = await createContext(model, { heads, earlyStop: false, withoutHeads });
      await context.prefill(prompt.slice(0, -1), never);
      const written = await context.generate({ last: prompt.at(-1)!, maxTokens: tokens.length }, never);
      await context.dispose();
      return written;
    };
    const written = await generate(flat(without));
    expect([...written.tokens]).toEqual(tokens.slice(0, written.tokens.length));
    expect(written.tokens.length).toBeGreaterThan(0);
    // A head that is taken out still looks somewhere; what deeper layers see is another text.
    expect(written.attended.length).toBe(2 * written.tokens.length);
    expect([...(await generate(flat([]))).attended]).not.toEqual([...written.attended]);
    await model.dispose();
  });
});

// Without attention a token knows nothing of those before it, whatever else a model is made of.
test.each([
  "tiny-llama",
  "tiny-gemma2",
  "tiny-gemma3",
  "tiny-gemma4",
  "tiny-gptoss",
  "tiny-phi3",
  "tiny-qwen3",
  "tiny-qwen3moe",
  "tiny-mpt",
])("%s without any head sees its last token only", async (name) => {
  const model = await load(name);
  const prompt = (await tokensOf(model, passages)).slice(0, 70);
  const other = prompt.slice();
  other.fill(prompt[9]!, 2, 60);
  for (const flashAttention of [true, false]) {
    const [one, two] = await Promise.all(
      [prompt, other].map((tokens) => write(model, tokens, everyHead(model.info()), { flashAttention })),
    );
    expect(one!.logits).toEqual(two!.logits);
    const [seeing, seeingOther] = await Promise.all(
      [prompt, other].map((tokens) => write(model, tokens, undefined, { flashAttention })),
    );
    expect(seeing!.logits).not.toEqual(seeingOther!.logits);
  }
  await model.dispose();
});

test("what cannot be taken out is said", async () => {
  const model = await load("tiny-llama");
  const prompt = await tokensOf(model, "Where is the harbour?");
  await expect(write(model, prompt, Int32Array.of(99, 0))).rejects.toMatchObject({ code: "HEADS_MISMATCH" });
  await expect(write(model, prompt, Int32Array.of(1, 1, 1, 1))).rejects.toMatchObject({ code: "HEADS_MISMATCH" });
  await expect(createContext(model, { withoutHeads: Int32Array.of(0, 0) })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  await model.dispose();
  const recurrent = await load("tiny-mamba");
  const tokens = await tokensOf(recurrent, "Where is the harbour?");
  await expect(write(recurrent, tokens, Int32Array.of(0, 0))).rejects.toMatchObject({
    code: expect.stringMatching(/MODEL_UNSUPPORTED|HEADS_MISMATCH/),
  });
  await recurrent.dispose();
});
