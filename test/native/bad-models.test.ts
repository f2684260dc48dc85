// Files that are no model, or half of one, or a model without attention to read: errors with a code, and a living process.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { llamaSource } from "../../scripts/llama-source.mjs";
import { readGgufHeader } from "../../scripts/models/gguf-reader.ts";
import { f32, text, u32 } from "../../scripts/models/gguf-writer.ts";
import { createContext, load, never, observeHeads } from "../helpers/addon.ts";
import { runChild } from "../helpers/child.ts";
import { modelPath } from "../helpers/models.ts";
import { makeVariant } from "../helpers/variant.ts";
import { makeVocabularyModel } from "../helpers/vocabulary.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(content: string | Uint8Array): string {
  const file = path.join(folder, "model.gguf");
  writeFileSync(file, content);
  return file;
}

describe("loading", () => {
  test.each<[string, () => string]>([
    ["a path that does not exist", () => "/nowhere/model.gguf"],
    ["a folder", () => folder],
    ["an empty file", () => written("")],
    ["a text file", () => written("This is no model.\n".repeat(1000))],
    ["the magic number and nothing else", () => written("GGUF")],
    [
      "a header that promises more than any disk holds",
      () => written(Buffer.from(`47475546${"03000000"}${"ff".repeat(16)}`, "hex")),
    ],
    ["a vocabulary without weights", () => path.join(llamaSource(), "models", "ggml-vocab-llama-spm.gguf")],
    [
      "a file that lacks its last byte's page",
      () => written(readFileSync(modelPath("tiny-llama-spm")).subarray(0, -4096)),
    ],
  ])("%s fails and says what it was asked for", async (_, file) => {
    const name = file();
    await expect(load(name)).rejects.toMatchObject({
      code: "MODEL_LOAD_FAILED",
      message: expect.stringContaining(name),
    });
  });

  test("works for the same file once it is whole", async () => {
    const model = await load(written(readFileSync(modelPath("tiny-llama-spm"))));
    expect(model.info().layers).toBe(3);
    await model.dispose();
  });
});

describe("a header that contradicts itself", () => {
  // llama.cpp asserts each of these, and an assertion ends the process.
  test.each([
    ["tiny-llama-spm", "llama.block_count", u32(0)],
    ["tiny-llama-spm", "llama.block_count", u32(65539)],
    ["tiny-llama-spm", "llama.attention.head_count_kv", u32(2 ** 31 + 4)],
    ["tiny-llama-spm", "llama.nextn_predict_layers", u32(4)],
    ["tiny-llama-spm", "llama.expert_used_count", u32(2)],
    ["tiny-llama-spm", "llama.rope.scaling.type", text("yearn")],
    ["tiny-gemma3", "gemma3.rope.dimension_count", u32(48)],
    ["tiny-gemma3", "gemma3.rope.dimension_count", u32(31)],
    ["tiny-gemma4", "gemma4.rope.dimension_count_swa", u32(34)],
    ["tiny-phi3", "phi3.attention.value_length", u32(64)],
    ["tiny-qwen2", "qwen2.attention.head_count", u32(132)],
    ["tiny-gptoss", "gpt-oss.attention.value_length", u32(32)],
    ["tiny-mpt", "mpt.attention.layer_norm_epsilon", f32(-1)],
    ["tiny-qwen3", "qwen3.attention.layer_norm_rms_epsilon", f32(Number.NaN)],
    ["tiny-qwen3moe", "qwen3moe.expert_used_count", u32(0)],
    ["tiny-qwen3moe", "qwen3moe.expert_used_count", u32(5)],
    ["tiny-qwen3moe", "qwen3moe.expert_count", u32(4096)],
    ["tiny-qwen3moe", "qwen3moe.expert_group_count", u32(3)],
    ["tiny-llama-spm", "general.alignment", u32(16)],
    ["tiny-llama-spm", "tokenizer.ggml.model", text("bert")],
    ["tiny-qwen2", "tokenizer.ggml.model", text("llama")],
    ["tiny-mpt", "mpt.attention.value_length", u32(8)],
    ["tiny-mpt", "mpt.attention.head_count", u32(3)],
    ["tiny-llama-spm", "llama.attention.head_count_kv", u32(3)],
    ["tiny-llama-spm", "llama.rope.dimension_count", u32(16)],
    ["tiny-qwen3", "qwen3.rope.dimension_count", u32(16)],
    ["tiny-qwen3moe", "qwen3moe.rope.dimension_count", u32(0)],
    ["tiny-gptoss", "gpt-oss.attention.key_length_swa", u32(32)],
    ["tiny-gptoss", "gpt-oss.attention.value_length_swa", u32(32)],
    ["tiny-gemma2", "gemma2.attention.sliding_window_pattern", u32(1)],
    ["tiny-gemma2", "gemma2.rope.dimension_count", u32(0)],
    ["tiny-gemma4", "gemma4.rope.dimension_count_swa", u32(0)],
    // These end nothing, but make every token alike.
    ["tiny-llama-spm", "llama.attention.layer_norm_rms_epsilon", f32(Number.POSITIVE_INFINITY)],
    ["tiny-llama-spm", "llama.attention.layer_norm_rms_epsilon", f32(1e30)],
    ["tiny-llama-spm", "llama.rope.scaling.attn_factor", f32(0)],
  ])("%s with %s = %o is refused by that name", async (base, key, value) => {
    const file = makeVariant(base, "contradiction", { [key]: value });
    await expect(load(file)).rejects.toMatchObject({
      code: "MODEL_LOAD_FAILED",
      message: expect.stringMatching(new RegExp(`${key} = \\S+ where`)),
    });
  });

  test("a vocabulary with a token twice is refused by that token", async () => {
    const bytes = readFileSync(modelPath("tiny-llama-spm"));
    const entry = (token: string) => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(Buffer.byteLength(token)));
      return Buffer.concat([length, Buffer.from(token)]);
    };
    entry("ying").copy(bytes, bytes.indexOf(entry("ance")));
    await expect(load(written(bytes))).rejects.toMatchObject({
      code: "MODEL_LOAD_FAILED",
      message: expect.stringContaining('"ying" twice'),
    });
  });
});

describe("tensors that cannot be right", () => {
  const base = modelPath("tiny-llama-spm");
  const { tensors } = readGgufHeader(base);

  /** The base with its first tensor of a kind said to be of another type, or with other bytes. */
  function damaged(name: string, change: { type?: number; bytes?: (data: Buffer) => void }): string {
    const bytes = readFileSync(base);
    const { offset, shape } = tensors.get(name)!;
    if (change.type !== undefined)
      bytes.writeUInt32LE(change.type, bytes.indexOf(name) + name.length + 4 + 8 * shape.length);
    const next = Math.min(
      ...[...tensors.values()].map((one) => one.offset).filter((other) => other > offset),
      bytes.length,
    );
    change.bytes?.(bytes.subarray(offset, next));
    return written(bytes);
  }
  const fail = async (file: string, what: string) =>
    await expect(load(file)).rejects.toMatchObject({
      code: "MODEL_LOAD_FAILED",
      message: expect.stringContaining(what),
    });

  test.each([
    ["blk.2.attn_q.weight", 26, "i32"],
    ["blk.0.ffn_down.weight", 26, "i32"],
    ["blk.1.attn_norm.weight", 26, "i32"],
  ])("%s of type %i is refused by its name", async (name, type, said) => {
    await fail(damaged(name, { type }), `tensor ${name} has the type ${said}`);
  });

  test("a norm with one value that is no number is refused by its name", async () => {
    const file = damaged("blk.1.ffn_norm.weight", { bytes: (data) => data.writeFloatLE(Number.NaN, 8) });
    await fail(file, "tensor blk.1.ffn_norm.weight has the value nan");
  });

  test("the zeros of a download that was cut short are refused by the tensor's name", async () => {
    const bytes = readFileSync(base);
    await fail(written(bytes.fill(0, tensors.get("blk.1.attn_q.weight")!.offset)), "is all zeros");
  });

  test("a matrix with NaN, or all zeros, is found where every tensor is asked for", async () => {
    for (const [bytes, what] of [
      [(data: Buffer) => data.writeFloatLE(Number.NaN, 12), "blk.1.attn_q.weight"],
      [(data: Buffer) => data.fill(0), "blk.1.attn_q.weight is all zeros"],
    ] as const) {
      const file = damaged("blk.1.attn_q.weight", { bytes });
      await (await load(file)).dispose();
      await expect(load(file, { checkTensors: true })).rejects.toMatchObject({
        code: "MODEL_LOAD_FAILED",
        message: expect.stringContaining(what),
      });
    }
  });
});

describe("models without attention to read", () => {
  test("an encoder has no context", async () => {
    const model = await load("tiny-bert");
    expect(model.info()).toMatchObject({ architecture: "bert", hasDecoder: true });
    await expect(createContext(model, { contextSize: 128 })).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
    await model.dispose();
  });

  test("a recurrent model has no heads to name", async () => {
    const model = await load("tiny-mamba");
    expect(model.info()).toMatchObject({ architecture: "mamba", recurrent: true, heads: 0 });
    await expect(createContext(model, { heads: Int32Array.of(0, 0) })).rejects.toMatchObject({
      code: "HEADS_MISMATCH",
    });
    const context = await createContext(model, { heads: new Int32Array() });
    await context.prefill(Int32Array.of(1, 2, 3), never);
    expect(() => context.rollback(1)).toThrow(expect.objectContaining({ code: "MODEL_UNSUPPORTED" }));
    await context.dispose();
    await model.dispose();
  });

  test("a model that pools its tokens' vectors is read like any other", async () => {
    const model = await load("tiny-llama-pooled");
    const context = await createContext(model);
    const attention = await observeHeads(context, Int32Array.of(1, 2, 3));
    expect(attention.row(0).reduce((total, value) => total + value)).toBeCloseTo(1, 4);
    await context.dispose();
    await model.dispose();
  });
});

describe("two hundred broken copies", () => {
  // llama.cpp's own assertions would end the process over one copy in three hundred.
  test.each(["truncated", "metadata", "vocabulary", "tensors"])("%s: none ends the process", async (damage) => {
    const given = {
      base: makeVocabularyModel("llama-spm"),
      file: path.join(folder, `${damage}.gguf`),
      damage,
      seeds: 200,
    };
    const { code, signal, stdout, stderr } = await runChild("fuzz", given);
    expect({ code, signal }, `the last of ${stderr.slice(-400)}`).toEqual({ code: 0, signal: null });
    const outcomes = JSON.parse(stdout) as Record<string, number>;
    expect(Object.keys(outcomes).filter((outcome) => !/^(works|[A-Z_]+)$/.test(outcome))).toEqual([]);
    expect(outcomes.MODEL_LOAD_FAILED).toBeGreaterThan(100);
  });
});
