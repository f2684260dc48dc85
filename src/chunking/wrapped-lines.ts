import type { Steps } from "../util/in-slices.ts";
import { isSpace, type Lines, matchAt, STEP_LINES, trimmedEnd } from "./lines.ts";

/** White space and marks of quotes before the text of a line. */
const MARGIN = /[ \t]*(?:>[ \t]?)*[ \t]*/y;
/** Begins an item of a list, when the line above has ended or other lines begin alike. */
const ITEM = /(?:([-*+•‣◦–—])|\(?(?:\d{1,3}[.)]|[a-zA-Z]\)))[ \t]+(?=\S)/y;
/** Begins what somebody says, or a field, under the same conditions; sentences may begin so too. */
const LABEL = /@?\p{L}[\p{L}\p{N}_.'’-]{0,20}(?: [\p{L}\p{N}_.'’-]{1,20}){0,2}:(?:\s|$)/uy;
/** If this share of the lines of a block begin with a label, the labels are no accident. */
const LABELLED = 0.2;
/** Begins a block of its own: a heading, a row, markup, a check box, a rule. */
const BLOCK = /#{1,6}[ \t]|\||<[/a-zA-Z!]|\[[ xX]\][ \t]|-{3,}|\*{3,}|={3,}|_{3,}/y;
/** Scripts that put no space between words, and so wrap anywhere. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** The line of dashes or equals signs under a heading. */
const UNDERLINE = /(?:-+|=+)[ \t]*$/my;
const ENDED = /[.!?:;…\p{Sentence_Terminal}]["'”’»)\]*_`]*$/u;

/** Short words with a full stop, after which a number is no mark of an item: "(p. 39)". */
const ABBREVIATED = /(?:^|[\s(])\p{L}{1,4}\.$/u;

/** Columns between which texts are wrapped. */
const NARROWEST = 25;
const WIDEST = 250;
/** Line breaks that are looked at to tell how a text is wrapped. */
const SAMPLE = 4000;

type Line = {
  index: number;
  /** Where its text begins and ends, without margins. */
  begin: number;
  end: number;
  indent: number;
  depth: number;
  item: string | undefined;
  block: boolean;
  /** The case of its first letter; `none` where its script has none, or it begins with something else. */
  initial: "lower" | "upper" | "none";
  firstWord: number;
};

/** A line break between two lines of one block, where a wrapped text may go on. */
type Break = { above: Line; below: Line; length: number; block: number };

/** Where lines go on with the sentence above: `from` is where the text above ends, `to` where it goes on, one a joint. */
export type Joint = { line: number; from: number; to: number };

/**
 * The lines that continue the line above them, because the text was wrapped at some width.
 *
 * A line was wrapped if the next word would not have fitted. This holds for most line breaks of a wrapped text, and for few of
 * verse, chats and addresses. Where lines are ragged, one that begins with a small letter continues a line that
 * is not short.
 *
 * @param isApart Whether a line stands in a structure of its own, such as fenced code.
 */
export function* wrappedLines(text: string, lines: Lines, isApart: (line: number) => boolean): Steps<Joint[]> {
  const joints: Joint[] = [];
  const { breaks, underlines } = yield* breaksOf(text, lines, isApart);
  for (const { above, below } of underlines) joints.push(joint(above, below));
  const rule = ruleOf(breaks);
  for (let first = 0, blocks = 0; first < breaks.length; blocks++) {
    if (blocks % 64 === 0) yield;
    let last = first;
    while (last + 1 < breaks.length && breaks[last + 1]!.block === breaks[first]!.block) last++;
    const block = breaks.slice(first, last + 1);
    const continues = rule ?? (block.length >= 3 ? ruleOf(block, true) : undefined) ?? raggedRule(block[0]!);
    for (const [index, one] of block.entries()) {
      if (index % STEP_LINES === 0) yield;
      if (continues(one)) joints.push(joint(one.above, one.below));
    }
    first = last + 1;
  }
  return joints.sort((a, b) => a.line - b.line);
}

function joint(above: Line, below: Line): Joint {
  return { line: below.index, from: above.end, to: below.begin };
}

/** The line breaks inside blocks that no mark of a block or item decides. */
function* breaksOf(text: string, { begins, ends }: Lines, isApart: (line: number) => boolean) {
  const breaks: Break[] = [];
  const underlines: Pick<Break, "above" | "below">[] = [];
  let block: Line[] = [];
  let number = 0;
  for (let index = 0; index <= begins.length; index++) {
    if (index % STEP_LINES === 0) yield;
    const line =
      index < begins.length && !isApart(index) ? readLine(text, index, begins[index]!, ends[index]!) : undefined;
    if (line) {
      block.push(line);
      continue;
    }
    if (block.length > 1) yield* closeBlock();
    block = [];
    number++;
  }
  return { breaks, underlines };

  function* closeBlock(): Steps<void> {
    const items = new Map<string, number>();
    for (const { item } of block) if (item) items.set(item, (items.get(item) ?? 0) + 1);
    const isUsual = (item: string) => items.get(item)! > Math.max(1, item === "label" ? LABELLED * block.length : 0);
    for (let i = 0; i + 1 < block.length; i++) {
      if (i % STEP_LINES === 0) yield;
      const [above, below] = [block[i]!, block[i + 1]!];
      if (!above.block && below.end - below.begin >= 2 && matchAt(UNDERLINE, text, below.begin)) {
        underlines.push({ above, below });
        continue;
      }
      if (above.block || below.block || above.depth !== below.depth) continue;
      if (below.item && (isUsual(below.item) || hasEnded(text.slice(above.begin, above.end).slice(-12)))) continue;
      breaks.push({ above, below, length: above.end - above.begin + above.indent, block: number });
    }
  }
}

function hasEnded(tail: string): boolean {
  return ENDED.test(tail) && !ABBREVIATED.test(tail);
}

/** Undefined for a blank line. */
function readLine(text: string, index: number, from: number, to: number): Line | undefined {
  const margin = matchAt(MARGIN, text, from)![0];
  const begin = Math.min(to, from + margin.length);
  const end = trimmedEnd(text, begin, to);
  if (begin >= end) return;
  let word = begin;
  while (word < end && word - begin < 60 && !isSpace(text.charCodeAt(word))) word++;
  const head = text.slice(begin, Math.min(end, begin + 8));
  const letter = /^["'“‘„«([*_`]*(\p{L})/u.exec(head)?.[1];
  const item = matchAt(ITEM, text, begin);
  return {
    index,
    begin,
    end,
    indent: margin.length,
    depth: margin.includes(">") ? margin.split(">").length - 1 : 0,
    item: item ? (item[1] ?? "number") : matchAt(LABEL, text, begin) ? "label" : undefined,
    block: matchAt(BLOCK, text, begin) !== null,
    initial:
      !letter || letter.toLowerCase() === letter.toUpperCase()
        ? "none"
        : letter === letter.toLowerCase()
          ? "lower"
          : "upper",
    firstWord: UNSPACED.test(head.slice(0, 1)) ? 1 : word - begin,
  };
}

type Rule = (one: Break) => boolean;

/** How a wrapped text or block continues its lines; undefined if it is not wrapped. */
function ruleOf(all: readonly Break[], isBlock = false): Rule | undefined {
  if (all.length === 0) return;
  const stride = Math.ceil(all.length / SAMPLE);
  const breaks = all.filter((_, index) => index % stride === 0);
  const lengths = breaks.map(({ length }) => length).sort((a, b) => a - b);
  const width = lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * (isBlock ? 1 : 0.9)))]!;
  if (width < NARROWEST || width > WIDEST) return;
  const reaches = ({ length, below }: Break, share: number) => length + 1 + below.firstWord > share * width;
  const full = (share: number) => breaks.filter((one) => reaches(one, share)).length / breaks.length;
  const cased = breaks.filter(({ below }) => below.initial !== "none");
  const lower = cased.filter(({ below }) => below.initial === "lower").length / Math.max(1, cased.length);
  const strict = full(0.98);
  // Verse begins its lines with capitals, and lower-case chats end theirs anywhere.
  const isStrict = strict >= 0.9 && (lower >= 0.3 || breaks.length >= 8);
  const isRagged = !isBlock && full(0.7) >= 0.5 && lower >= 0.35 && lower <= 0.95 && breaks.length >= 3;
  if (!isStrict && !isRagged) return;
  const share = isStrict ? 0.9 : 0.7;
  return (one) => {
    if (one.below.initial === "lower" || (one.above.item && one.above.item !== "label")) return true;
    return reaches(one, share) && one.below.indent < one.above.indent + 2;
  };
}

/** In a block of few lines, a small letter after a line that is not short continues it, unless all lines begin with one. */
function raggedRule(first: Break): Rule {
  return ({ above, below, length }) =>
    (below.initial === "lower" && first.above.initial !== "lower" && length >= NARROWEST) ||
    (above.item !== undefined && above.item !== "label" && below.indent > above.indent);
}
