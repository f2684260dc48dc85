import { QRHeadError } from "../errors.ts";
import type { Span } from "../types.ts";
import { type BuiltPrompt, buildPrompt, type PromptDocument, type PromptPiece, wellFormed } from "./build.ts";
import type { PromptProfile } from "./profiles.ts";
import { tokenSpan } from "./spans.ts";

/** Tokens of a whole prompt, and `[begin, end)` of each in bytes of its UTF-8, two numbers a token. */
export type TokenizePieces = (pieces: PromptPiece[]) => Promise<{ tokens: Int32Array; offsets: Uint32Array }>;

/** A tokenized prompt. Spans are half-open, in tokens. */
export type PromptLayout = {
  /** The documents as they were passed, in the order of `documentSpans`. */
  sources: readonly PromptDocument[];
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
  documents: readonly PromptDocument[],
  query: string,
  nullQuery: string | null,
): Promise<PromptLayout> {
  const prompt = buildPrompt(profile, documents, query);
  const { tokens, offsets } = await tokenize(prompt.pieces);
  const querySpan = tokenSpan(offsets, prompt.querySpan);
  return {
    sources: documents,
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

/** Tokens that must fit at once: the documents, and behind them the longer of the query and the null query. */
export function tokensNeeded({ tokens, querySpan: [begin], nullTokens }: PromptLayout): number {
  return Math.max(tokens.length, begin + (nullTokens?.length ?? 0));
}

/** Tokens of a document's number and title, which stand before its text. */
export function headerTokens(layout: PromptLayout, position: number): number {
  return tokensBefore(layout, position, layout.sources[position]!.text);
}

/** Tokens of a document's title and text, without its number. */
export function contentTokens(layout: PromptLayout, position: number): number {
  const { title, text } = layout.sources[position]!;
  const [begin, end] = layout.documentSpans[position]!;
  return end - begin - tokensBefore(layout, position, title === undefined ? text : `${title}\n${text}`);
}

/** Tokens of a document that begin before the text that it ends with. */
function tokensBefore({ documentSpans, offsets, prompt }: PromptLayout, position: number, ending: string): number {
  const [begin, end] = documentSpans[position]!;
  const textBegin = prompt.documentSpans[position]![1] - Buffer.byteLength(wellFormed(ending), "utf8");
  let token = begin;
  while (token < end && offsets[2 * token]! < textBegin) token++;
  return token - begin;
}

export function sameTokens(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((token, index) => token === b[index]);
}
