const UNSPACED = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}`;
const LETTERS = String.raw`(?:(?![${UNSPACED}])[\p{L}\p{M}]){1,6}`;
const SPACE = String.raw`[^\S\r\n]`;
/**
 * What most tokenizers make one token of: up to six letters, an ideograph, three digits or two marks, with a space before
 * them; line breaks with the indent after them; other space.
 */
const PIECE = new RegExp(
  String.raw`[\r\n]+${SPACE}*|${SPACE}{2,}(?=${SPACE})|${SPACE}?(?:[${UNSPACED}]|${LETTERS}|\p{N}{1,3}|[^\s\p{L}\p{M}\p{N}]{1,2})|${SPACE}`,
  "gu",
);

/**
 * Estimates where a text's tokens stand, without a model, so that an index suits any. Of English and of source code
 * SmolLM2's tokenizer makes 0.99 to 1.08 times as many.
 *
 * @returns `[begin, end)` of every piece in bytes of the text's UTF-8, two numbers a piece; unpaired surrogates count as
 * U+FFFD.
 */
export function estimateTokens(text: string): Uint32Array {
  const offsets: number[] = [];
  let byte = 0;
  for (const [piece] of text.matchAll(PIECE)) {
    offsets.push(byte);
    byte += Buffer.byteLength(piece);
    offsets.push(byte);
  }
  return Uint32Array.from(offsets);
}
