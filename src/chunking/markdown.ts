import { firstWhere } from "../util/first-where.ts";
import type { Steps } from "../util/in-slices.ts";
import { frontMatterLength } from "./front-matter.ts";
import { type Lines, linesOf, matchAt, STEP_LINES, trimmedEnd } from "./lines.ts";
import { type Splitter, within } from "./splitter.ts";
import { type Structure, structuresOf } from "./structures.ts";

/** A block of Markdown: a heading with its depth, a list with its items, fenced code, or a paragraph. */
export type Block = {
  begin: number;
  /** Where its own text ends; space up to the next block may follow. */
  end: number;
  kind: "front matter" | "heading" | "list" | "code" | "other";
  depth: number;
  items: number[];
};

const HEADING = / {0,3}(#{1,6})(?=[ \t]|$)/my;
const UNDERLINE = / {0,3}(=+|-+)[ \t]*$/my;
const RULE = / {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/my;
const ITEM = /( {0,3})(?:([-*+])|(\d{1,9})([.)]))([ \t]+|$)/my;
const QUOTE = / {0,3}>/y;
/** HTML that may contain blank lines, with what ends it. */
const LONG_MARKUP = / {0,3}<(?:(!--)|(\?)|(!\[CDATA\[)|(script|pre|style|textarea)(?=[\s>]|$))/imy;
const LONG_MARKUP_ENDS = ["-->", "?>", "]]>", undefined];
/** Elements that begin a block, which ends at a blank line, as CommonMark lists them. */
const BLOCK_MARKUP =
  / {0,3}<\/?(?:address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul)(?=[\s/>]|$)/imy;
/** Any other element, alone on its line. */
const LONE_MARKUP = / {0,3}<\/?[a-z][\w-]*(?:\s[^<>\n]*)?>[ \t]*$/imy;

/**
 * The top-level blocks of a Markdown text, in order, as CommonMark has them, and tables. Each goes to the beginning of the
 * next; what stands before the first belongs to it.
 *
 * The scan looks at the beginnings of lines and not at inline markup, so its time is linear in the length of the text.
 */
export function* markdownBlocks(text: string): Steps<Block[]> {
  const matter = frontMatterLength(text);
  const blocks: Block[] = matter > 0 ? [{ begin: 0, end: matter, kind: "front matter", depth: 0, items: [] }] : [];
  const lines = yield* linesOf(text);
  const structures = yield* structuresOf(text, lines);
  return blocks.concat(yield* scan(text, lines, structures, matter));
}

function* scan(text: string, { begins, ends }: Lines, structures: readonly Structure[], from: number): Steps<Block[]> {
  const blocks: Block[] = [];
  let structure = 0;
  let line = 0;
  while (line < begins.length && begins[line]! < from) line++;
  for (let count = 0; line < begins.length; count++) {
    if (count % STEP_LINES === 0) yield;
    if (isBlank(line)) {
      line++;
      continue;
    }
    line = yield* blockAt(line);
  }
  return blocks;

  /** Adds the block that a line begins; the line after it. */
  function* blockAt(first: number): Steps<number> {
    const framed = structureOf(first);
    if (framed && !matchAt(ITEM, text, begins[first]!) && !matchAt(QUOTE, text, begins[first]!)) {
      return add(first, lineAfter(framed), framed.kind === "fence" ? "code" : "other");
    }
    const heading = matchAt(HEADING, text, lineBegin(first));
    if (heading) return add(first, first + 1, "heading", heading[1]!.length);
    if (matchAt(RULE, text, begins[first]!)) return add(first, first + 1, "other");
    if (matchAt(QUOTE, text, begins[first]!)) return add(first, yield* quoteEnd(first), "other");
    if (matchAt(ITEM, text, begins[first]!)) return yield* addList(first);
    if (isMarkup(first)) return add(first, markupEnd(first), "other");
    if (/^(?: {4}|\t)/.test(text.slice(begins[first]!, begins[first]! + 4)))
      return add(first, indentedEnd(first), "code");
    let next = first + 1;
    for (; next < begins.length && !isBlank(next); next++) {
      if (next % STEP_LINES === 0) yield;
      const underline = matchAt(UNDERLINE, text, begins[next]!);
      if (underline) return add(first, next + 1, "heading", underline[1]![0] === "=" ? 1 : 2);
      if (interrupts(next)) break;
    }
    return add(first, next, "other");
  }

  function add(first: number, next: number, kind: Block["kind"], depth = 0, items: number[] = []): number {
    let last = next - 1;
    while (last > first && isBlank(last)) last--;
    const end = trimmedEnd(text, begins[first]!, ends[last]!);
    blocks.push({ begin: begins[first]!, end, kind, depth, items });
    return next;
  }

  /** Whether a line ends the paragraph above it. */
  function interrupts(line: number): boolean {
    const at = begins[line]!;
    if (structureOf(line) || matchAt(HEADING, text, at) || matchAt(RULE, text, at) || matchAt(QUOTE, text, at))
      return true;
    const item = matchAt(ITEM, text, at);
    if (item && item.index + item[0].length < ends[line]! && (item[2] || item[3] === "1")) return true;
    return (matchAt(LONG_MARKUP, text, at) ?? matchAt(BLOCK_MARKUP, text, at)) !== null;
  }

  function* quoteEnd(first: number): Steps<number> {
    let next = first + 1;
    while (next < begins.length && !isBlank(next)) {
      if (next % STEP_LINES === 0) yield;
      if (!matchAt(QUOTE, text, begins[next]!) && interrupts(next)) break;
      const inside = structureOf(next);
      next = inside ? Math.max(next + 1, lineAfter(inside)) : next + 1;
    }
    return next;
  }

  function* addList(first: number): Steps<number> {
    const items: number[] = [];
    let mark: string | undefined;
    let column = 0;
    let next = first;
    let isAfterBlank = false;
    while (next < begins.length) {
      if (next % STEP_LINES === 0) yield;
      if (isBlank(next)) {
        isAfterBlank = true;
        next++;
        continue;
      }
      const item = matchAt(ITEM, text, begins[next]!);
      const kind = item && (item[2] ?? item[4]);
      const isIndented = next > first && indentOf(next) >= column;
      if (!isIndented) {
        if (item && !matchAt(RULE, text, begins[next]!) && (mark === undefined || kind === mark)) {
          mark = kind!;
          // Up to four spaces belong to the mark of the item; a mark without text counts one.
          const gap = item[5]!.replaceAll("\t", "    ").length;
          column = item[0].length - item[5]!.length + (gap >= 1 && gap <= 4 ? gap : 1);
          items.push(begins[next]!);
        } else if (isAfterBlank || interrupts(next) || item) break;
      }
      isAfterBlank = false;
      const inside = structureOf(next);
      next = inside ? Math.max(next + 1, lineAfter(inside)) : next + 1;
    }
    return add(first, next, "list", 0, items);
  }

  function isMarkup(line: number): boolean {
    return [LONG_MARKUP, BLOCK_MARKUP, LONE_MARKUP].some((form) => matchAt(form, text, begins[line]!));
  }

  function markupEnd(first: number): number {
    const match = matchAt(LONG_MARKUP, text, begins[first]!);
    if (match) {
      const mark = LONG_MARKUP_ENDS[match.slice(1).findIndex((group) => group !== undefined)] ?? `</${match[4]}`;
      const found = text.indexOf(mark, begins[first]!);
      return found === -1 ? begins.length : lineFrom(found + 1);
    }
    let next = first + 1;
    while (next < begins.length && !isBlank(next)) next++;
    return next;
  }

  function indentedEnd(first: number): number {
    let next = first + 1;
    while (next < begins.length && (isBlank(next) || indentOf(next) >= 4)) next++;
    return next;
  }

  /** Columns of white space before a line's text. */
  function indentOf(line: number): number {
    let column = 0;
    for (let at = begins[line]!; at < ends[line]!; at++) {
      if (text[at] === " ") column++;
      else if (text[at] === "\t") column += 4 - (column % 4);
      else break;
    }
    return column;
  }

  /** The structure that a line is in; lines come in order. */
  function structureOf(line: number): Structure | undefined {
    while (structure < structures.length && structures[structure]!.end <= begins[line]!) structure++;
    const found = structures[structure];
    return found && found.begin <= begins[line]! ? found : undefined;
  }

  function lineAfter({ end }: Structure): number {
    return lineFrom(end);
  }

  /** The first line that begins at a position or after it. */
  function lineFrom(position: number): number {
    return firstWhere(begins.length, (index) => begins[index]! >= position);
  }

  function lineBegin(index: number): number {
    // A byte order mark is no part of a heading.
    return index === 0 && text.startsWith("\uFEFF") ? 1 : begins[index]!;
  }

  function isBlank(index: number): boolean {
    return trimmedEnd(text, begins[index]!, ends[index]!) === begins[index]!;
  }
}

/**
 * Ways to cut a Markdown text, coarse to fine: before headings of depth 1, of depth 2, … 6; before blocks, where a heading
 * stays with the block below it; before every block; before the items of lists.
 */
export function* markdownSplitters(text: string): Steps<Splitter[]> {
  const blocks = yield* markdownBlocks(text);
  const headings: Splitter[] = [];
  for (let depth = 1; depth <= 6; depth++) {
    yield;
    const isCut = (block: Block) => block.kind === "heading" && block.depth <= depth;
    headings.push(within(blocks.filter(isCut).map(({ begin }) => begin)));
  }
  yield;
  const starts = blocks.filter((_, index) => blocks[index - 1]?.kind !== "heading").map(({ begin }) => begin);
  const items = blocks.flatMap((block) => block.items);
  return [...headings, within(starts), within(blocks.map(({ begin }) => begin)), within(items)];
}
