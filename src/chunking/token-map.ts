import { wellFormed } from "../prompt/build.ts";
import type { Span } from "../types.ts";
import { firstWhere } from "../util/first-where.ts";

/**
 * Where the tokens of one text stand in its UTF-16, so that any stretch of it can be measured without tokenizing again.
 *
 * A stretch counts the tokens that overlap it. Tokenized by itself it may have one token more or fewer at either end, because
 * the tokenizer may join characters across its ends.
 */
export class TokenMap {
  readonly text: string;
  /** Byte at which each UTF-16 unit begins, and the length in bytes; the second half of a pair begins where the first does. */
  readonly #bytes: Uint32Array;
  /** `[begin, end)` of the tokens that show text, in bytes, two numbers a token. */
  readonly #offsets: Uint32Array;

  /**
   * @param offsets `[begin, end)` of every token in bytes of the text's UTF-8, two numbers a token, as the tokenizer gives
   * them for the whole text. Unpaired surrogates count as U+FFFD.
   */
  constructor(text: string, offsets: Uint32Array) {
    this.text = text;
    this.#bytes = byteOffsets(wellFormed(text));
    this.#offsets = offsets.filter((_, i) => offsets[i & ~1] !== offsets[i | 1]);
  }

  /** Tokens of the whole text. */
  get size(): number {
    return this.#offsets.length >>> 1;
  }

  /** Tokens that overlap `[begin, end)`, in UTF-16. */
  count([begin, end]: Span): number {
    if (begin >= end) return 0;
    const first = this.#firstTokenAfter(this.#bytes[begin]!);
    const last = this.#firstTokenFrom(this.#bytes[end]!);
    return Math.max(0, last - first);
  }

  /**
   * The furthest end, between two characters, so that `[begin, end)` has at most `tokens` tokens; at least one character,
   * although a single one may have more tokens than that.
   */
  endAfter(begin: number, tokens: number): number {
    const first = this.#firstTokenAfter(this.#bytes[begin]!);
    const next = first + tokens;
    if (next >= this.size) return this.text.length;
    const end = this.#characterAt(this.#offsets[2 * next]!);
    return end > begin ? end : begin + characterLength(this.text, begin);
  }

  /** The earliest begin, between two characters, so that `[begin, end)` has at most `tokens` tokens. */
  beginBefore(end: number, tokens: number): number {
    const last = this.#firstTokenFrom(this.#bytes[end]!);
    if (tokens <= 0) return end;
    if (last <= tokens) return 0;
    const byte = this.#offsets[2 * (last - tokens)]!;
    const at = this.#characterAt(byte);
    // A token may begin inside a character, which is then with the token before.
    const begin = this.#bytes[at] === byte ? at : at + characterLength(this.text, at);
    return Math.min(begin, end);
  }

  /** Index of the first token that ends after a byte. */
  #firstTokenAfter(byte: number): number {
    return firstWhere(this.size, (token) => this.#offsets[2 * token + 1]! > byte);
  }

  /** Index of the first token that begins at a byte or later. */
  #firstTokenFrom(byte: number): number {
    return firstWhere(this.size, (token) => this.#offsets[2 * token]! >= byte);
  }

  /** The character that holds a byte: the last that begins at it or before. */
  #characterAt(byte: number): number {
    const after = firstWhere(this.#bytes.length, (index) => this.#bytes[index]! > byte);
    const unit = Math.max(0, after - 1);
    return isInsidePair(this.text, unit) ? unit - 1 : unit;
  }
}

/** True where a UTF-16 index falls between the two halves of one character. */
export function isInsidePair(text: string, index: number): boolean {
  return index > 0 && (text.codePointAt(index - 1) ?? 0) > 0xffff;
}

function characterLength(text: string, index: number): number {
  return (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
}

function byteOffsets(text: string): Uint32Array {
  const bytes = new Uint32Array(text.length + 1);
  let byte = 0;
  for (let i = 0; i < text.length; i++) {
    bytes[i] = byte;
    const code = text.codePointAt(i)!;
    if (code > 0xffff) bytes[++i] = byte;
    byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  bytes[text.length] = byte;
  return bytes;
}
