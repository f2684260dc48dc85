import type { Span } from "../types.ts";
import { firstWhere } from "../util/first-where.ts";
import type { Steps } from "../util/in-slices.ts";
import { type Lines, linesOf, matchAt, STEP_LINES, trimmedEnd } from "./lines.ts";
import { sentenceStarts } from "./sentences.ts";
import { type Structure, sourceStructures, structuresOf } from "./structures.ts";
import { wrappedLines } from "./wrapped-lines.ts";

const MARGIN = /[ \t>]*/y;

/** Which lines of a text begin something new, and which continue the line above. */
export class Outline {
  readonly text: string;
  /** Fences and tables of a text, comments and strings of source; in order, none inside another. */
  readonly structures: readonly Structure[];
  /** Where lines begin that do not go on with the one above, but for blank ones and the first; ascending. */
  readonly lineStarts: readonly number[];
  /** The text with a space for each line break inside a wrapped sentence; as long as the text. */
  readonly #flat: string;
  readonly #isSource: boolean;

  private constructor(
    text: string,
    isSource: boolean,
    parts: Pick<Outline, "structures" | "lineStarts"> & { flat: string },
  ) {
    this.text = text;
    this.structures = parts.structures;
    this.lineStarts = parts.lineStarts;
    this.#flat = parts.flat;
    this.#isSource = isSource;
  }

  /** @param isSource Whether the text is the source of a program, whose lines are never wrapped sentences. */
  static *of(text: string, isSource = false): Steps<Outline> {
    const lines = yield* linesOf(text);
    const structures = yield* (isSource ? sourceStructures : structuresOf)(text, lines);
    const { apart, continued } = yield* linesOfStructures(lines, structures);
    const joints = isSource ? [] : yield* wrappedLines(text, lines, (line) => apart[line] === 1);
    const pieces: string[] = [];
    let done = 0;
    for (const { line, from, to } of joints) {
      continued[line] = 1;
      pieces.push(text.slice(done, from), " ".repeat(to - from));
      done = to;
      if (pieces.length % STEP_LINES === 0) yield;
    }
    const flat = done === 0 ? text : pieces.join("") + text.slice(done);
    const lineStarts: number[] = [];
    let isFirst = true;
    for (const [index, begin] of lines.begins.entries()) {
      if (index % STEP_LINES === 0) yield;
      if (continued[index] || isEmpty(text, begin, lines.ends[index]!)) continue;
      if (!isFirst) lineStarts.push(begin);
      isFirst = false;
    }
    return new Outline(text, isSource, { structures, lineStarts, flat });
  }

  /** The line starts strictly inside a span. */
  *lines([begin, end]: Span): Generator<number> {
    const { lineStarts } = this;
    for (let i = firstWhere(lineStarts.length, (at) => lineStarts[at]! > begin); i < lineStarts.length; i++) {
      if (lineStarts[i]! >= end) return;
      yield lineStarts[i]!;
    }
  }

  /** The beginnings of sentences strictly inside a span, and of lines where they do not go on; inside structures of lines alone. */
  *sentences(span: Span): Generator<number | undefined> {
    let from = span[0];
    for (const start of this.lines(span)) {
      yield* this.#sentencesOfLine(from, start);
      yield start;
      from = start;
    }
    yield* this.#sentencesOfLine(from, span[1]);
  }

  *#sentencesOfLine(begin: number, end: number): Generator<number | undefined> {
    if (this.#isSource || this.structureAt(begin) !== undefined) return;
    for (const start of sentenceStarts(this.#flat, begin, end)) {
      if (start === undefined) yield;
      else yield this.#beforeQuote(start, begin);
    }
  }

  /** The beginning of its line where a sentence is the first of a quoted one, so that the quote's mark stays with it. */
  #beforeQuote(start: number, least: number): number {
    let at = start;
    while (at > least && /[ \t>]/.test(this.text[at - 1]!)) at--;
    const isLine = at > least && /[\r\n]/.test(this.text[at - 1]!);
    return isLine && this.text.slice(at, start).includes(">") ? at : start;
  }

  /** The index of the structure that holds a position. */
  structureAt(position: number): number | undefined {
    const index = firstWhere(this.structures.length, (at) => this.structures[at]!.begin > position) - 1;
    return index >= 0 && position < this.structures[index]!.end ? index : undefined;
  }
}

/** Whether a line is blank, or holds the mark of a quote alone. */
function isEmpty(text: string, begin: number, end: number): boolean {
  return trimmedEnd(text, begin, end) <= begin + matchAt(MARGIN, text, begin)![0].length;
}

/** Which lines stand in a structure, and which of these belong to the line above: a table's row of dashes to its header. */
function* linesOfStructures({ begins, ends }: Lines, structures: readonly Structure[]) {
  const apart = new Uint8Array(begins.length);
  const continued = new Uint8Array(begins.length);
  let line = 0;
  for (const { kind, begin, end, frame } of structures) {
    while (begins[line]! < begin) line++;
    for (; line < apart.length && begins[line]! < end; line++) {
      if (line % STEP_LINES === 0) yield;
      apart[line] = 1;
      if (kind === "table" && begins[line]! > begin && ends[line]! <= frame[0]![1]) continued[line] = 1;
    }
  }
  return { apart, continued };
}
