import type { RankDocument } from "../types.ts";

/**
 * Ids of the documents that ICR's files mark as gold: their records say `is_supporting`, and no list of ids stands beside
 * them. (Chen et al. 2024, arXiv 2410.02642.)
 *
 * @param records Documents as they stood in the file.
 * @param documents The same, read.
 * @returns null where no record says whether it is.
 */
export function supportingIds(records: readonly unknown[], documents: readonly RankDocument[]): string[] | null {
  const marks = records.map((record) => (Object(record) as Record<string, unknown>).is_supporting);
  if (!marks.some((mark) => typeof mark === "boolean")) return null;
  return documents.filter((_, index) => marks[index] === true).map(({ id }) => id);
}
