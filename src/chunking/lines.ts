import type { Steps } from "../util/in-slices.ts";

/** Lines that a scan reads in one step. */
export const STEP_LINES = 256;

/** The lines of a text, in order: where the content of each begins and ends, without its line break. */
export type Lines = { readonly begins: readonly number[]; readonly ends: readonly number[] };

/** CR, LF, both together, and Unicode's own line and paragraph separators. */
export const LINE_BREAK = /\r\n|[\n\r\u0085\u2028\u2029]/g;

export function* linesOf(text: string): Steps<Lines> {
  const begins = [0];
  const ends: number[] = [];
  for (const { index, 0: mark } of text.matchAll(LINE_BREAK)) {
    ends.push(index);
    begins.push(index + mark.length);
    if (begins.length % (8 * STEP_LINES) === 0) yield;
  }
  ends.push(text.length);
  return { begins, ends };
}

/** The match of a sticky expression at a position, or null. The expression must not match across lines. */
export function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Where a stretch ends without the white space at its end. */
export function trimmedEnd(text: string, begin: number, end: number): number {
  let at = end;
  while (at > begin && isSpace(text.charCodeAt(at - 1))) at--;
  return at;
}

/** Whether a UTF-16 unit is white space as `\s` has it. */
export function isSpace(code: number): boolean {
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  return code === 0xa0 || code === 0xfeff || (code >= 0x1680 && /\s/.test(String.fromCharCode(code)));
}
