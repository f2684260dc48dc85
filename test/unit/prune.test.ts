import { expect, test } from "vitest";
import { prune } from "../../src/pruning/prune.ts";
import type { RankResult } from "../../src/ranking/results.ts";

/** A retriever whose tokens are words, whose passages are whole documents, and whose attention is given. */
function attending(attention: Record<string, { score: number; kept?: boolean }>): Parameters<typeof prune>[0] {
  const words = (text: string) => text.match(/\S+\s*/g) ?? [];
  return {
    chunk: async (text) => [{ begin: 0, end: text.length, text, tokens: words(text).length }],
    tokenize: async (text) => ({ tokens: Int32Array.from(words(text).keys()), offsets: new Uint32Array() }),
    rank: async (query, documents) => ({
      query,
      heads: [[0, 0]],
      results: (documents as { id: string; text: string }[]).map(({ id, text }, index) => ({
        ...{ index, id, score: 0 },
        tokenScores: words(text).map((word) => ({ text: word, score: 0, kept: true, ...attention[word.trim()] })),
      })),
      usage: { promptTokens: 20, queryTokens: 2, documentTokens: documents.map(() => 5) },
      timings: { loadMs: 0, prefillMs: 0, nullMs: 0, queryMs: 0, totalMs: 0 } satisfies RankResult["timings"],
      warnings: [],
    }),
  };
}

test("a sentence counts with the passage that it stands in: a short one of another passage does not come before it", async () => {
  const retriever = attending({ ferry: { score: 8 }, "Yes.": { score: 0.5 }, bread: { score: 100, kept: false } });
  const documents = ["Anna owns the ferry today. It leaves at nine in summer.", "Yes. There is bread at night."];
  const { documents: pruned } = await prune(retriever, "When does the ferry leave?", documents, { topK: 4 });
  const scores = pruned.map(({ kept }) => kept.map(({ score }) => score));
  // (sum of the sentence + 64 × mean of the passage) / (tokens of the sentence + 64)
  const [ferry, bread] = [8 / 11, 0.5 / 6];
  expect(scores).toEqual([
    [expect.closeTo((8 + 64 * ferry) / (5 + 64), 12), expect.closeTo((64 * ferry) / (6 + 64), 12)],
    [expect.closeTo((0.5 + 64 * bread) / (1 + 64), 12), expect.closeTo((64 * bread) / (5 + 64), 12)],
  ]);
  const { text } = await prune(retriever, "When does the ferry leave?", documents, { topK: 2 });
  expect(text).toBe(documents[0]);
});
