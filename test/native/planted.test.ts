// A model whose retrieval heads are known by construction: what the engine reads must show them, and them alone.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NativeModel } from "../../src/native/addon-types.ts";
import { createContext, load, never, observeHeads, sum } from "../helpers/addon.ts";
import { plantedHeads } from "../helpers/models.ts";

const documents = [
  "\n\n[1] The lighthouse keeper trimmed the lamp at dusk.",
  "\n\n[2] Photosynthesis turns water and light into sugar.",
  "\n\n[3] Movable type made pamphlets cheaper than ever.",
  "\n\n[4] Glaciers carve valleys and leave moraines behind.",
];
const queries: [document: number, query: string][] = [
  [0, " keeper lamp"],
  [1, " water sugar"],
  [2, " pamphlets cheaper"],
  [3, " valleys behind"],
];
const isPlanted = (layer: number, head: number) => plantedHeads.some(([l, h]) => l === layer && h === head);

describe("the planted model", () => {
  let model: NativeModel;
  beforeAll(async () => {
    model = await load("planted");
  });
  afterAll(() => model.dispose());

  /** `[head][document]` of a query's tokens. */
  async function scoresOf(query: string, options: Parameters<typeof createContext>[1]): Promise<number[][]> {
    const { tokens, offsets } = await model.tokenize([{ text: documents.join("") + query, special: false }]);
    const bytes = documents.map((_, i) => Buffer.byteLength(documents.slice(0, i + 1).join("")));
    // Index of the first token behind each document.
    const ends = bytes.map((end) => tokens.findIndex((_, i) => offsets[2 * i]! >= end));
    const context = await createContext(model, options);
    await context.prefill(tokens.slice(0, ends.at(-1)), never);
    const attention = await observeHeads(context, tokens.slice(ends.at(-1)));
    const spans = Uint32Array.from(ends.flatMap((end, i) => [i === 0 ? 1 : ends[i - 1]!, end]));
    const flat = await attention.documentScores({ baseline: null, spans, mask: "none" });
    await context.dispose();
    return Array.from({ length: attention.rows }, (_, row) =>
      Array.from(flat.slice(row * documents.length, (row + 1) * documents.length)),
    );
  }

  test.each([{}, { flashAttention: false }, { batchSize: 16 }, { cacheTypeK: "q8_0" }])(
    "puts its planted heads' attention on the document with the query's words, with %o",
    async (options) => {
      for (const [wanted, query] of queries) {
        const scores = await scoresOf(query, options);
        for (const [layer, head] of plantedHeads) {
          const row = scores[layer * model.info().heads + head]!;
          // Half stays with the query: each of its tokens is the same as itself.
          expect(row[wanted], `${layer}-${head}${query}`).toBeGreaterThan(0.4);
          expect(row[wanted]! / sum(row)).toBeGreaterThan(0.9);
        }
      }
    },
  );

  test("lets no other head tell the document from the rest", async () => {
    for (const [wanted, query] of queries) {
      const scores = await scoresOf(query, {});
      for (const [index, row] of scores.entries()) {
        if (isPlanted(Math.floor(index / model.info().heads), index % model.info().heads)) continue;
        expect(row[wanted]! / sum(row)).toBeLessThan(0.5);
      }
    }
  });
});
