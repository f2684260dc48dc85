import type { Span } from "../types.ts";
import { firstWhere } from "../util/first-where.ts";
import type { Steps } from "../util/in-slices.ts";
import { isSpace, type Lines, matchAt, STEP_LINES, trimmedEnd } from "./lines.ts";

/** Lines of a text that make sense only together with some of them: fenced code, a table, a comment or string of source. */
export type Structure = {
  kind: "fence" | "table" | "comment";
  /** The whole, from the beginning of its first line to the end of its last, without that line's break. */
  begin: number;
  end: number;
  /**
   * The lines that must stay where any other line of it stays: the opening and the closing fence, a table's header with its
   * delimiter row. A fence that is never closed has only its opening.
   */
  frame: Span[];
};

const FENCE = /[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})/y;
const ITEM = /[ \t>]*(?:[-+*]|\d{1,9}[.)])[ \t]+/y;
const MARGIN = /[ \t>]*/y;
/** Of a row without its margins. */
const DELIMITER_ROW = /^\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$/;

/** The fences and tables of a text, in order, in lists and quotes too. A fence goes to where CommonMark ends it. */
export function* structuresOf(text: string, { begins, ends }: Lines): Steps<Structure[]> {
  const found: Structure[] = [];
  /** Column from which on the text of the present list item stands; 0 outside lists. */
  let itemColumn = 0;
  for (let i = 0; i < begins.length; i++) {
    if (i % STEP_LINES === 0) yield;
    const fence = yield* fenceAt(i);
    if (fence) {
      i = fence.last;
      found.push(fence.structure);
      continue;
    }
    const table = tableAt(i);
    if (table) {
      i = table.last;
      found.push(table.structure);
      continue;
    }
    const item = matchAt(ITEM, text, begins[i]!);
    if (item && item.index + item[0].length <= ends[i]!) itemColumn = item[0].length;
    else if (itemColumn > 0 && isBlank(i - 1) && !isBlank(i) && margin(i).width === 0) itemColumn = 0;
  }
  return found;

  function* fenceAt(first: number): Steps<{ structure: Structure; last: number } | undefined> {
    const opening = matchAt(FENCE, text, begins[first]!);
    if (!opening) return;
    const mark = opening[1]!;
    const info = begins[first]! + opening[0].length;
    if (mark[0] === "`" && text.slice(info, ends[first]!).includes("`")) return;
    const { depth, width } = margin(first);
    const column = opening[0].length - mark.length;
    const inside = column > width ? column : itemColumn > 0 && width >= itemColumn ? itemColumn : 0;
    // Four spaces outside a list make code by themselves: what stands there is no fence.
    if (inside === 0 && width > 3 && depth === 0) return;
    let last = first;
    for (let i = first + 1; i < begins.length; i++) {
      if (i % STEP_LINES === 0) yield;
      if (isBlank(i)) continue;
      const at = margin(i);
      if (at.depth < depth || (inside > 0 && depth === 0 && at.width < Math.min(inside, 4))) break;
      last = i;
      if (closes(i, begins[i]! + at.width, mark)) {
        const frame: Span[] = [lineSpan(first), lineSpan(i)];
        return { structure: { kind: "fence", begin: begins[first]!, end: ends[i]!, frame }, last: i };
      }
    }
    return {
      structure: { kind: "fence", begin: begins[first]!, end: ends[last]!, frame: [lineSpan(first)] },
      last,
    };
  }

  function closes(line: number, at: number, mark: string): boolean {
    let end = at;
    while (text[end] === mark[0]) end++;
    if (end - at < mark.length) return false;
    while (end < ends[line]! && isSpace(text.charCodeAt(end))) end++;
    return end === ends[line]!;
  }

  function tableAt(header: number): { structure: Structure; last: number } | undefined {
    const delimiter = header + 1;
    if (delimiter >= begins.length || !hasBar(header)) return;
    const row = rowText(delimiter);
    if (!DELIMITER_ROW.test(row) || cells(rowText(header)) !== cells(row)) return;
    let last = delimiter;
    while (last + 1 < begins.length && !isBlank(last + 1) && hasBar(last + 1)) last++;
    const frame: Span[] = [[begins[header]!, ends[delimiter]!]];
    return { structure: { kind: "table", begin: begins[header]!, end: ends[last]!, frame }, last };
  }

  function rowText(line: number): string {
    return text.slice(begins[line]! + margin(line).width, ends[line]!).trimEnd();
  }

  function lineSpan(line: number): Span {
    return [begins[line]!, ends[line]!];
  }

  function hasBar(line: number): boolean {
    return text.slice(begins[line]!, ends[line]!).includes("|");
  }

  function isBlank(line: number): boolean {
    return line < 0 || trimmedEnd(text, begins[line]!, ends[line]!) === begins[line]!;
  }

  /** Characters before the text of a line, and the marks of quotes among them. */
  function margin(line: number): { width: number; depth: number } {
    const found = matchAt(MARGIN, text, begins[line]!)![0];
    const depth = found.includes(">") ? found.split(">").length - 1 : 0;
    return { width: found.length, depth };
  }
}

function cells(row: string): number {
  const inner = row.replace(/^\|/, "").replace(/\|$/, "");
  let count = 1;
  for (let i = 0; i < inner.length; i++) {
    if (inner[i] === "\\") i++;
    else if (inner[i] === "|") count++;
  }
  return count;
}

/** The comments and strings of source that go over several lines, where their marks begin a line or hold it open. */
export function* sourceStructures(text: string, { begins, ends }: Lines): Steps<Structure[]> {
  const found: Structure[] = [];
  /** Marks that no line from here on holds. */
  const gone = new Set<string>();
  for (let first = 0; first < begins.length; first++) {
    if (first % STEP_LINES === 0) yield;
    const close = openedBy(text.slice(begins[first]!, ends[first]!));
    if (!close || gone.has(close)) continue;
    const at = text.indexOf(close, ends[first]!);
    if (at === -1) {
      gone.add(close);
      continue;
    }
    const last = firstWhere(begins.length, (line) => begins[line]! > at) - 1;
    const frame: Span[] = [first, last].map((line) => [begins[line]!, ends[line]!]);
    found.push({ kind: "comment", begin: begins[first]!, end: ends[last]!, frame });
    first = last;
  }
  return found;
}

/** The mark that closes what a line of source leaves open. */
function openedBy(line: string): string | undefined {
  if (/^\s*\/\*/.test(line) && !line.includes("*/")) return "*/";
  if (/^\s*<!--/.test(line) && !line.includes("-->")) return "-->";
  return ['"""', "'''"].find((mark) => line.split(mark).length % 2 === 0);
}
