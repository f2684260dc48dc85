import { invalidArgument } from "../errors.ts";
import { wellFormed } from "./build.ts";

/**
 * Cuts a text after its first `maxTokens` tokens, back to the last whole character where the cut falls into one.
 *
 * Tokens that show no text are not counted. A text that is short enough comes back as it is.
 *
 * @param maxTokens At least 1.
 * @param offsets `[begin, end)` of every token of the text in bytes of its UTF-8, two numbers a token.
 * @throws InputError `INVALID_ARGUMENT` for another limit.
 */
export function truncateDocument(
  text: string,
  maxTokens: number,
  offsets: Uint32Array,
): { text: string; truncated: boolean } {
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw invalidArgument("maxDocumentTokens", "an integer of at least 1", maxTokens);
  }
  const whole = wellFormed(text);
  let seen = 0;
  let cut = 0;
  for (let i = 0; i < offsets.length; i += 2) {
    if (offsets[i] === offsets[i + 1]) continue;
    if (seen === maxTokens) {
      return { text: cutBytes(whole, cut), truncated: true };
    }
    seen++;
    cut = offsets[i + 1]!;
  }
  return { text, truncated: false };
}

function cutBytes(text: string, length: number): string {
  const bytes = Buffer.from(text, "utf8");
  let end = length;
  // 10xxxxxx continues a character, so a cut before one stands inside that character.
  while (end > 0 && end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
