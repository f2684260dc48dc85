import { invalidArgument } from "../errors.ts";
import { CHUNK_UNITS } from "../options/choices.ts";
import { parseOptions } from "../options/parse.ts";
import { CHUNKING } from "../options/texts.ts";
import type { ChunkOptions } from "../options/types/texts.ts";
import type { Span } from "../types.ts";
import { collect, inSlices, type Steps } from "../util/in-slices.ts";
import { markdownSplitters } from "./markdown.ts";
import { Outline } from "./outline.ts";
import { type Piece, withoutTails } from "./pieces.ts";
import type { Splitter } from "./splitter.ts";
import {
  blocks,
  clauses,
  codeBlocks,
  lines,
  paragraphs,
  phrases,
  sessions,
  turns,
  unspacedWords,
  words,
} from "./splitters.ts";
import type { Structure } from "./structures.ts";
import type { TokenMap } from "./token-map.ts";

export { CHUNK_UNITS };
export type ChunkUnit = (typeof CHUNK_UNITS)[number];
export type { ChunkOptions };

/** Half-open, in UTF-16 units of the text; never between the halves of a surrogate pair. */
export type Chunk = {
  begin: number;
  end: number;
  text: string;
  tokens: number;
  /** If a chunk holds a part of fenced code or of a table: the whole, with its fences or its header in `frame`. */
  partOf?: Structure;
};

const DEFAULT_SIZE = 256;

/**
 * Cuts a text into chunks. Without overlap they concatenate to the exact text, whitespace included. A long text is cut in slices
 * of some milliseconds, so other work continues between them.
 *
 * Sizes are in tokens of the whole text; a chunk tokenized by itself may have one token more or fewer. A chunk is longer than
 * `size` only if one character is. With a size, a short rest of a unit joins a neighbour, or the last two chunks are made equally
 * long. No chunk is blank, unless the whole text is, or a stretch of white space longer than `size`.
 *
 * @param tokens Positions of the text's tokens; not used without a size.
 * @returns In the order of the text; none for an empty text.
 * @throws InputError `INVALID_ARGUMENT` for a wrong size or overlap; the signal's reason when it is aborted.
 */
export function chunkText(
  text: string,
  tokens: TokenMap,
  options: ChunkOptions = {},
  signal?: AbortSignal,
): Promise<Chunk[]> {
  return inSlices(collect(chunkSteps(text, tokens, options)), signal);
}

/** The chunks one by one; `undefined` is a place to pause. */
function* chunkSteps(text: string, tokens: TokenMap, options: ChunkOptions): Generator<Chunk | undefined> {
  const { by, size, overlap } = checked(options);
  if (text === "") return;
  const isProse = by !== "tokens" && by !== "code";
  const outline = yield* Outline.of(text, by === "code");
  const levels = yield* splittersFor(by, outline, options);
  const whole: Span = [0, text.length];
  const limit = (size ?? 0) - overlap;
  // Sections of every depth are units of Markdown; elsewhere the coarsest cut is the unit.
  const parts = size === undefined ? partsAt(whole, levels[by === "markdown" ? 5 : 0]!, 0) : pack(whole, 0, -1);
  const pieces: Piece[] = [];
  for (const piece of parts) {
    if (piece) pieces.push(piece);
    yield;
  }
  let isFirst = true;
  for (const piece of withoutTails(text, pieces, { tokens, limit: size === undefined ? undefined : limit, levels })) {
    if (!piece) {
      yield;
      continue;
    }
    const begin = isFirst ? piece.begin : overlapBegin(piece.begin);
    isFirst = false;
    const partOf = isProse ? brokenAt(begin, piece.end) : undefined;
    yield {
      ...{ begin, end: piece.end, text: text.slice(begin, piece.end), tokens: tokens.count([begin, piece.end]) },
      ...(partOf && { partOf }),
    };
  }

  /** Parts of the coarsest level that fit, with neighbours joined. A part that does not fit is cut at the next level. */
  function* pack(span: Span, level: number, cutLevel: number): Generator<Piece | undefined> {
    if (tokens.count(span) <= limit) return yield { begin: span[0], end: span[1], level: cutLevel };
    const splitter = levels[level];
    if (!splitter) return yield* byTokens(span, level, cutLevel);
    let open: Piece | undefined;
    let isWhole = true;
    for (const part of partsAt(span, splitter, level, cutLevel)) {
      if (!part) {
        yield;
        continue;
      }
      if (part.begin === span[0] && part.end === span[1]) break;
      isWhole = false;
      if (open && tokens.count([open.begin, part.end]) <= limit) {
        open.end = part.end;
        continue;
      }
      if (open) yield open;
      open = undefined;
      // The rest of a long part stays a chunk of its own, so that the next section does not begin inside it.
      if (tokens.count([part.begin, part.end]) <= limit) open = part;
      else yield* pack([part.begin, part.end], level + 1, part.level);
    }
    if (open) yield open;
    if (isWhole) yield* pack(span, level + 1, cutLevel);
  }

  function* byTokens([begin, end]: Span, level: number, cutLevel: number): Generator<Piece> {
    for (let from = begin; from < end; ) {
      const to = Math.min(end, tokens.endAfter(from, limit));
      yield { begin: from, end: to, level: from === begin ? cutLevel : level };
      from = to;
    }
  }

  /** Where a chunk that repeats the end of the one before begins: at a word if there is one. */
  function overlapBegin(begin: number): number {
    if (overlap === 0) return begin;
    const earliest = tokens.beginBefore(begin, overlap);
    for (const cut of words(text)([earliest, begin])) if (cut !== undefined) return cut;
    return earliest;
  }

  /** The structure of which a chunk holds the beginning or an inner part but not the whole. */
  function brokenAt(begin: number, end: number): Structure | undefined {
    return [begin, end - 1]
      .map((at) => outline.structures[outline.structureAt(at) ?? -1])
      .find((one) => one && (one.begin < begin || one.end > end));
  }
}

/** The parts of a span between cuts, each with the level of the cut that it begins at. */
function* partsAt([begin, end]: Span, splitter: Splitter, level: number, cutLevel = -1): Generator<Piece | undefined> {
  let from = begin;
  for (const cut of splitter([begin, end])) {
    if (cut === undefined) yield;
    else if (cut > from && cut < end) {
      yield { begin: from, end: cut, level: from === begin ? cutLevel : level };
      from = cut;
    }
  }
  yield { begin: from, end, level: from === begin ? cutLevel : level };
}

/** Ways to cut, coarse to fine. If none of them helps, the cut is between tokens. */
function* splittersFor(by: ChunkUnit, outline: Outline, options: ChunkOptions): Steps<Splitter[]> {
  const { text } = outline;
  const inLine = [clauses(text), phrases(text), words(text), unspacedWords(text)];
  const prose = [(span: Span) => outline.lines(span), (span: Span) => outline.sentences(span), ...inLine];
  const byParagraphs = [blocks(outline), paragraphs(text), ...prose];
  switch (by) {
    case "tokens":
      return [];
    case "sentences":
      return prose.slice(1);
    case "paragraphs":
      return byParagraphs;
    case "markdown":
      return [...(yield* markdownSplitters(text)), ...byParagraphs];
    case "turns":
      return [yield* turns(text, options), ...byParagraphs];
    case "sessions":
      return [yield* sessions(text, options), yield* turns(text, options), ...byParagraphs];
    case "code":
      return [codeBlocks(outline), blocks(outline), paragraphs(text), lines(text), words(text)];
  }
}

function checked(options: ChunkOptions) {
  const { by = "paragraphs", size: given, overlap = 0 } = parseOptions(CHUNKING, options) as ChunkOptions;
  const size = given ?? (by === "tokens" || by === "code" ? DEFAULT_SIZE : undefined);
  if (overlap > 0 && overlap >= (size ?? 1)) {
    const expected = size === undefined ? "0 where there is no size" : `an integer from 0 to ${size - 1}`;
    throw invalidArgument("overlap", expected, overlap);
  }
  return { by, size, overlap };
}
