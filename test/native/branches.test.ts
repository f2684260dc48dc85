// Branches that share a forward pass, each against a forward pass in double precision of the trunk and itself alone.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createContext, largestDifference, load, never, passages, rowsOf, tokensOf } from "../helpers/addon.ts";
import { modelPath } from "../helpers/models.ts";
import { loadReference } from "../helpers/reference/model.ts";
import { referenceMeans } from "../helpers/reference/scores.ts";

/** Per entry; flash attention mixes values in half precision. */
const EXACT = 1e-6;
const FLASH = 5e-4;

const TRUNK = 60;

describe.each(["tiny-llama", "tiny-qwen2"])("%s", (name) => {
  let model: Awaited<ReturnType<typeof load>>;
  let trunk: Int32Array;
  let branches: Int32Array[];
  let expected: Float64Array[][];

  beforeAll(async () => {
    model = await load(name);
    const all = await tokensOf(model, passages);
    trunk = all.slice(0, TRUNK);
    // The first and the last begin alike.
    const [first, second, third] = [all.slice(60, 80), all.slice(90, 97), all.slice(100, 130)];
    branches = [first, second, third, Int32Array.from([...first.slice(0, 12), ...second])];
    const reference = loadReference(modelPath(name));
    expected = branches.map((branch) => referenceMeans(reference, [...trunk], [...branch]));
  });
  afterAll(() => model.dispose());

  test.each([
    [false, 512, 4],
    [false, 512, 2],
    [false, 16, 4],
    [true, 512, 4],
    [true, 16, 3],
  ])(
    "branches attend as the reference does (flash attention %s, ubatches of %i, %i sequences)",
    async (flashAttention, batchSize, sequences) => {
      const options = { flashAttention, batchSize, sequences, cacheTypeK: "f32", cacheTypeV: "f32" };
      const context = await createContext(model, options);
      await context.prefill(trunk, never);
      // Those that begin alike side by side, too.
      for (const order of [
        [0, 1, 2, 3],
        [3, 0, 2, 1],
      ]) {
        const attentions = await context.observe(
          order.map((index) => branches[index]!),
          { rows: "heads" },
          never,
        );
        for (const [place, index] of order.entries()) {
          const rows = rowsOf(attentions[place]!);
          expect(rows[0]!.length).toBe(TRUNK + branches[index]!.length);
          const onTrunk = rows.map((row) => row.slice(0, TRUNK));
          expect(largestDifference(onTrunk, expected[index]!)).toBeLessThan(flashAttention ? FLASH : EXACT);
        }
      }
      await context.dispose();
    },
  );

  test.each([
    [false, 512],
    [false, 8],
    [true, 512],
  ])(
    "behind an opening as the reference does (flash attention %s, ubatches of %i)",
    async (flashAttention, batchSize) => {
      const options = { flashAttention, batchSize, sequences: 4, cacheTypeK: "f32", cacheTypeV: "f32" };
      const context = await createContext(model, options);
      await context.prefill(trunk, never);
      await context.readOpening(branches[0]!.slice(0, 12), { rows: "heads" }, never);
      // Twice, alone and with another.
      for (const order of [[0], [3, 0]]) {
        const own = order.map((index) => branches[index]!.slice(12));
        for (const [place, attention] of (await context.observe(own, { rows: "heads" }, never)).entries()) {
          const onTrunk = rowsOf(attention).map((row) => row.slice(0, TRUNK));
          expect(largestDifference(onTrunk, expected[order[place]!]!)).toBeLessThan(flashAttention ? FLASH : EXACT);
        }
      }
      await context.dispose();
    },
  );

  test("weights and progress come through", async () => {
    const context = await createContext(model, { sequences: 4 });
    await context.prefill(trunk, never);
    const heads = await context.observe(branches, { rows: "heads" }, never);
    const weights = Float32Array.from({ length: heads[0]!.rows }, (_, row) => (row % 3) / 2);
    const done: number[] = [];
    const sums = await context.observe(branches, { rows: "sum", weights }, never, (count) => done.push(count));
    for (const [index, sum] of sums.entries()) {
      expect(sum.rows).toBe(1);
      const wanted = await heads[index]!.sumOverHeads(null, sum.tokens, weights);
      expect(largestDifference([sum.row(0)], [wanted])).toBeLessThan(1e-5);
    }
    expect(done.at(-1)).toBe(branches.reduce((total, { length }) => total + length, 0));
    await context.dispose();
  });
});
