import { QRHeadError } from "../errors.ts";
import type { Span } from "../types.ts";
import { type BuiltPrompt, buildPrompt, type PromptPiece } from "./build.ts";
import type { PromptProfile } from "./profiles.ts";
import { tokenSpan } from "./spans.ts";

/** Tokens of a whole prompt, and `[begin, end)` of each in bytes of its UTF-8, two numbers a token. */
export type TokenizePieces = (pieces: PromptPiece[]) => Promise<{ tokens: Int32Array; offsets: Uint32Array }>;

/** A tokenized prompt. Spans are half-open, in tokens. */
export type PromptLayout = {
  prompt: BuiltPrompt;
  tokens: Int32Array;
  offsets: Uint32Array;
  /** One per document. */
  documentSpans: Span[];
  querySpan: Span;
  /** The null query's tokens, to be decoded where the query's begin; null when there is none. */
  nullTokens: Int32Array | null;
};

/**
 * Tokenizes the prompt whole, once for the query and once for the null query, and finds the documents in it.
 *
 * Both prompts must agree up to the query span, so that the documents are prefilled once.
 *
 * @throws QRHeadError `ENGINE_FAILED` when they do not, or when the tokenizer drops a document.
 */
export async function layOutPrompt(
  tokenize: TokenizePieces,
  profile: PromptProfile,
  documents: readonly { title?: string; text: string }[],
  query: string,
  nullQuery: string | null,
): Promise<PromptLayout> {
  const prompt = buildPrompt(profile, documents, query);
  const { tokens, offsets } = await tokenize(prompt.pieces);
  const querySpan = tokenSpan(offsets, prompt.querySpan);
  return {
    prompt,
    tokens,
    offsets,
    documentSpans: prompt.documentSpans.map((span) => tokenSpan(offsets, span)),
    querySpan: [querySpan[0], tokens.length],
    nullTokens: nullQuery === null ? null : await layOutNull(),
  };

  async function layOutNull(): Promise<Int32Array> {
    const nullPrompt = buildPrompt(profile, documents, nullQuery!);
    const other = await tokenize(nullPrompt.pieces);
    const begin = querySpan[0];
    if (!sameTokens(tokens.subarray(0, begin), other.tokens.subarray(0, begin))) {
      throw new QRHeadError(
        "ENGINE_FAILED",
        "The null query changes how the documents are tokenized: try another null query, or no calibration",
      );
    }
    return other.tokens.subarray(begin);
  }
}

export function sameTokens(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((token, index) => token === b[index]);
}
