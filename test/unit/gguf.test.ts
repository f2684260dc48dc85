import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gguf } from "@huggingface/gguf";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { readGgufHeader } from "../../scripts/models/gguf-reader.ts";
import { bool, encodeEntry, f32, text, u32, u32s, writeGguf } from "../../scripts/models/gguf-writer.ts";
import { isCurrent, makeModel } from "../../scripts/models/make.ts";
import { encodeFloats, randomTensor, seededRandom, toHalf } from "../../scripts/models/random.ts";
import { modelNames, modelSpec, tinyNames } from "../../scripts/models/table.ts";
import { modelPath } from "../helpers/models.ts";
import { fromHalf, openTensors } from "../helpers/reference/tensors.ts";

const directory = mkdtempSync(path.join(tmpdir(), "qrhead-gguf-"));
afterAll(() => rmSync(directory, { recursive: true }));
const inDirectory = (name: string) => path.join(directory, name);

const ramp = (count: number) => Float32Array.from({ length: count }, (_, i) => i - 3.25);

function writeSmall(file: string): void {
  writeGguf(
    file,
    [
      encodeEntry("general.architecture", text("llama")),
      encodeEntry("llama.block_count", u32(3)),
      encodeEntry("llama.rope.freq_base", f32(0.5)),
      encodeEntry("llama.attention.causal", bool(true)),
      encodeEntry("llama.list", u32s([1, 2, 0xffffffff])),
      encodeEntry("general.name", text("Größe ☃")),
    ],
    [
      { name: "odd", shape: [3], type: "F32", data: () => [encodeFloats(ramp(3), "F32")] },
      { name: "half", shape: [4, 2], type: "F16", data: () => [encodeFloats(ramp(8), "F16")] },
      { name: "blocks", shape: [64, 2], type: "Q8_0", data: () => randomTensor(seededRandom(1, "x"), "Q8_0", 128, 2) },
    ],
  );
}

describe("GGUF files", () => {
  test("are read by another reader as they were written", async () => {
    const file = inDirectory("small.gguf");
    writeSmall(file);
    const { metadata, tensorInfos } = await gguf(file, { allowLocalFile: true });
    expect(metadata).toMatchObject({
      version: 3,
      "general.architecture": "llama",
      "llama.block_count": 3,
      "llama.rope.freq_base": 0.5,
      "llama.attention.causal": true,
      "llama.list": [1, 2, 0xffffffff],
      "general.name": "Größe ☃",
    });
    expect(
      tensorInfos.map(({ name, shape, dtype, offset }) => [name, shape.map(Number), dtype, Number(offset)]),
    ).toEqual([
      ["odd", [3], 0, 0],
      ["half", [4, 2], 1, 32],
      ["blocks", [64, 2], 8, 64],
    ]);
  });

  test("give back the numbers that were written, by rows too", () => {
    const file = inDirectory("numbers.gguf");
    writeSmall(file);
    const tensors = openTensors(file);
    expect(tensors.rows("odd")).toEqual(Float64Array.from(ramp(3)));
    expect(tensors.rows("half", 1)).toEqual(Float64Array.from(ramp(8)).subarray(4));
    expect(tensors.rows("blocks", 1, 2)).toEqual(tensors.rows("blocks").subarray(64));
    expect(() => tensors.rows("other")).toThrow("Expected a tensor other");
  });

  test("are not left behind when a tensor's data has another size", () => {
    const file = inDirectory("short.gguf");
    const write = () => writeGguf(file, [], [{ name: "a", shape: [2], type: "F32", data: () => [new Uint8Array(4)] }]);
    expect(write).toThrow("Expected 8 bytes for tensor a but received 4");
    expect(existsSync(file)).toBe(false);
  });

  test("that are none are refused", () => {
    const file = inDirectory("none.gguf");
    writeFileSync(file, "GGML, not the other");
    expect(() => readGgufHeader(file)).toThrow("Expected a GGUF file");
    writeFileSync(file, "GGUF");
    expect(() => readGgufHeader(file)).toThrow(RangeError);
  });
});

describe("random numbers", () => {
  test.each(["F32", "F16", "Q8_0", "Q4_0"] as const)("of type %s have the mean and deviation asked for", (type) => {
    const count = 1 << 16;
    const file = inDirectory(`${type}.gguf`);
    const data = () => randomTensor(seededRandom(1, type), type, count, 0.7);
    writeGguf(file, [], [{ name: "a", shape: [count], type, data }]);
    const values = openTensors(file).rows("a");
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
    // A uniform 4-bit integer lies half a step below 0 in the mean.
    expect(Math.abs(mean)).toBeLessThan(type === "Q4_0" ? 0.1 : 0.02);
    expect(Math.sqrt(variance)).toBeCloseTo(0.7, 1);
  });

  test("in half precision are the nearest there are", () => {
    for (const [value, bits] of [
      [0, 0],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65520, 0x7c00],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [2 - 2 ** -12, 0x4000],
    ] as const) {
      expect(toHalf(value), String(value)).toBe(bits);
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7bff }), fc.boolean(), (size, negative) => {
        const bits = negative ? size | 0x8000 : size;
        return toHalf(fromHalf(bits)) === bits || fromHalf(bits) === 0;
      }),
    );
  });
});

describe("test models", () => {
  const spec = modelSpec("tiny-bert");

  test("have the same bytes every time", () => {
    const [first, second] = [inDirectory("first.gguf"), inDirectory("second.gguf")];
    makeModel(spec, first);
    makeModel(spec, second);
    expect(readFileSync(first).equals(readFileSync(second))).toBe(true);
    expect(readFileSync(first).equals(readFileSync(modelPath("tiny-bert")))).toBe(true);
    makeModel({ ...spec, seed: spec.seed + 1 }, second);
    expect(readFileSync(first).equals(readFileSync(second))).toBe(false);
  });

  test("are made again when their spec changed or the file is damaged, and not otherwise", () => {
    const file = inDirectory("current.gguf");
    expect(isCurrent(file, spec)).toBe(false);
    makeModel(spec, file);
    expect(isCurrent(file, spec)).toBe(true);
    expect(isCurrent(file, { ...spec, seed: spec.seed + 1 })).toBe(false);
    writeFileSync(file, "");
    appendFileSync(file, "no model");
    expect(isCurrent(file, spec)).toBe(false);
  });

  test("carry their vocabulary and name", async () => {
    const parsed = await gguf(modelPath("tiny-bert"), { allowLocalFile: true });
    const metadata: Readonly<Record<string, unknown>> = { ...parsed.metadata };
    const tokens = metadata["tokenizer.ggml.tokens"] as string[];
    expect(tokens).toHaveLength(30522);
    expect(tokens[101]).toBe("[CLS]");
    expect(metadata).toMatchObject({ "general.architecture": "bert", "general.name": "Random tiny-bert" });
  });

  test.each(tinyNames)("%s is current", (name) => {
    expect(isCurrent(modelPath(name), modelSpec(name))).toBe(true);
  });

  test("name each tensor once", () => {
    for (const name of modelNames) {
      const names = modelSpec(name).tensors.map((tensor) => tensor.name);
      expect(new Set(names).size, name).toBe(names.length);
    }
  });

  test("that do not exist are refused", () => {
    expect(() => modelPath("tiny")).toThrow("Expected one of tiny-llama, ");
  });
});
