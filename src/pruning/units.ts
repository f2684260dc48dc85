import type { Structure } from "../chunking/structures.ts";
import type { Span } from "../types.ts";
import { firstWhere } from "../util/first-where.ts";
import type { PruneUnit } from "./select.ts";

/** A unit before it has a price. */
export type Cut = Pick<PruneUnit, "begin" | "end" | "isBlock" | "isPassive" | "needs">;

/** Begins a block that a marker on its line would take the sense of: a heading, an item, a quote, a row, a fence, markup. */
const BLOCK = /^\s*(?:#{1,6}[ \t]|[-+*][ \t]|\d{1,9}[.)][ \t]|[>|<]|`{3}|~{3}|[-=]{3,})|^(?:\t| {4})/;

/**
 * The units of a text: what stands between two edges, and the lines that hold fences, tables and comments together as units
 * of their own where an edge would tear them. White space goes with the unit before it, at the beginning with the first one.
 *
 * @param edges Where units begin, ascending, without the first.
 * @param structures In order, none inside another.
 * @param isSource Whether the text is the source of a program, where lines keep their beginning.
 * @returns In order; joined they are the text. None for a blank text.
 */
export function cutUnits(
  text: string,
  edges: readonly number[],
  structures: readonly Structure[],
  isSource: boolean,
): Cut[] {
  const torn = structures.filter(({ begin, end }) => {
    const edge = edges[firstWhere(edges.length, (index) => edges[index]! > begin)];
    return edge !== undefined && edge < end;
  });
  const frames = torn.flatMap(({ frame }) => frame);
  const around = torn.flatMap(({ begin, end, frame }) => [
    begin,
    ...frame.flatMap(([from, to]) => [from, nextLine(text, to)]),
    nextLine(text, end),
  ]);
  const kept = edges.filter((edge) => !isWithin(frames, edge));
  const all = [...new Set([...kept, ...around, text.length])].sort((a, b) => a - b);
  const units: Cut[] = [];
  let begin = 0;
  for (const end of all) {
    if (end <= begin) continue;
    const part = text.slice(begin, end);
    if (part.trim() !== "") units.push({ begin, end, isBlock: isSource || BLOCK.test(part) });
    else if (units.length > 0) units.at(-1)!.end = end;
    else continue;
    begin = end;
  }
  bind(text, units, torn);
  return units;
}

/** Ties the units of every structure to those that hold it together. */
function bind(text: string, units: readonly Cut[], structures: readonly Structure[]): void {
  let first = 0;
  for (const { begin, end, frame } of structures) {
    while (first < units.length && units[first]!.end <= begin) first++;
    const members: Cut[] = [];
    const holders: number[] = [];
    for (let i = first; i < units.length && units[i]!.begin < end; i++) {
      const unit = units[i]!;
      members.push(unit);
      unit.isBlock = true;
      unit.isPassive = isWithin(frame, unit.begin + text.slice(unit.begin, unit.end).search(/\S/));
      if (unit.isPassive) holders.push(i);
    }
    for (const unit of members) unit.needs = holders;
  }
}

/** Whether a position is inside one of the spans, which stand in order, or at the beginning of one. */
function isWithin(spans: readonly Span[], position: number): boolean {
  const span = spans[firstWhere(spans.length, (index) => spans[index]![1] > position)];
  return span !== undefined && span[0] <= position;
}

/** The beginning of the next line that is not blank, or the end of the text. */
function nextLine(text: string, from: number): number {
  let line = from;
  let at = from;
  for (; at < text.length && /\s/.test(text[at]!); at++) if (/[\n\r\u0085\u2028\u2029]/.test(text[at]!)) line = at + 1;
  return at === text.length ? at : line;
}
