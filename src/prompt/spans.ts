import { QRHeadError } from "../errors.ts";
import type { Span } from "../types.ts";
import { firstWhere } from "../util/first-where.ts";

/**
 * The tokens of a stretch of text: from the first that overlaps it to the last that does, both of which may reach over
 * its ends. Tokens that show no text (a begin-of-sequence token) overlap nothing.
 *
 * @param offsets `[begin, end)` of every token in bytes, two numbers a token; begins never decrease, nor do ends.
 * @param bytes Half-open, in the same bytes.
 * @returns Half-open, in tokens. Takes logarithmic time.
 * @throws QRHeadError `ENGINE_FAILED` when no token overlaps the bytes.
 */
export function tokenSpan(offsets: Uint32Array, bytes: Span): Span {
  const count = offsets.length >>> 1;
  const beginOf = (token: number) => offsets[2 * token]!;
  const endOf = (token: number) => offsets[2 * token + 1]!;
  const isEmpty = (token: number) => beginOf(token) === endOf(token);

  let begin = firstWhere(count, (token) => endOf(token) > bytes[0]);
  let end = firstWhere(count, (token) => beginOf(token) >= bytes[1]);
  while (begin < end && isEmpty(begin)) begin++;
  while (end > begin && isEmpty(end - 1)) end--;
  if (begin >= end) {
    throw new QRHeadError(
      "ENGINE_FAILED",
      `No token covers bytes ${bytes[0]} to ${bytes[1]} of the prompt: the tokenizer drops this text, use another model`,
    );
  }
  return [begin, end];
}
