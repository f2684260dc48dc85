import type { Span } from "../../types.ts";
import { smallestOf } from "../../util/extremes.ts";
import { outlierMask } from "./documents.ts";

/** Why a document ranks lower than its score: it has nothing to read, or is too short. */
export type Demoted = "blank" | "short";

/** Texts of at most this many tokens may be demoted as short: the tail of a text, and hardly a sentence. */
const SHORT_TOKENS = 4;
/** Texts of at most this many may only repeat the query. */
const ECHO_TOKENS = 8;
/** A longer document has at least this many times the tokens of text. */
const LONGER = 2;

/**
 * What places a document: its score, its tokens in the prompt, how many of these are title and text, and whether it has a
 * title: a record that consists of one is no tail of a text.
 */
export type Placed = { score: number; span: Span; contentTokens: number; blank: boolean; titled: boolean };

/** Whether a text is so short that it may only repeat the query. */
export function isTerse({ contentTokens, titled, blank }: Omit<Placed, "score">): boolean {
  return !titled && !blank && contentTokens <= ECHO_TOKENS;
}

/** A text with neither a letter, a digit nor a pictograph: nothing that could answer. */
export function isBlank({ title = "", text }: { title?: string; text: string }): boolean {
  return !/[\p{L}\p{N}\p{So}\p{Extended_Pictographic}]/u.test(title + text);
}

/**
 * Orders documents by score, highest first, equal ones as given. Three kinds are placed lower, because a sum over tokens puts them
 * too high: the tokens of an irrelevant document sum to less than 0, and those of one with hardly any tokens to about 0.
 *
 * - Documents without a letter, digit or pictograph come behind all others.
 * - A text of at most 4 tokens without a title comes behind a document of at least twice as many, if a stretch of that one, as
 *   long as the whole short document, got more attention: the short one scores higher only because it has no other tokens.
 * - A text of at most 8 tokens without a title that only repeats words of the query comes behind all documents of at least
 *   twice as many that have the same words: it gets attention for its likeness to the query, and says nothing that they do not.
 *
 * Scores do not change.
 *
 * @param tokenScores Per token of the prompt.
 * @param echoes For each document that only repeats words of the query, the documents that have the same words.
 * @returns Indexes of the documents in their order, by index why one ranks lower than its score, and for documents that only
 * repeat the query those that they stand behind.
 */
export function placeDocuments(
  documents: readonly Placed[],
  tokenScores: Float32Array | Float64Array,
  { mask, echoes = new Map() }: { mask: boolean; echoes?: ReadonlyMap<number, readonly number[]> },
): { order: number[]; demoted: (Demoted | undefined)[]; behind: Map<number, readonly number[]> } {
  const behind = new Map<number, readonly number[]>();
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
  for (let length = ECHO_TOKENS; length > 0; length--) {
    const shorts = withContent.filter((index) => isShort(documents[index]!, length));
    if (shorts.length === 0) continue;
    const isLonger = (index: number) => documents[index]!.contentTokens >= LONGER * length;
    const longer = withContent.filter(isLonger).sort((a, b) => keys[a]! - keys[b]!);
    const fuller = new Map<readonly number[], { those: readonly number[]; lowest: number }>();
    const fullerOf = (having: readonly number[]) => {
      const known = fuller.get(having);
      if (known) return known;
      const those = having.filter(isLonger);
      const found = { those, lowest: smallestOf(those.map((index) => keys[index]!)) };
      fuller.set(having, found);
      return found;
    };
    for (const short of shorts) {
      const { score, span } = documents[short]!;
      const isTail = length <= SHORT_TOKENS;
      const better = longer.find(
        (index) => keys[index]! > score || (isTail && bestStretch(index, span[1] - span[0]) > score),
      );
      const tail = better === undefined ? score : keys[better]!;
      const having = echoes.get(short);
      const { those = [], lowest = Number.POSITIVE_INFINITY } = having ? fullerOf(having) : {};
      if (those.length > 0) behind.set(short, those);
      const key = Math.min(score, tail, lowest);
      if (key === score) continue;
      keys[short] = key;
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
  return { order, demoted, behind };
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
