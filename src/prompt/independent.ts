import { QRHeadError } from "../errors.ts";
import type { Span } from "../types.ts";
import { buildPrompt, type PromptDocument } from "./build.ts";
import { layOutPrompt, type PromptLayout, sameTokens, type TokenizePieces } from "./layout.ts";
import type { PromptProfile } from "./profiles.ts";

/** A document as it stands alone in a prompt. Spans are half-open. */
export type LoneDocument = {
  /** Tokens before the document: the same for all. */
  prefix: Int32Array;
  /** Tokens from there to the query: the document, and what separates it from the query. */
  tokens: Int32Array;
  /** Bytes of `text` for each of `tokens`, two numbers a token. */
  offsets: Uint32Array;
  /** What `tokens` show. */
  text: Uint8Array;
  /** The document itself, in `tokens`. */
  span: Span;
  /** The document itself, in bytes of `text`. */
  bytes: Span;
};

/** A layout whose documents stand behind one prefix, each by itself; `PromptLayout.tokens` has them one after another. */
export type IndependentLayout = PromptLayout & {
  prefix: Int32Array;
  /** In the order of `documentSpans`. */
  documents: readonly LoneDocument[];
};

/** What every document is laid out with, to see where it ends: tokens before the query do not depend on the query. */
const ANY_QUERY = "N/A";

/**
 * Tokenizes a document as the only one of the listwise prompt, number 1.
 *
 * @throws QRHeadError `ENGINE_FAILED` when the tokenizer drops it.
 */
export async function layOutLoneDocument(
  tokenize: TokenizePieces,
  profile: PromptProfile,
  document: PromptDocument,
): Promise<LoneDocument> {
  const layout = await layOutPrompt(tokenize, profile, [document], ANY_QUERY, null);
  const [begin, end] = layout.documentSpans[0]!;
  const queryBegin = layout.querySpan[0];
  const textBegin = layout.offsets[2 * begin]!;
  const textEnd = layout.offsets[2 * queryBegin - 1]!;
  const [bytesBegin, bytesEnd] = layout.prompt.documentSpans[0]!;
  return {
    prefix: layout.tokens.slice(0, begin),
    tokens: layout.tokens.slice(begin, queryBegin),
    offsets: layout.offsets.slice(2 * begin, 2 * queryBegin).map((offset) => offset - textBegin),
    text: Buffer.from(layout.prompt.text, "utf8").subarray(textBegin, textEnd),
    span: [0, end - begin],
    bytes: [bytesBegin - textBegin, bytesEnd - textBegin],
  };
}

/**
 * Puts documents that were laid out alone, and a query, together.
 *
 * @param documents At least one.
 * @param first The document whose prompt the query's tokens are taken from.
 * @throws QRHeadError `ENGINE_FAILED` when the documents do not begin behind the same tokens, or the query changes how
 * the document before it is tokenized.
 */
export async function joinIndependent(
  tokenize: TokenizePieces,
  profile: PromptProfile,
  documents: readonly LoneDocument[],
  first: PromptDocument,
  query: string,
  nullQuery: string | null,
): Promise<IndependentLayout> {
  const { prefix } = documents[0]!;
  if (!documents.every((document) => sameTokens(document.prefix, prefix))) throw unstable("A document");
  const lone = await layOutPrompt(tokenize, profile, [first], query, nullQuery);
  const alone = await layOutLoneDocument(tokenize, profile, first);
  const [queryBegin] = lone.querySpan;
  const before = Int32Array.from([...alone.prefix, ...alone.tokens]);
  if (!sameTokens(lone.tokens.subarray(0, queryBegin), before)) throw unstable("The query");
  const tail = lone.tokens.subarray(queryBegin);
  // What the query shows, behind the documents.
  const tailText = Buffer.from(lone.prompt.text, "utf8").subarray(lone.offsets[2 * queryBegin]!);

  const cells = documents.reduce((sum, { tokens }) => sum + tokens.length, prefix.length);
  const tokens = new Int32Array(cells + tail.length);
  const offsets = new Uint32Array(2 * tokens.length);
  const texts: Uint8Array[] = [];
  const documentSpans: Span[] = [];
  const byteSpans: Span[] = [];
  tokens.set(prefix);
  let cell = prefix.length;
  let byte = 0;
  for (const document of documents) {
    tokens.set(document.tokens, cell);
    offsets.set(
      document.offsets.map((offset) => offset + byte),
      2 * cell,
    );
    documentSpans.push([cell + document.span[0], cell + document.span[1]]);
    byteSpans.push([byte + document.bytes[0], byte + document.bytes[1]]);
    texts.push(document.text);
    cell += document.tokens.length;
    byte += document.text.length;
  }
  tokens.set(tail, cell);
  const tailBegin = lone.offsets[2 * queryBegin]!;
  offsets.set(
    lone.offsets.subarray(2 * queryBegin).map((offset) => offset - tailBegin + byte),
    2 * cell,
  );
  const text = Buffer.concat([...texts, tailText]).toString("utf8");
  return {
    sources: [],
    prompt: {
      ...buildPrompt(profile, [], query),
      documentSpans: byteSpans,
      querySpan: [byte, byte + tailText.length],
      text,
    },
    tokens,
    offsets,
    documentSpans,
    querySpan: [cell, tokens.length],
    nullTokens: lone.nullTokens,
    prefix,
    documents,
  };
}

function unstable(what: string): QRHeadError {
  return new QRHeadError(
    "ENGINE_FAILED",
    `${what} changes how the text before it is tokenized, so that documents cannot be read by themselves: use the layout listwise`,
  );
}
