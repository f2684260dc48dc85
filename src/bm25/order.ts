/**
 * Indexes of documents in trec_eval's order: higher score first, and of equal scores the id that is greater byte by byte.
 *
 * @param scores As long as `ids`.
 */
export function sortAsTrec(ids: readonly string[], scores: readonly number[]): number[] {
  return ids.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || compareBytes(ids[b]!, ids[a]!));
}

/** As C's `strcmp` compares UTF-8: by code point, where JavaScript's `<` compares UTF-16 units. */
function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}
