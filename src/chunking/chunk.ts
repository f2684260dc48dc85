import { invalidArgument } from "../errors.ts";
import type { Span } from "../types.ts";
import { markdownSplitters } from "./markdown.ts";
import {
  codeBlocks,
  lines,
  paragraphs,
  type Splitter,
  sentences,
  sessions,
  type TurnPatterns,
  turns,
  words,
} from "./splitters.ts";
import type { TokenMap } from "./token-map.ts";

/** What a text is cut into. */
export const CHUNK_UNITS = ["tokens", "sentences", "paragraphs", "markdown", "turns", "sessions", "code"] as const;
export type ChunkUnit = (typeof CHUNK_UNITS)[number];

export type ChunkOptions = TurnPatterns & {
  /** Defaults to `"paragraphs"`. */
  by?: ChunkUnit | undefined;
  /**
   * Tokens that a chunk may have, at least 1: neighbouring units are put together up to this, and a unit that is longer is
   * cut at the next finer ones. Without a size every unit is one chunk; `"tokens"` and `"code"` have none, and take 256.
   */
  size?: number | undefined;
  /** Tokens at the end of a chunk that the next one repeats, fewer than `size`. Defaults to 0. */
  overlap?: number | undefined;
};

/** Half-open, in UTF-16 units of the text; never between the halves of a surrogate pair. */
export type Chunk = { begin: number; end: number; text: string; tokens: number };

const DEFAULT_SIZE = 256;

/**
 * Cuts a text into chunks. Without overlap they join to the text, to the last character, whitespace included.
 *
 * Sizes are in tokens of the whole text, which each chunk by itself has but for one or so at its ends. A chunk is longer
 * than `size` only where one character is.
 *
 * @param tokens Where the tokens of the text stand; not read without a size.
 * @returns In the order of the text; none for an empty text.
 * @throws InputError `INVALID_ARGUMENT` for a wrong size or overlap.
 */
export function chunkText(text: string, tokens: TokenMap, options: ChunkOptions = {}): Chunk[] {
  const { by = "paragraphs", overlap = 0 } = options;
  const size = options.size ?? (by === "tokens" || by === "code" ? DEFAULT_SIZE : undefined);
  if (!CHUNK_UNITS.includes(by)) throw invalidArgument("by", `one of ${CHUNK_UNITS.join(", ")}`, by);
  if (size !== undefined && !(Number.isInteger(size) && size >= 1)) {
    throw invalidArgument("size", "an integer of at least 1", size);
  }
  if (!(Number.isInteger(overlap) && overlap >= 0 && overlap < (size ?? 1))) {
    throw invalidArgument(
      "overlap",
      size === undefined ? "0 where there is no size" : `an integer from 0 to ${size - 1}`,
      overlap,
    );
  }
  if (text === "") return [];
  const levels = splittersFor(by, text, options);
  const whole: Span = [0, text.length];
  // Sections of every depth are units of Markdown; elsewhere the coarsest cut is the unit.
  const units = levels[by === "markdown" ? 5 : 0]!;
  const spans = size === undefined ? cutAt(whole, units(text, whole)) : pack(whole, 0);
  return spans.map(([begin, end], index) => {
    const from = index === 0 ? begin : overlapBegin(begin);
    return { begin: from, end, text: text.slice(from, end), tokens: tokens.count([from, end]) };
  });

  /** Parts of the coarsest level that fit, neighbours put together; what does not fit is cut at the next level. */
  function pack(span: Span, level: number): Span[] {
    const limit = size! - overlap;
    if (tokens.count(span) <= limit) return [span];
    const splitter = levels[level];
    if (!splitter) return byTokens(span, limit);
    const parts = cutAt(span, splitter(text, span));
    if (parts.length === 1) return pack(span, level + 1);
    const packed: Span[] = [];
    let open: Span | undefined;
    for (const part of parts) {
      const joined: Span = [open?.[0] ?? part[0], part[1]];
      if (tokens.count(joined) <= limit) {
        open = joined;
        continue;
      }
      if (open) packed.push(open);
      open = undefined;
      // What is left of a long part stays by itself: the next section does not begin inside it.
      if (tokens.count(part) <= limit) open = part;
      else packed.push(...pack(part, level + 1));
    }
    if (open) packed.push(open);
    return packed;
  }

  function byTokens([begin, end]: Span, limit: number): Span[] {
    const spans: Span[] = [];
    for (let from = begin; from < end; ) {
      const to = Math.min(end, tokens.endAfter(from, limit));
      spans.push([from, to]);
      from = to;
    }
    return spans;
  }

  /** Where a chunk that repeats the end of the one before begins: at a word if there is one. */
  function overlapBegin(begin: number): number {
    const earliest = tokens.beginBefore(begin, overlap);
    return words(text, [earliest, begin])[0] ?? earliest;
  }
}

/** Ways to cut, coarse to fine; behind the last come tokens. */
function splittersFor(by: ChunkUnit, text: string, patterns: TurnPatterns): Splitter[] {
  const prose = [sentences, words];
  switch (by) {
    case "tokens":
      return [];
    case "sentences":
      return prose;
    case "paragraphs":
      return [paragraphs, lines, ...prose];
    case "markdown":
      return [...markdownSplitters(text), paragraphs, lines, ...prose];
    case "turns":
      return [turns(patterns), paragraphs, lines, ...prose];
    case "sessions":
      return [sessions(patterns), turns(patterns), paragraphs, lines, ...prose];
    case "code":
      return [codeBlocks, paragraphs, lines, words];
  }
}

/** The parts of a span between cuts. */
export function cutAt([begin, end]: Span, cuts: readonly number[]): Span[] {
  const edges = [begin, ...cuts.filter((cut) => cut > begin && cut < end), end];
  return edges.slice(1).map((edge, index) => [edges[index]!, edge]);
}
