import { InputError } from "../errors.ts";
import type { Span } from "../types.ts";
import { counted } from "../util/counted.ts";

/** A sentence that is hidden in a text, and what it answers. */
export type HiddenFact = { needle: string; question: string };

/** Three needles of different kinds: an activity in a city, a thing in a place, a person's habit. */
export const HIDDEN_FACTS: readonly HiddenFact[] = [
  {
    needle:
      "The nicest thing to do in Lisbon on a rainy afternoon is to ride the yellow tram up the hill and drink hot chocolate in the old bakery.",
    question: "What is the nicest thing to do in Lisbon on a rainy afternoon?",
  },
  {
    needle:
      "The harbour office of Tromsø keeps its spare lighthouse key inside a blue biscuit tin behind the third volume of tide tables.",
    question: "Where does the harbour office of Tromsø keep its spare lighthouse key?",
  },
  {
    needle:
      "Every Thursday before breakfast, the clockmaker Anselm Brandt walks around the frozen pond twice while reciting the names of his grandchildren.",
    question: "What does the clockmaker Anselm Brandt do every Thursday before breakfast?",
  },
];

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The first `tokens` tokens of a text, with a needle between two of its sentences.
 *
 * @param depth From 0, before everything, to 1, after everything.
 * @returns The text, and where the needle stands in it, in bytes of its UTF-8.
 */
export function hide(
  haystack: { bytes: Uint8Array; offsets: Uint32Array },
  tokens: number,
  depth: number,
  needle: string,
): { text: string; span: Span } {
  const endOf = (token: number) => (token === 0 ? 0 : haystack.offsets[2 * token - 1]!);
  const whole = wholeCharacters(haystack.bytes, endOf(tokens));
  const before = sentenceEnd(
    haystack.bytes.subarray(0, whole),
    wholeCharacters(haystack.bytes, endOf(Math.floor(tokens * depth))),
  );
  const head = UTF8.decode(haystack.bytes.subarray(0, before));
  const tail = UTF8.decode(haystack.bytes.subarray(before, whole));
  const lead = head === "" ? "" : `${head.trimEnd()} `;
  const begin = Buffer.byteLength(lead);
  return { text: `${lead}${needle} ${tail.trimStart()}`, span: [begin, begin + Buffer.byteLength(needle)] };
}

/** The last place at or before `end` that begins a character. */
function wholeCharacters(bytes: Uint8Array, end: number): number {
  let at = end;
  while (at > 0 && at < bytes.length && (bytes[at]! & 0xc0) === 0x80) at--;
  return at;
}

/** The end of the last sentence at or before `end`; 0 where there is none. */
function sentenceEnd(bytes: Uint8Array, end: number): number {
  if (end >= bytes.length) return bytes.length;
  const text = UTF8.decode(bytes.subarray(0, end));
  let last = 0;
  for (const match of text.matchAll(/[.!?…。！？]["'”’)\]]*(?=\s|$)/gu)) last = match.index + match[0].length;
  return Buffer.byteLength(text.slice(0, last));
}

/**
 * Share of the words of `reference` that `answer` has, each as often as it stands there: recall of ROUGE-1 (Lin, 2004).
 * Words are letters and digits in lower case.
 */
export function rouge1Recall(reference: string, answer: string): number {
  const words = (text: string) => text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  const left = new Map<string, number>();
  for (const word of words(answer)) left.set(word, (left.get(word) ?? 0) + 1);
  const wanted = words(reference);
  let found = 0;
  for (const word of wanted) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    found++;
    left.set(word, count - 1);
  }
  return wanted.length === 0 ? 0 : found / wanted.length;
}

/** @throws InputError `INVALID_INPUT` when the text has fewer tokens than the shortest prompt needs. */
export function assertLongEnough(available: number, needed: number, name: string): void {
  if (available >= needed) return;
  throw new InputError(
    "INVALID_INPUT",
    `${name} has ${counted(available, "token")}: the shortest haystack has ${needed}`,
    {
      advice: "pass a longer text, or a smaller minTokens",
    },
  );
}
