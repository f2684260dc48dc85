import type { Span } from "../types.ts";
import { firstWhere } from "../util/first-where.ts";
import type { PricedToken } from "./price.ts";

let words: Intl.Segmenter | undefined;
let characters: Intl.Segmenter | undefined;

/**
 * The piece of a stretch of text that gets the most attention and has at most `size` tokens: between words where the text
 * has spaces, at the bounds of words by Unicode's rules where it has none, between characters where a word is too long.
 *
 * @param tokens Of the text, in order.
 * @returns Undefined where not even one character fits.
 */
export function bestPiece(
  text: string,
  [begin, end]: Span,
  tokens: readonly PricedToken[],
  size: number,
): Span | undefined {
  const before = (position: number) => firstWhere(tokens.length, (index) => tokens[index]!.at >= position);
  const edges = boundaries();
  const counts = edges.map(before);
  let best: Span | undefined;
  let most = Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let from = 0, to = 0; from + 1 < edges.length; from++) {
    while (to + 1 < edges.length && counts[to + 1]! - counts[from]! <= size) sum += scoreOf(to++);
    if (to === from) {
      to++;
      continue;
    }
    // A piece with room for the word before it is not full: the longer piece was considered already.
    const isFull = from === 0 || counts[to]! - counts[from - 1]! > size;
    if (isFull && sum > most && text.slice(edges[from], edges[to]).trim() !== "") {
      most = sum;
      best = [edges[from]!, edges[to]!];
    }
    sum -= scoreOf(from);
  }
  return best;

  /** Attention between one edge and the next. */
  function scoreOf(edge: number): number {
    let score = 0;
    for (let index = counts[edge]!; index < counts[edge + 1]!; index++) score += tokens[index]!.excess;
    return score;
  }

  function boundaries(): number[] {
    words ??= new Intl.Segmenter("und", { granularity: "word" });
    characters ??= new Intl.Segmenter("und", { granularity: "grapheme" });
    const spaces = Array.from(
      text.slice(begin, end).matchAll(/\s+/g),
      ({ index, 0: { length } }) => begin + index + length,
    );
    const bySpace = split([begin, end], () => spaces, 0);
    // A part larger than a third of the room could leave much of the room empty.
    const byWord = bySpace.flatMap((part) => split(part, segmentedBy(words!), size / 3));
    return [...byWord.flatMap((part) => split(part, segmentedBy(characters!), size)).map(([from]) => from), end];
  }

  /** The parts of a stretch that has more than `limit` tokens; the stretch itself otherwise. */
  function split(span: Span, cutsOf: (span: Span) => readonly number[], limit: number): Span[] {
    const [from, to] = span;
    if (before(to) - before(from) <= limit) return [span];
    const edges = [from, ...cutsOf(span).filter((cut) => cut > from && cut < to), to];
    return edges.slice(1).map((edge, index): Span => [edges[index]!, edge]);
  }

  function segmentedBy(segmenter: Intl.Segmenter) {
    return ([from, to]: Span) => Array.from(segmenter.segment(text.slice(from, to)), ({ index }) => from + index);
  }
}
