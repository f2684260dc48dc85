import type { PruneUnit } from "./select.ts";

const BLANK_LINE = /(?:\r\n|[\r\n])[^\S\r\n]*[\r\n]/;
const ENDS_WITH_BLANK_LINE = new RegExp(`${BLANK_LINE.source}\\s*$`);

/**
 * What stays of a text, verbatim and in its order, with the marker wherever something was left out; empty where nothing
 * stays. After a marker the line breaks before a block stay too, so that it begins a line as it did.
 */
export function joinKept(text: string, units: readonly PruneUnit[], kept: readonly boolean[], marker: string): string {
  if (!kept.includes(true)) return "";
  let joined = "";
  let last: PruneUnit | undefined;
  for (const [index, unit] of units.entries()) {
    if (!kept[index]) {
      if (index === 0 || kept[index - 1]) joined += marker;
      continue;
    }
    if (index > 0 && !kept[index - 1]) {
      const space = spaceBefore(text, units[index - 1]!, unit, last);
      // Without a marker there may be nothing to break from.
      if (marker !== "" || !(joined === "" || ENDS_WITH_BLANK_LINE.test(joined))) joined += space;
    }
    joined += text.slice(unit.begin, unit.end);
    last = unit;
  }
  return joined;
}

/** The white space that must stay between what was left out and a unit: the line breaks before a block. */
function spaceBefore(text: string, dropped: PruneUnit, unit: PruneUnit, last: PruneUnit | undefined): string {
  const left = text.slice(dropped.begin, dropped.end);
  const space = left.slice(left.trimEnd().length);
  if (!/[\r\n]/.test(space)) return "";
  // A paragraph would go on with the row or item above it.
  return unit.isBlock || (last?.isBlock && BLANK_LINE.test(space)) ? space : "";
}
