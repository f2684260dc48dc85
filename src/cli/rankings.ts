import type { RankResult } from "../ranking/results.ts";
import { oneLine, printText } from "./output.ts";
import type { SourceDocument } from "./sources.ts";
import { decimalsFor } from "./table.ts";

/**
 * Prints a ranking for other programs: ids, one a line; rank, score, id and text, between tabs; or the documents' texts.
 *
 * @param query The id of the query, where there are several: a first column of ids and tsv.
 */
export function printRanking(
  { results }: RankResult,
  documents: readonly SourceDocument[],
  format: "ids" | "tsv" | "text",
  query?: string,
): void {
  const decimals = decimalsFor(results.map(({ score }) => score));
  const lines = results.map(({ id, score, index }, rank) => {
    const { text, title } = documents[index]!;
    if (format === "text") return text.replace(/\n$/, "");
    const columns = query === undefined ? [] : [oneLine(query)];
    if (format === "ids") return [...columns, oneLine(id)].join("\t");
    const shown = oneLine([title, text].filter(Boolean).join(" · "));
    return [...columns, String(rank + 1), score.toFixed(decimals), oneLine(id), shown].join("\t");
  });
  if (lines.length > 0) printText(lines.join("\n"));
}
