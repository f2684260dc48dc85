import { createHash } from "node:crypto";
import { QRHeadError } from "../errors.ts";
import type { Span } from "../types.ts";
import { buildPrompt, type PromptDocument, type PromptPiece, queryOpening, queryText, wellFormed } from "./build.ts";
import type { PromptProfile } from "./profiles.ts";
import { tokenSpan } from "./spans.ts";

/** Tokens of a whole prompt, and `[begin, end)` of each in bytes of its UTF-8, two numbers a token. */
export type TokenizePieces = (pieces: PromptPiece[]) => Promise<{ tokens: Int32Array; offsets: Uint32Array }>;

/** The tokenized part of a prompt that stands before the query and does not depend on it. Spans are half-open. */
export type Trunk = {
  /** Names the cells that these tokens make: a SHA-256, in hexadecimal. */
  key: string;
  /** The documents as they were passed, in the order of `documentSpans`. */
  sources: readonly PromptDocument[];
  tokens: Int32Array;
  /** Bytes of `text` for each of `tokens`, two numbers a token. */
  offsets: Uint32Array;
  /** UTF-8 of what the tokens show. */
  text: Uint8Array;
  /** One per document, in tokens. */
  documentSpans: Span[];
  /** One per document, in bytes of `text`: its number `[i] `, title and text. */
  byteSpans: Span[];
  /** Where queries are attached. */
  joint: Joint;
};

/** A trunk with a query after it and, where scores are calibrated, the null query in its place. */
export type PromptLayout = { trunk: Trunk; query: Int32Array; nullQuery: Int32Array | null };

/** What it takes to tokenize a query as if it stood after the whole trunk. */
type Joint = {
  profile: PromptProfile;
  /** Documents whose prompt the query is tokenized in where the end of the trunk is not enough. */
  documents: readonly PromptDocument[];
  /** Tokens of that prompt up to the query. */
  tokens: Int32Array;
  /** The end of the text before the query, from the beginning of a token on; null where tokens depend on more than that. */
  lead: { text: string; offsets: Uint32Array } | null;
  /** Tokens that queries begin with: the instruction. A query that changes them does not. */
  opening: Int32Array;
};

/** Stands for any query: the tokens of the documents do not depend on it. */
const ANY_QUERY = "N/A";
/** Bytes before the query that are tokenized with it. */
const LEAD_BYTES = 256;
/** Tokens before the query that must come out as they did in the whole prompt. */
const AGREEING_TOKENS = 12;

/**
 * Tokenizes the documents of a prompt, whole.
 *
 * @throws QRHeadError `ENGINE_FAILED` when the tokenizer drops a document.
 */
export async function layOutTrunk(
  tokenize: TokenizePieces,
  profile: PromptProfile,
  documents: readonly PromptDocument[],
): Promise<Trunk> {
  const prompt = buildPrompt(profile, documents, ANY_QUERY);
  const { tokens, offsets } = await tokenize(prompt.pieces);
  const [end] = tokenSpan(offsets, prompt.querySpan);
  const text = Buffer.from(prompt.text, "utf8").subarray(0, prompt.querySpan[0]);
  const before = tokens.slice(0, end);
  const openingEnd = prompt.querySpan[0] + Buffer.byteLength(queryOpening(profile), "utf8");
  let opened = end;
  while (opened < tokens.length && offsets[2 * opened + 1]! <= openingEnd) opened++;
  const trunk: Trunk = {
    key: tokensDigest([before]),
    sources: documents,
    tokens: before,
    offsets: offsets.slice(0, 2 * end),
    text,
    documentSpans: prompt.documentSpans.map((span) => tokenSpan(offsets, span)),
    byteSpans: prompt.documentSpans,
    joint: { profile, documents, tokens: before, lead: null, opening: tokens.slice(end, opened) },
  };
  const lead = leadOf(trunk, Buffer.byteLength(profile.prefix));
  if (lead === null) return trunk;
  const joint = { ...trunk.joint, lead };
  const joined = await tokenizeBehind(tokenize, joint, ANY_QUERY);
  return joined && sameTokens(joined, tokens.subarray(end)) ? { ...trunk, joint } : trunk;
}

/**
 * The tokens of a query, its instruction before it and the template's end after it, as they are after a trunk: the same as
 * in the whole prompt, of which the end is tokenized again where that is enough.
 *
 * @param what What messages call the query.
 * @throws QRHeadError `ENGINE_FAILED` when the query changes the tokens before it.
 */
export async function layOutQuery(
  tokenize: TokenizePieces,
  { joint }: Trunk,
  query: string,
  what = "query",
): Promise<Int32Array> {
  const joined = joint.lead && (await tokenizeBehind(tokenize, joint, query));
  if (joined) return joined;
  const whole = await tokenize(buildPrompt(joint.profile, joint.documents, query).pieces);
  const { length } = joint.tokens;
  if (!sameTokens(whole.tokens.subarray(0, length), joint.tokens) || whole.tokens.length <= length) {
    const instead = what === "query" ? "ask another query" : "try another null query, or no calibration";
    throw new QRHeadError("ENGINE_FAILED", `The ${what} changes how the documents are tokenized: ${instead}`);
  }
  return whole.tokens.subarray(length);
}

/** The last tokens of a trunk whose text is a whole number of characters; null for a short prompt. */
function leadOf({ text, offsets }: Trunk, prefixBytes: number): Joint["lead"] {
  const from = text.length - LEAD_BYTES;
  for (let token = offsets.length / 2 - 1; token > 0; token--) {
    const begin = offsets[2 * token]!;
    if (begin <= prefixBytes) return null;
    const isInside = (text[begin]! & 0xc0) === 0x80;
    if (begin > from || isInside) continue;
    return {
      text: Buffer.from(text.subarray(begin)).toString("utf8"),
      offsets: offsets.subarray(2 * token).map((offset) => offset - begin),
    };
  }
  return null;
}

/**
 * A query's tokens after the lead alone. Earlier text can change them only if it changes the last tokens of the lead, so these
 * must be equal to the ones of the whole prompt. Null if they are not.
 */
async function tokenizeBehind(
  tokenize: TokenizePieces,
  { profile, lead, tokens: before }: Joint,
  query: string,
): Promise<Int32Array | null> {
  const pieces = [
    { text: lead!.text + queryText(profile, query), special: false },
    { text: profile.suffix, special: true },
  ].filter((piece) => piece.text !== "");
  const { tokens, offsets } = await tokenize(pieces);
  const leadBytes = Buffer.byteLength(lead!.text, "utf8");
  const [begin] = tokenSpan(offsets, [leadBytes, leadBytes + 1]);
  const count = Math.min(AGREEING_TOKENS, begin, lead!.offsets.length / 2);
  for (let back = 1; back <= count; back++) {
    const [here, there] = [begin - back, lead!.offsets.length / 2 - back];
    const [beginThere, endThere] = [lead!.offsets[2 * there], lead!.offsets[2 * there + 1]];
    const isSameSpan = offsets[2 * here] === beginThere && offsets[2 * here + 1] === endThere;
    if (tokens[here] !== before[before.length - back] || !isSameSpan) return null;
  }
  return count === AGREEING_TOKENS ? tokens.subarray(begin) : null;
}

/** Tokens that must fit at once: the documents, and after them the longer of the query and the null query. */
export function tokensNeeded({ trunk, query, nullQuery }: PromptLayout): number {
  return trunk.tokens.length + Math.max(query.length, nullQuery?.length ?? 0);
}

/** Tokens of a document's number and title, which stand before its text. */
export function headerTokens(trunk: Trunk, position: number): number {
  return tokensBefore(trunk, position, trunk.sources[position]!.text);
}

/** Tokens of a document's title and text, without its number. */
export function contentTokens(trunk: Trunk, position: number): number {
  const { title, text } = trunk.sources[position]!;
  const [begin, end] = trunk.documentSpans[position]!;
  const content = title === undefined ? text : `${title}\n${text}`;
  const contentBegin = trunk.byteSpans[position]![1] - Buffer.byteLength(wellFormed(content), "utf8");
  let token = begin;
  // A token may begin at the space before the content.
  while (token < end && trunk.offsets[2 * token + 1]! <= contentBegin) token++;
  return end - token;
}

/** `[begin, end)` of a document's tokens in bytes of its text alone, two numbers a token. */
export function textOffsets(trunk: Trunk, position: number): Uint32Array {
  const [begin, end] = trunk.documentSpans[position]!;
  const [, textEnd] = trunk.byteSpans[position]!;
  const textBegin = textEnd - Buffer.byteLength(wellFormed(trunk.sources[position]!.text), "utf8");
  const inText = (offset: number) => Math.min(Math.max(offset, textBegin), textEnd) - textBegin;
  return trunk.offsets.subarray(2 * begin, 2 * end).map(inText);
}

/** Tokens of a document that begin before the text that it ends with. */
function tokensBefore({ documentSpans, offsets, byteSpans }: Trunk, position: number, ending: string): number {
  const [begin, end] = documentSpans[position]!;
  const textBegin = byteSpans[position]![1] - Buffer.byteLength(wellFormed(ending), "utf8");
  let token = begin;
  while (token < end && offsets[2 * token]! < textBegin) token++;
  return token - begin;
}

/** What a query has after the opening; null where it does not begin with it, or is no longer. */
export function behindOpening({ joint: { opening } }: Trunk, query: Int32Array): Int32Array | null {
  if (opening.length === 0 || query.length <= opening.length) return null;
  return sameTokens(query.subarray(0, opening.length), opening) ? query.subarray(opening.length) : null;
}

export function sameTokens(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((token, index) => token === b[index]);
}

/** SHA-256 of stretches of tokens and of where they end, in hexadecimal. */
export function tokensDigest(stretches: readonly Int32Array[]): string {
  const hash = createHash("sha256");
  for (const part of stretches) {
    hash.update(`${part.length}:`).update(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
  }
  return hash.digest("hex");
}
