import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NativeContext, NativeModel } from "../../src/native/addon-types.ts";
import { createContext, load, never, observeHeads, rowsOf } from "../helpers/addon.ts";

// `[documents, query]` in tokens, one after another in one context. Short prompts after long ones, with queries whose rows
// take as many steps to sum as those before them, but other steps: memory planned for the one must not serve the other.
const prompts: [number, number][] = [
  ...([
    [700, 27],
    [40, 23],
    [700, 23],
    [40, 27],
    [700, 28],
    [40, 28],
  ] as [number, number][]),
  ...[1, 2, 3, 17, 31, 32, 33, 63, 64, 65, 23, 100].map((query): [number, number] => [100, query]),
];

const tokens = (count: number, seed: number) =>
  Int32Array.from({ length: count }, (_, i) => ((i * 7919 + seed * 104_729) % 50_000) + 100);

async function observe(context: NativeContext, [documents, query]: [number, number]): Promise<Float32Array[]> {
  context.rollback(0);
  await context.prefill(tokens(documents, 1), never);
  return rowsOf(await observeHeads(context, tokens(query, 2)));
}

describe.each([32, 512])("prompts and queries of any length, %i tokens a pass", (batchSize) => {
  let model: NativeModel;
  beforeAll(async () => {
    model = await load("tiny-qwen2");
  });
  afterAll(() => model.dispose());

  it("attend as in a context of their own", async () => {
    const context = await createContext(model, { batchSize });
    for (const prompt of prompts) {
      const rows = await observe(context, prompt);
      const fresh = await createContext(model, { batchSize });
      expect(rows, prompt.join(" + ")).toEqual(await observe(fresh, prompt));
      await fresh.dispose();
    }
    await context.dispose();
  });
});
