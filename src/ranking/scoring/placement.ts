import type { Span } from "../../types.ts";
import { outlierMask } from "./documents.ts";

/** Why a document ranks lower than its score: it has nothing to read, or is too short. */
export type Demoted = "blank" | "short";

/** Texts of at most this many tokens may be demoted as short: the tail of a text, and hardly a sentence. */
const SHORT_TOKENS = 4;
/** A longer document has at least this many times the tokens of text. */
const LONGER = 2;

/**
 * What places a document: its score, its tokens in the prompt, how many of these are title and text, and whether it has a
 * title: a record that consists of one is no tail of a text.
 */
export type Placed = { score: number; span: Span; contentTokens: number; blank: boolean; titled: boolean };

/** A text with neither a letter, a digit nor a pictograph: nothing that could answer. */
export function isBlank({ title = "", text }: { title?: string; text: string }): boolean {
  return !/[\p{L}\p{N}\p{So}\p{Extended_Pictographic}]/u.test(title + text);
}

/**
 * Orders documents by score, highest first, equal ones as given. Two kinds are placed lower, because a sum over tokens puts them
 * too high: the tokens of an irrelevant document sum to less than 0, and those of one with hardly any tokens to about 0.
 *
 * - Documents without a letter, digit or pictograph come behind all others.
 * - A text of at most 4 tokens without a title comes behind a document of at least twice as many, if a stretch of that one, as
 *   long as the whole short document, got more attention: the short one scores higher only because it has no other tokens.
 *
 * Scores do not change.
 *
 * @param tokenScores Per token of the prompt.
 * @returns Indexes of the documents in their order, and by index why one ranks lower than its score.
 */
export function placeDocuments(
  documents: readonly Placed[],
  tokenScores: Float32Array | Float64Array,
  { mask }: { mask: boolean },
): { order: number[]; demoted: (Demoted | undefined)[] } {
  const demoted = documents.map(({ blank }): Demoted | undefined => (blank ? "blank" : undefined));
  const keys = documents.map(({ score }) => score);
  const stretches = new Map<string, number>();
  const bestStretch = (index: number, length: number) => {
    const name = `${index}:${length}`;
    const known = stretches.get(name);
    const best = known ?? stretchOf(tokenScores.subarray(...documents[index]!.span), length, mask);
    stretches.set(name, best);
    return best;
  };
  const all = documents.map((_, index) => index);
  const withContent = all.filter((index) => !documents[index]!.blank);
  // Longer ones first: what a document stands behind has its own place by then.
  for (let length = SHORT_TOKENS; length > 0; length--) {
    const shorts = withContent.filter((index) => isShort(documents[index]!, length));
    if (shorts.length === 0) continue;
    const longer = withContent
      .filter((index) => documents[index]!.contentTokens >= LONGER * length)
      .sort((a, b) => keys[a]! - keys[b]!);
    for (const short of shorts) {
      const { score, span } = documents[short]!;
      const better = longer.find((index) => keys[index]! > score || bestStretch(index, span[1] - span[0]) > score);
      if (better === undefined || keys[better]! > score) continue;
      keys[short] = keys[better]!;
      demoted[short] = "short";
    }
  }
  const order = all;
  order.sort(
    (a, b) =>
      Number(documents[a]!.blank) - Number(documents[b]!.blank) ||
      keys[b]! - keys[a]! ||
      Number(demoted[a] !== undefined) - Number(demoted[b] !== undefined) ||
      documents[b]!.score - documents[a]!.score ||
      a - b,
  );
  return { order, demoted };
}

function isShort({ contentTokens, titled }: Placed, length: number): boolean {
  return !titled && contentTokens === length;
}

/** The highest sum of `length` tokens in a row; of all where there are fewer. */
function stretchOf(values: Float32Array | Float64Array, length: number, mask: boolean): number {
  const kept = mask ? outlierMask(values) : undefined;
  const at = (index: number) => (kept && !kept[index] ? 0 : values[index]!);
  let sum = 0;
  let best = Number.NEGATIVE_INFINITY;
  for (let end = 0; end < values.length; end++) {
    sum += at(end);
    if (end >= length) sum -= at(end - length);
    if (end + 1 >= Math.min(length, values.length)) best = Math.max(best, sum);
  }
  return best;
}
