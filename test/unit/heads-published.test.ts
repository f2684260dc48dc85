import { describe, expect, it } from "vitest";
import { parseHeadSet } from "../../src/heads/head-set.ts";
import { deepestLayer, findDuplicate } from "../../src/heads/heads.ts";
import { findPublished, PUBLISHED_HEAD_SETS } from "../../src/heads/published.ts";

const keys = (name: string) => findPublished(name)!.set.heads.map((head) => head.join("-"));

describe("published head sets", () => {
  it.each(PUBLISHED_HEAD_SETS.map(({ name, set }) => [name, set] as const))("%s fits its model", (_, set) => {
    for (const [layer, head] of set.heads) {
      expect(layer).toBeLessThan(set.model.layers);
      expect(head).toBeLessThan(set.model.heads);
    }
    expect(findDuplicate(set.heads)).toBeUndefined();
    expect(parseHeadSet(JSON.stringify(set), "published")).toEqual(set);
  });

  it("have names of their own", () => {
    expect(new Set(PUBLISHED_HEAD_SETS.map(({ name }) => name)).size).toBe(PUBLISHED_HEAD_SETS.length);
    expect(findPublished("QRHead-Llama-3.1-8B-LME")?.name).toBe("qrhead-llama-3.1-8b-lme");
    expect(findPublished("qrhead")).toBeUndefined();
  });

  it("have the number of heads that their sources use", () => {
    const expected = (name: string) => {
      if (name.startsWith("core-") || name === "qrhead-mini-v2") return 8;
      if (/^qrhead-(base|mini)-v3$/.test(name)) return 9;
      if (name.startsWith("qrhead-smollm2-135m")) return 8;
      if (name === "qrhead-gemma-3-270m" || name === "qrhead-base-v2") return 4;
      return /70b|dysco-qwen3-32b/.test(name) ? 32 : 16;
    };
    expect(PUBLISHED_HEAD_SETS.map(({ name, set }) => [name, set.heads.length])).toEqual(
      PUBLISHED_HEAD_SETS.map(({ name }) => [name, expected(name)]),
    );
  });

  // Facts computed from the sources independently of this table: a mistyped head would show.
  it.each([
    ["qrhead-llama-3.1-8b-lme", "qrhead-llama-3.1-8b-nq", 3],
    ["qrhead-llama-3.1-8b-nq", "dysco-llama-3.1-8b", 10],
    ["qrhead-llama-3.1-8b-lme", "dysco-llama-3.1-8b", 4],
    ["dysco-qwen3-4b", "qrranker-qwen3-4b-2507", 9],
    ["dysco-qwen3-4b", "dysco-qwen3-8b", 11],
    ["qrhead-llama-3.2-3b-lme", "qrhead-llama-3.2-3b-nq", 8],
    ["qrhead-qwen3-8b-nq", "dysco-qwen3-8b", 16],
  ])("%s and %s share %i heads", (a, b, shared) => {
    const other = new Set(keys(b));
    expect(keys(a).filter((key) => other.has(key))).toHaveLength(shared);
  });

  it.each([
    ["qrhead-llama-3.1-8b-lme", 17],
    ["core-llama-3.1-8b", 14],
    ["qrhead-llama-3.1-8b-nq", 20],
    ["qrhead-llama-3.2-3b-lme", 21],
    ["dysco-qwen3-4b", 24],
    ["qrhead-qwen3-8b-nq", 24],
    ["qrhead-llama-3.2-1b-nq", 11],
    ["qrhead-llama-3.1-70b-lme", 71],
    ["qrhead-llama-3.1-70b-nq", 64],
    ["qrhead-mini-v1", 3],
    ["qrhead-mini-v2", 3],
    ["qrhead-mini-v3", 2],
  ])("%s needs layers up to %i", (name, layer) => {
    expect(deepestLayer(findPublished(name)!.set.heads)).toBe(layer);
  });
});
