import { collect, inSlices, type Steps } from "../util/in-slices.ts";
import { Outline } from "./outline.ts";
import { codeBlocks } from "./splitters.ts";
import type { Structure } from "./structures.ts";

/** A sentence of prose, a line of fenced code or of a table, or a block of source; half-open in UTF-16 units. None is blank. */
type TextUnit = {
  begin: number;
  end: number;
  /** Index of the structure that it belongs to, such as fenced code. */
  structure?: number;
  /** True for the lines that must stay where any other unit of the structure stays: fences, a table's header. */
  frame: boolean;
};

export type TextUnits = { units: TextUnit[]; structures: readonly Structure[] };

export type TextUnitsOptions = {
  /** Whether the text is the source of a program: its units are blocks. Defaults to `false`. */
  isSource?: boolean | undefined;
  /** Where units must end besides, such as the ends of chunks: indexes of the text, ascending. Defaults to none. */
  cuts?: readonly number[] | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * The smallest parts of a text that read by themselves, in order; joined they are the text. White space belongs to the unit
 * before it, and to the first one at the beginning. A blank text has none.
 *
 * A wrapped line does not end a sentence; see `Outline`. A unit of a structure names the structure, whose other lines it needs
 * to make sense: a row of a table needs the header, a line of code the fences.
 */
export function textUnits(text: string, options: TextUnitsOptions = {}): Promise<TextUnits> {
  return inSlices(unitSteps(text, options), options.signal);
}

function* unitSteps(text: string, { isSource = false, cuts = [] }: TextUnitsOptions): Steps<TextUnits> {
  if (text.trim() === "") return { units: [], structures: [] };
  const outline = yield* Outline.of(text, isSource);
  const whole = [0, text.length] as const;
  const own = yield* collect(isSource ? codeBlocks(outline)(whole) : outline.sentences(whole));
  const edges = merge(own, cuts, text.length);
  const units: TextUnit[] = [];
  let begin = 0;
  for (const [index, end] of edges.entries()) {
    if (index % 256 === 0) yield;
    // White space belongs to the unit before it, and at the beginning of the text to the first one.
    if (text.slice(begin, end).trim() === "") {
      if (units.length > 0) {
        units.at(-1)!.end = end;
        begin = end;
      }
      continue;
    }
    const at = begin + text.slice(begin, end).search(/\S/);
    const structure = outline.structureAt(at);
    const frame =
      structure !== undefined && outline.structures[structure]!.frame.some(([from, to]) => at < to && end > from);
    units.push({ begin, end, ...(structure !== undefined && { structure }), frame });
    begin = end;
  }
  return { units, structures: outline.structures };
}

/** Two ascending lists as one, within a text, and its end. */
function merge(a: readonly number[], b: readonly number[], length: number): number[] {
  const edges: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const next = Math.min(a[i] ?? length, b[j] ?? length);
    if (next >= length) break;
    while (i < a.length && a[i]! <= next) i++;
    while (j < b.length && b[j]! <= next) j++;
    if (next > 0) edges.push(next);
  }
  edges.push(length);
  return edges;
}
