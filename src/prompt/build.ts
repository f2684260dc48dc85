import type { Span } from "../types.ts";
import type { PromptProfile } from "./profiles.ts";

/** A stretch of prompt. Special tokens are recognised in `special` pieces only. */
export type PromptPiece = { text: string; special: boolean };

/** The published text, to the byte, leading space included. (QRRetriever, EMNLP 2025; after ICR, arXiv 2410.02642.) */
const INTRODUCTION = " Here are some paragraphs:";

/** A document of a prompt. An empty title is a line of its own, as in the published code; without one there is none. */
export type PromptDocument = { id?: string; title?: string; text: string };

/** A prompt, and where its parts stand. Spans are half-open, in bytes of the UTF-8 of `text`. */
export type BuiltPrompt = {
  /** The prompt in order; special tokens are recognised in the template's own pieces only, so no document can forge one. */
  pieces: PromptPiece[];
  /** One per document: its number `[i] `, title and text. Separators stand outside. */
  documentSpans: Span[];
  /** From the instruction to the end of the suffix: all of this counts as the query. */
  querySpan: Span;
  /** The pieces, joined. */
  text: string;
};

/**
 * Writes the listwise prompt of QRRetriever.
 *
 * An introduction, every document as `[i] title`, line break, text (`i` from 1; without a title just the text, and with an
 * empty one `[i] `, line break, text), the
 * instruction and the query, with the profile's separator between them and its prefix and suffix around them. Unpaired
 * surrogates, which have no UTF-8, become U+FFFD. Takes time linear in the length of the text.
 */
export function buildPrompt(profile: PromptProfile, documents: readonly PromptDocument[], query: string): BuiltPrompt {
  const parts: string[] = [];
  let bytes = 0;
  const append = (part: string): Span => {
    const begin = bytes;
    bytes += Buffer.byteLength(part, "utf8");
    parts.push(part);
    return [begin, bytes];
  };

  const { prefix, suffix, separator } = profile;
  append(prefix);
  append(profile.trimStart ? INTRODUCTION.trimStart() : INTRODUCTION);
  const documentSpans = documents.map((document, index) => {
    append(separator);
    const title = document.title === undefined ? "" : `${document.title}\n`;
    return append(wellFormed(`[${index + 1}] ${title}${document.text}`));
  });
  append(separator);
  const [queryBegin] = append(queryText(profile, query));
  const body = parts.slice(1).join("");
  const [, queryEnd] = append(suffix);

  const pieces = [
    { text: prefix, special: true },
    { text: body, special: false },
    { text: suffix, special: true },
  ].filter((piece) => piece.text !== "");
  return { pieces, documentSpans, querySpan: [queryBegin, queryEnd], text: prefix + body + suffix };
}

/** What stands after the documents: the instruction and the query, without the suffix. */
export function queryText({ separator, instruction, label, trimEnd }: PromptProfile, query: string): string {
  const text = wellFormed(`${instruction}${separator}${label} ${query}`);
  return trimEnd ? text.trimEnd() : text;
}

/** What every query begins with: the instruction and its label, of which the last character may join what follows. */
export function queryOpening({ separator, instruction, label }: PromptProfile): string {
  return `${instruction}${separator}${label.slice(0, -1)}`;
}

/** Replaces unpaired surrogates by U+FFFD, as encoding to UTF-8 does, so that lengths computed part by part add up. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}
