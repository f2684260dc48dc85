import type { ChunkOptions } from "../options/types/texts.ts";
import type { Steps } from "../util/in-slices.ts";
import { LINE_BREAK, linesOf, STEP_LINES } from "./lines.ts";
import type { Outline } from "./outline.ts";
import { type Splitter, within } from "./splitter.ts";
import { isInsidePair } from "./token-map.ts";
import { type TurnOptions, turnsOf } from "./turns.ts";

/** The ends of the matches of an expression, as cuts. */
function after(text: string, pattern: RegExp): Splitter {
  return function* ([begin, end]) {
    for (const match of text.slice(begin, end).matchAll(pattern)) {
      const cut = begin + match.index + match[0].length;
      if (cut > begin && cut < end) yield cut;
    }
  };
}

/** Cuts of a splitter that a test lets through. */
function where(splitter: Splitter, test: (cut: number) => boolean): Splitter {
  return function* (span) {
    for (const cut of splitter(span)) if (cut === undefined || test(cut)) yield cut;
  };
}

const BLANK_LINES = /(?:\r\n|\n|\r(?!\n))(?:[^\S\r\n]*(?:\r\n|\n|\r(?!\n)))+/g;

/** After blank lines. */
export const paragraphs = (text: string): Splitter => after(text, BLANK_LINES);

/** After blank lines outside of fences and tables. */
export function blocks(outline: Outline): Splitter {
  return where(paragraphs(outline.text), (cut) => {
    const structure = outline.structureAt(cut);
    return structure === undefined || outline.structures[structure]!.begin === cut;
  });
}

/** After line breaks. */
export const lines = (text: string): Splitter => after(text, LINE_BREAK);

/** Inside sentences: after semicolons, colons, commas and dashes. */
export const clauses = (text: string): Splitter => after(text, /[;:]["'”’)\]]*\s+|[；：]/g);
export const phrases = (text: string): Splitter =>
  after(text, /[,،–—]["'”’)\]]*\s+|[，、]|(?<=\p{Script=Thai}) +(?=\p{Script=Thai})/gu);

/** After spaces. */
export const words = (text: string): Splitter => after(text, /\s+/g);

/** Before lines that are not indented, follow a blank line, and do not close a bracket: declarations, as a rule. */
export function codeBlocks(outline: Outline): Splitter {
  const { text } = outline;
  return where(blocks(outline), (cut) => /[^\s)\]}]/.test(text[cut] ?? " "));
}

/** Scripts that put no space between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** ICU slows down on long strings. */
const SEGMENT = 1024;
let segmenter: Intl.Segmenter | undefined;

/** Between words of scripts without spaces, by ICU's dictionaries; no cuts in others. */
export function unspacedWords(text: string): Splitter {
  return function* ([begin, end]) {
    segmenter ??= new Intl.Segmenter("und", { granularity: "word" });
    for (let from = begin; from < end; ) {
      const to = Math.min(end, from + SEGMENT);
      const part = text.slice(from, to);
      let last = from;
      if (UNSPACED.test(part)) {
        for (const { index } of segmenter.segment(part)) {
          last = from + index;
          if (last > begin && !isInsidePair(text, last)) yield last;
        }
      } else yield;
      // The last word may go on after the part.
      from = last > from && to < end ? last : to;
    }
  };
}

export type SessionOptions = Pick<ChunkOptions, "session">;

const SESSION = /^[#*=\-\s]*(?:(?:session|conversation|chat|day)\s+#?\d+\b|date:)/i;

/** Before the turns of a conversation; see `turnsOf`. */
export function* turns(text: string, options: TurnOptions): Steps<Splitter> {
  return within((yield* turnsOf(text, options)).map(({ begin }) => begin));
}

/** Before the lines that begin a session of a conversation. */
export function* sessions(text: string, { session = SESSION }: SessionOptions): Steps<Splitter> {
  const { begins, ends } = yield* linesOf(text);
  const pattern = new RegExp(session.source, session.flags.replace(/[gy]/g, ""));
  const found: number[] = [];
  for (const [index, begin] of begins.entries()) {
    if (index % STEP_LINES === 0) yield;
    if (text.slice(begin, Math.min(ends[index]!, begin + 400)).search(pattern) === 0) found.push(begin);
  }
  return within(found);
}
