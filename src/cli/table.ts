import Table from "cli-table3";
import type { RankedDocument } from "../ranking/results.ts";
import type { RankDocument } from "../types.ts";
import { append, largestOf } from "../util/extremes.ts";
import { bold, oneLine } from "./output.ts";

/** Columns of text that a result shows of its document where the terminal does not say how wide it is. */
const TEXT_WIDTH = 80;
/** Ids longer than this are cut. */
const ID_LENGTH = 32;

/** Columns without lines around them. A `widths` entry cuts its column, by display width and not by characters. */
export function plainTable(
  head: string[],
  rows: string[][],
  widths: (number | null)[] = [],
  right: number[] = [],
): string {
  const none = "";
  const table = new Table({
    head: head.map((name) => bold(name)),
    colWidths: widths,
    colAligns: head.map((_, column) => (right.includes(column) ? "right" : "left")),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: {
      ...{ top: none, "top-mid": none, "top-left": none, "top-right": none },
      ...{ bottom: none, "bottom-mid": none, "bottom-left": none, "bottom-right": none },
      ...{ left: none, "left-mid": none, mid: none, "mid-mid": none, right: none, "right-mid": none, middle: none },
    },
  });
  append(table, rows);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/**
 * The results as a table: rank, score, what the heads say where a first stage was fused, id, and the beginning of each
 * document.
 *
 * @param show The text to show for a document instead of its own.
 */
export function rankingTable(
  results: readonly RankedDocument[],
  documents: readonly RankDocument[],
  show?: (result: RankedDocument, document: RankDocument) => string,
): string {
  const scoreDecimals = decimalsFor(results.map(({ score }) => score));
  const attentionDecimals = decimalsFor(results.map(({ attention = 0 }) => attention));
  const isFused = results.some(({ attention }) => attention !== undefined);
  const rows = results.map((result, rank) => {
    const document = documents[result.index]!;
    const text = show ? show(result, document) : beginning(document);
    const id = oneLine(result.id);
    return [
      String(rank + 1),
      result.score.toFixed(isFused ? 4 : scoreDecimals),
      ...(isFused ? [result.attention!.toFixed(attentionDecimals)] : []),
      id.length > ID_LENGTH ? `${id.slice(0, ID_LENGTH - 1)}…` : id,
      result.truncated ? `${text} (cut)` : text,
    ];
  });
  const widest = (column: number, least: number) =>
    rows.reduce((most, row) => Math.max(most, row[column]!.length), least);
  const fusedColumn = isFused ? 1 : 0;
  const others = 6 + fusedColumn * (widest(1, 5) + 2) + widest(1 + fusedColumn, 5) + widest(2 + fusedColumn, 2) + 6;
  const width = Math.max(20, (process.stdout.columns || others + TEXT_WIDTH) - others);
  const head = ["Rank", "Score", ...(isFused ? ["Heads"] : []), "Id", "Document"];
  const widths = head.map((name) => (name === "Document" ? width + 2 : null));
  return plainTable(head, rows, widths, isFused ? [0, 1, 2] : [0, 1]);
}

/** The document's title and text as one line, no longer than can be shown. */
export function beginning({ title, text }: RankDocument): string {
  const line = oneLine(text.slice(0, 1000));
  return title ? `${oneLine(title)} · ${line}` : line;
}

/** Decimals that give the largest score five digits: the smaller ones then line up with it. */
export function decimalsFor(scores: readonly number[]): number {
  const largest = largestOf(scores.map(Math.abs));
  if (!(largest > 0)) return 4;
  return Math.min(12, Math.max(0, 4 - Math.floor(Math.log10(largest))));
}
