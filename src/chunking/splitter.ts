import type { Span } from "../types.ts";
import { firstWhere } from "../util/first-where.ts";

/**
 * Says where a stretch of a text may be cut: indexes strictly inside it, ascending; `undefined` where there is none yet and
 * a caller may pause. What stands between two cuts is one part, with the space and line breaks after it.
 */
export type Splitter = (span: Span) => Iterable<number | undefined>;

/** Cuts at given positions, ascending. */
export function within(positions: readonly number[]): Splitter {
  return function* ([begin, end]) {
    for (let i = firstWhere(positions.length, (at) => positions[at]! > begin); i < positions.length; i++) {
      if (positions[i]! >= end) return;
      yield positions[i]!;
    }
  };
}
