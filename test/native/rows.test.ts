import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NativeModel } from "../../src/native/addon-types.ts";
import { createContext, load, never, passages, rowsOf, tokensOf } from "../helpers/addon.ts";

// Queries of many lengths, one after another in one context, some of them with as many steps of computation as another of
// another shape. 64 rows are computed at once and more are not padded.
const lengths = [28, 23, 1, 2, 3, 17, 23, 28, 31, 32, 33, 63, 64, 65, 23, 40, 28];

describe.each([32, 512])("queries of any length, %i tokens a pass", (batchSize) => {
  let model: NativeModel;
  let tokens: Int32Array;
  beforeAll(async () => {
    model = await load("tiny-llama");
    tokens = await tokensOf(model, passages);
  });
  afterAll(() => model.dispose());

  it("attend as in a context of their own", async () => {
    const documents = tokens.slice(0, 120);
    const context = await createContext(model, { batchSize });
    await context.prefill(documents, never);
    for (const length of lengths) {
      const query = tokens.slice(120, 120 + length);
      context.rollback(documents.length);
      const rows = rowsOf(await context.observe(query, { perHead: true }, never));
      const fresh = await createContext(model, { batchSize });
      await fresh.prefill(documents, never);
      expect(rows, `${length} rows`).toEqual(rowsOf(await fresh.observe(query, { perHead: true }, never)));
      await fresh.dispose();
    }
    await context.dispose();
  });
});
