import { QRHeadError } from "../errors.ts";
import type { Span } from "../types.ts";
import type { PromptDocument } from "./build.ts";
import { layOutTrunk, type PromptLayout, sameTokens, type TokenizePieces, type Trunk, tokensDigest } from "./layout.ts";
import type { PromptProfile } from "./profiles.ts";

/** A document as it stands alone in a prompt, number 1. Spans are half-open. */
export type LoneDocument = {
  /** Names its cells: they depend on its tokens and those before them, and on nothing else. */
  key: string;
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
  joint: Trunk["joint"];
};

/** A trunk whose documents stand after one prefix, each by itself; its `tokens` have them one after another. */
export type IndependentTrunk = Trunk & {
  prefix: Int32Array;
  /** In the order of their cells. */
  documents: readonly LoneDocument[];
};

export type IndependentLayout = PromptLayout & { trunk: IndependentTrunk };

/**
 * Tokenizes a document as the only one of the listwise prompt.
 *
 * @throws QRHeadError `ENGINE_FAILED` when the tokenizer drops it.
 */
export async function layOutLoneDocument(
  tokenize: TokenizePieces,
  profile: PromptProfile,
  document: PromptDocument,
): Promise<LoneDocument> {
  const trunk = await layOutTrunk(tokenize, profile, [document]);
  const [begin, end] = trunk.documentSpans[0]!;
  const textBegin = trunk.offsets[2 * begin]!;
  const textEnd = trunk.offsets.at(-1)!;
  const [bytesBegin, bytesEnd] = trunk.byteSpans[0]!;
  const prefix = trunk.tokens.subarray(0, begin);
  const tokens = trunk.tokens.subarray(begin);
  return {
    key: tokensDigest([prefix, tokens]),
    prefix,
    tokens,
    offsets: trunk.offsets.subarray(2 * begin).map((offset) => offset - textBegin),
    text: trunk.text.slice(textBegin, textEnd),
    span: [0, end - begin],
    bytes: [bytesBegin - textBegin, bytesEnd - textBegin],
    joint: trunk.joint,
  };
}

/**
 * Puts documents that were laid out alone together. Their cells stand in the order of their keys, so that the order in which
 * they are given changes nothing.
 *
 * @param sources At least one, each with its document.
 * @throws QRHeadError `ENGINE_FAILED` when the documents do not begin after the same tokens.
 */
export function joinDocuments(sources: readonly PromptDocument[], given: readonly LoneDocument[]): IndependentTrunk {
  const order = given.map((_, index) => index);
  order.sort((a, b) => compare(given[a]!.key, given[b]!.key) || a - b);
  const documents = order.map((index) => given[index]!);
  const { prefix, joint } = documents[0]!;
  if (!documents.every((document) => sameTokens(document.prefix, prefix))) {
    throw new QRHeadError(
      "ENGINE_FAILED",
      "A document changes how the text before it is tokenized, so documents cannot be read by themselves: use the layout listwise",
    );
  }
  const cells = documents.reduce((sum, { tokens }) => sum + tokens.length, prefix.length);
  const tokens = new Int32Array(cells);
  const offsets = new Uint32Array(2 * cells);
  const documentSpans: Span[] = [];
  const byteSpans: Span[] = [];
  tokens.set(prefix);
  let cell = prefix.length;
  let byte = 0;
  for (const [position, document] of documents.entries()) {
    const index = order[position]!;
    tokens.set(document.tokens, cell);
    const own = document.offsets;
    for (let i = 0; i < own.length; i++) offsets[2 * cell + i] = own[i]! + byte;
    documentSpans[index] = [cell + document.span[0], cell + document.span[1]];
    byteSpans[index] = [byte + document.bytes[0], byte + document.bytes[1]];
    cell += document.tokens.length;
    byte += document.text.length;
  }
  return {
    key: tokensDigest([prefix, ...documents.map((document) => document.tokens)]),
    sources,
    tokens,
    offsets,
    text: Buffer.concat(documents.map(({ text }) => text)),
    documentSpans,
    byteSpans,
    joint,
    prefix,
    documents,
  };
}

/** Positions that a prompt takes: documents lie beside each other, and the query begins after the longest. */
export function positionsNeeded({ trunk, query, nullQuery }: IndependentLayout): number {
  const longest = trunk.documents.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
  return trunk.prefix.length + longest + Math.max(query.length, nullQuery?.length ?? 0);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
