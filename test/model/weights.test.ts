// Weighted heads, on the model whose planted heads all look for the query's tokens.
import { describe, expect, test } from "vitest";
import type { Head, HeadSet } from "../../src/index.ts";
import { plantedHeads } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const documents = [
  "The keeper climbed the lighthouse every evening and trimmed the lamp.",
  "Smoke calms a hive, so honey can be taken without many stings.",
  "Ice that flows downhill carves valleys and leaves moraines behind.",
];
const query = "Does smoke calm a hive?";

const setOf = (heads: readonly Head[], weights?: number[]): HeadSet => ({
  format: "qrhead-heads",
  version: 1,
  heads,
  ...(weights && { weights }),
});

async function rank(heads: readonly Head[], weights?: number[], options = {}) {
  await using retriever = await loadTiny("planted", { heads: setOf(heads, weights) });
  return retriever.rank(query, documents, options);
}

const [first, second, third] = plantedHeads as [Head, Head, Head];

describe("weights of a head set", () => {
  test("of 1 rank as none do, to the last digit", async () => {
    const plain = await rank(plantedHeads);
    const ones = await rank(
      plantedHeads,
      plantedHeads.map(() => 1),
    );
    // Summed while captured in the one case, kept head by head in the other.
    for (const [index, { score }] of ones.results.entries()) expect(score).toBeCloseTo(plain.results[index]!.score, 5);
    expect(ones.weights).toEqual(plantedHeads.map(() => 1));
    expect(plain.weights).toBeUndefined();
  });

  test("of 0 leave a head out", async () => {
    const [without, alone] = [await rank([first, second, third], [0, 2, 0]), await rank([second], [2])];
    expect(without.results).toEqual(alone.results);
  });

  test("scale what each head adds to a score, and the head scores still add up to it", async () => {
    // Nothing masked: then a score is exactly the weighted sum.
    const options = { mask: false, headScores: true };
    const plain = await rank([first, second], undefined, options);
    const weighted = await rank([first, second], [3, 0.5], options);
    for (const { id, score, headScores } of weighted.results) {
      const before = plain.results.find((result) => result.id === id)!.headScores!;
      expect(headScores![0]).toBeCloseTo(3 * before[0]!, 5);
      expect(headScores![1]).toBeCloseTo(0.5 * before[1]!, 5);
      expect(score).toBeCloseTo(headScores![0]! + headScores![1]!, 5);
    }
    const masked = await rank([first, second], [3, 0.5], { headScores: true });
    for (const { score, headScores } of masked.results) expect(score).toBeCloseTo(headScores![0]! + headScores![1]!, 5);
  });

  test("are left aside with weights: false, for all calls or for one", async () => {
    const plain = await rank([first, second]);
    await using retriever = await loadTiny("planted", { heads: setOf([first, second], [5, 1]), weights: false });
    const result = await retriever.rank(query, documents);
    expect(result.results).toEqual(plain.results);
    expect(result.weights).toBeUndefined();
    const switchedOn = await retriever.rank(query, documents, { weights: true });
    expect(switchedOn.weights).toEqual([5, 1]);
    expect(switchedOn.results[0]!.score).toBeGreaterThan(plain.results[0]!.score);
  });

  test.each([[[1]], [[1, -1]], [[1, Number.NaN]], [[0, 0]], ["11"]])("that are %j are refused", async (weights) => {
    const loading = loadTiny("planted", { heads: setOf([first, second], weights as number[]) });
    await expect(loading).rejects.toMatchObject({ name: "InputError", code: "INVALID_ARGUMENT" });
    await expect(loading).rejects.toThrow(/^Expected 2 numbers of at least 0, not all 0 for weights of /);
  });
});
