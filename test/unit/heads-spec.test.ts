import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HeadSet } from "../../src/heads/head-set.ts";
import { deepestLayer, headKey } from "../../src/heads/heads.ts";
import { findPublished } from "../../src/heads/published.ts";
import { resolveHeads } from "../../src/heads/spec.ts";
import type { Head } from "../../src/types.ts";
import { identity } from "../helpers/identity.ts";

const llama = identity({ name: "Llama 3.1 8B Instruct", fileName: "Llama-3.1-8B-Instruct-Q4_K_M.gguf" });
const small = identity({ name: "small", layers: 3, heads: 4 });
const noFile = () => undefined;
const keys = (heads: readonly Head[]) => heads.map(headKey);
const code = (code: string) => expect.objectContaining({ name: "InputError", code });

describe("resolveHeads", () => {
  it("finds the published set of the model", () => {
    const resolved = resolveHeads("auto", llama, noFile);
    expect(resolved).toMatchObject({ name: "qrhead-llama-3.1-8b-lme", prompt: "llama3", nullQuery: "N/A" });
    expect(resolved.heads).toHaveLength(16);
    expect(resolved).not.toHaveProperty("warning");
  });

  it("warns for a relative of that model, and leaves the prompt to its own template", () => {
    const hermes = { ...llama, name: "Hermes 3 Llama 3.1 8B", fileName: "hermes.gguf" };
    const resolved = resolveHeads("auto", hermes, noFile);
    expect(resolved).toMatchObject({ name: "qrhead-llama-3.1-8b-lme", warning: expect.any(String) });
    expect(resolved).not.toHaveProperty("prompt");
  });

  it("says what to do where no set is published", () => {
    expect(() => resolveHeads("auto", small, noFile)).toThrow(code("HEADS_UNKNOWN"));
    expect(() => resolveHeads("auto", small, noFile)).toThrow(
      "No head set is published for small (llama, 3 layers of 4 heads): find its heads with `qrhead detect`, " +
        'or rank with all of them: heads: "all" (ICR)',
    );
  });

  it("names every head", () => {
    const { heads, name } = resolveHeads("all", small, noFile);
    expect(name).toBe("all");
    expect(keys(heads)).toEqual([
      ...["0-0", "0-1", "0-2", "0-3", "1-0", "1-1", "1-2", "1-3", "2-0", "2-1", "2-2", "2-3"],
    ]);
  });

  it.each(["1-2,0-3", " 1-2, 0-3 ", "1_2,0_3"])("reads the list '%s' in its order", (spec) => {
    expect(resolveHeads(spec, small, noFile)).toEqual({
      heads: [
        [1, 2],
        [0, 3],
      ],
      name: spec.trim(),
    });
  });

  it("takes pairs and head sets from a program", () => {
    expect(resolveHeads([[1, 2]], small, noFile).heads).toEqual([[1, 2]]);
    const set: HeadSet = { format: "qrhead-heads", version: 1, source: { name: "mine" }, heads: [[2, 3]] };
    expect(resolveHeads(set, small, noFile)).toEqual({ heads: [[2, 3]], name: "mine" });
  });

  it("takes a published set by name, even where another is the default", () => {
    expect(resolveHeads("CoRe-Llama-3.1-8B", llama, noFile)).toMatchObject({ name: "core-llama-3.1-8b" });
  });

  it("reads a file", () => {
    const files: Record<string, string> = { "./h.yaml": 'attn_head_set: "1-2,2-0"' };
    expect(resolveHeads("./h.yaml", small, (path) => files[path])).toEqual({
      heads: [
        [1, 2],
        [2, 0],
      ],
      name: "./h.yaml",
    });
    expect(() => resolveHeads("h.txt", small, () => "nothing of use")).toThrow(code("HEADS_INVALID"));
  });

  it.each(["", "nofile.json", "13-18,foo", "qrhead-llama-9"])("says what it accepts instead of '%s'", (spec) => {
    expect(() => resolveHeads(spec, small, noFile)).toThrow(code("HEADS_UNKNOWN"));
    expect(() => resolveHeads(spec, small, noFile)).toThrow(/auto, all, random:N:SEED, a list such as/);
  });
});

describe("resolveHeads random", () => {
  it("gives the same heads for the same seed, and others for another", () => {
    const draw = (spec: string) => keys(resolveHeads(spec, llama, noFile).heads);
    expect(draw("random:16:7")).toEqual(draw("random:16:7"));
    expect(draw("random:16:7")).not.toEqual(draw("random:16:8"));
    // Fixed for good: results that name a seed must stay reproducible.
    expect(draw("random:4:1")).toMatchInlineSnapshot(`
      [
        "0-3",
        "16-29",
        "20-2",
        "31-12",
      ]
    `);
  });

  it("draws without replacement, sorted, within the model", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 0xffffffff }), (count, seed) => {
        const { heads, name } = resolveHeads(`random:${count}:${seed}`, small, noFile);
        const places = heads.map(([layer, head]) => layer * 4 + head);
        expect(name).toBe(`random:${count}:${seed}`);
        expect(new Set(places).size).toBe(count);
        expect(places).toEqual(places.toSorted((a, b) => a - b));
        expect(heads.every(([layer, head]) => layer < 3 && head < 4)).toBe(true);
      }),
    );
  });

  it("draws every head about equally often", () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 1200; seed++) {
      for (const key of keys(resolveHeads(`random:3:${seed}`, small, noFile).heads)) {
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    // 300 expected of each of 12 heads, with a standard deviation of 15.
    expect(counts.size).toBe(12);
    for (const count of counts.values()) expect(Math.abs(count - 300)).toBeLessThan(75);
  });

  it.each(["random:0:1", "random:13:1", "random:4", "random:4:-1", "random:4:4294967296", "random:x:1"])(
    "refuses %s",
    (spec) => {
      expect(() => resolveHeads(spec, small, noFile)).toThrow(/random:N:SEED with N from 1 to 12/);
    },
  );
});

describe("resolveHeads checks", () => {
  it("names the head that the model does not have, and what it has", () => {
    expect(() => resolveHeads("0-0,3-1", small, noFile)).toThrow(code("HEADS_MISMATCH"));
    expect(() => resolveHeads("0-0,3-1", small, noFile)).toThrow(
      "Head 3-1 does not exist in small, whose layers are 0 to 2 and heads 0 to 3",
    );
    expect(() => resolveHeads("2-4", small, noFile)).toThrow(/Head 2-4/);
  });

  it("names the layer that a slimmed file lacks", () => {
    const slim = { ...small, layers: 2, fileName: "small-slim.gguf" };
    expect(resolveHeads("1-0", slim, noFile).heads).toEqual([[1, 0]]);
    expect(() => resolveHeads("1-0,2-3", slim, noFile)).toThrow(code("HEADS_MISMATCH"));
    expect(() => resolveHeads("1-0,2-3", slim, noFile)).toThrow(
      "Head 2-3 needs layer 2, but small-slim.gguf was slimmed to layers 0 to 1 of 3: " +
        "use the whole model, or slim it to 3 layers or more",
    );
  });

  it("uses a slimmed file with the set of the whole model", () => {
    const slim = { ...llama, layers: 18, originalLayers: 32 };
    expect(resolveHeads("auto", slim, noFile).heads).toHaveLength(16);
    expect(() => resolveHeads("qrhead-llama-3.1-8b-nq", slim, noFile)).toThrow(/needs layer 20/);
  });

  it.each([
    ["architecture", { architecture: "qwen2" }],
    ["layers", { layers: 33, originalLayers: 33 }],
    ["heads", { heads: 64 }],
  ])("refuses a set that was found on another %s", (_, change) => {
    const other = { ...llama, ...change };
    expect(() => resolveHeads("qrhead-llama-3.1-8b-lme", other, noFile)).toThrow(code("HEADS_MISMATCH"));
    expect(() => resolveHeads(findPublished("qrhead-llama-3.1-8b-lme")!.set, other, noFile)).toThrow(
      /were found on Llama-3\.1-8B-Instruct \(llama, 32 layers of 32 heads\)/,
    );
  });

  it.each([
    ["no heads", []],
    [
      "a head twice",
      [
        [0, 1],
        [0, 1],
      ],
    ],
    ["a fraction", [[0.5, 1]]],
    ["a negative layer", [[-1, 1]]],
    ["a triple", [[0, 1, 2]]],
    ["a number", 7],
    ["null", null],
    ["an object of something else", {}],
  ])("refuses %s", (_, spec) => {
    expect(() => resolveHeads(spec as never, small, noFile)).toThrow(code("INVALID_ARGUMENT"));
  });

  it("names the head that a list has twice", () => {
    expect(() => resolveHeads("0-1,1-1,0-1", small, noFile)).toThrow(/0-1 twice/);
  });
});

describe("deepestLayer", () => {
  it("is the last layer that the heads need, and −1 for none", () => {
    expect(
      deepestLayer([
        [3, 1],
        [7, 0],
        [5, 9],
      ]),
    ).toBe(7);
    expect(deepestLayer([])).toBe(-1);
  });
});
