import { chunkText } from "../../src/chunking/chunk.ts";
import { TokenMap } from "../../src/chunking/token-map.ts";
import type { PruneHost } from "../../src/pruning/prune.ts";

/** A tokenizer of four characters a token, halves of a character kept together. */
export const tokensOf = (text: string) => text.match(/[\s\S]{1,4}/gu) ?? [];

function offsetsOf(text: string): Uint32Array {
  let byte = 0;
  return Uint32Array.from(
    tokensOf(text).flatMap((token) => {
      const begin = byte;
      byte += Buffer.byteLength(token);
      return [begin, byte];
    }),
  );
}

/** What pruning needs of a retriever, where attention falls on the words that are named and nowhere else. */
export function attendingTo(attention: Readonly<Record<string, number>>): PruneHost & { asked: string[] } {
  const scoresOf = (text: string) => {
    const scores = tokensOf(text).map((token) => ({ text: token, score: 0, kept: true }));
    for (const [word, score] of Object.entries(attention)) {
      for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
        let position = 0;
        for (const token of scores) {
          if (position < at + word.length && position + token.text.length > at) token.score = score;
          position += token.text.length;
        }
      }
    }
    return scores;
  };
  const asked: string[] = [];
  return {
    asked,
    chunk: async (text, { signal, ...options }) => {
      signal?.throwIfAborted();
      return chunkText(text, new TokenMap(text, offsetsOf(text)), options);
    },
    tokenize: async (text, signal) => {
      signal?.throwIfAborted();
      return { tokens: tokensOf(text) };
    },
    rank: async (query, documents, { tokenScores }) => {
      asked.push(...documents.map(({ text }) => text));
      const read = documents.map(({ text }, index) => scoresOf(`[${index + 1}] ${text}`));
      const results = read.map((tokens, index) => ({
        ...{ index, id: documents[index]!.id, score: tokens.reduce((sum, { score }) => sum + score, 0) },
        ...(tokenScores && { tokenScores: tokens }),
      }));
      return {
        ...{ query, heads: [[0, 0] as const], results, warnings: [] },
        usage: { promptTokens: 20, queryTokens: 2, documentTokens: read.map(({ length }) => length) },
        timings: { loadMs: 0, prefillMs: 0, nullMs: 0, queryMs: 0, totalMs: 0 },
      };
    },
  };
}
