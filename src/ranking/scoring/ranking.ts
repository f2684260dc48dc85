import { invalidArgument } from "../../errors.ts";

/**
 * Orders documents by score, highest first; equal scores keep the order of the documents.
 *
 * @param scores One per document; none may be NaN.
 * @param topK How many to return, at least 1. Default: all.
 * @returns Indexes into `scores`.
 * @throws InputError `INVALID_ARGUMENT` for a NaN, or a `topK` that is not a positive integer.
 */
export function rankDocuments(scores: ArrayLike<number>, topK?: number): number[] {
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw invalidArgument("topK", "an integer of at least 1", topK);
  }
  const values = Array.from(scores);
  const bad = values.findIndex(Number.isNaN);
  if (bad !== -1) throw invalidArgument(`scores[${bad}]`, "a number", values[bad]);
  const order = values.map((_, index) => index);
  order.sort((a, b) => (values[a] === values[b] ? a - b : values[a]! < values[b]! ? 1 : -1));
  return order.slice(0, topK);
}
