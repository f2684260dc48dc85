import { sortAsTrec } from "../../bm25/order.ts";
import { invalid, type Notes } from "./notes.ts";
import { splitColumns } from "./qrels.ts";
import { decodeLine, readLines } from "./records.ts";

/** A ranking: ids and scores, in trec_eval's order. */
type RunRanking = { ids: string[]; scores: number[] };

export type TrecRun = {
  /** Name in the last column of the first line. */
  name: string;
  rankings: Map<string, RunRanking>;
};

/**
 * Reads a TREC run, `query Q0 document rank score name`. As in trec_eval the order comes from the scores, which are read in
 * single precision, equal ones by descending id, and the rank column is ignored.
 *
 * @throws InputError `INVALID_INPUT`, naming the line, for another number of columns, a score that is no number, or a
 * document that stands twice for one query.
 */
export async function readTrecRun(file: string, notes: Notes): Promise<TrecRun> {
  const found = new Map<string, Map<string, number>>();
  let name = "";
  for await (const { bytes, position } of readLines(file, notes)) {
    const columns = splitColumns(decodeLine(bytes, position));
    if (columns.length !== 6) {
      throw invalid(position, `has ${columns.length} columns where 6 were expected: query Q0 document rank score name`);
    }
    const [query, , document, , text] = columns as [string, string, string, string, string, string];
    const score = Math.fround(Number(text));
    if (text === "" || !Number.isFinite(score))
      throw invalid(position, `has the score ${JSON.stringify(text)}: it must be a number`);
    name ||= columns[5]!;
    const scores = found.get(query) ?? new Map<string, number>();
    found.set(query, scores);
    if (scores.has(document)) throw invalid(position, `has ${document} a second time for query ${query}`);
    scores.set(document, score);
  }
  if (found.size === 0) throw invalid(file, "has no lines where a TREC run was expected");
  const rankings = new Map<string, RunRanking>();
  for (const [query, scores] of found) {
    const ids = [...scores.keys()];
    const values = [...scores.values()];
    const order = sortAsTrec(ids, values);
    rankings.set(query, { ids: order.map((i) => ids[i]!), scores: order.map((i) => values[i]!) });
  }
  return { name, rankings };
}

/** An id as TREC files can hold it: trec_eval parts columns at white space, so that it is written as `%20` here. */
export function trecId(id: string): string {
  return id.replace(/\s/gu, encodeURIComponent);
}

/** The lines of a run for one query, `documents` in the order that they are ranked in. Scores keep every digit. */
export function formatTrecRun(query: string, ids: readonly string[], scores: readonly number[], name: string): string {
  const order = sortAsTrec(ids, scores);
  return order
    .map((i, rank) => [trecId(query), "Q0", trecId(ids[i]!), rank + 1, scores[i], name].join("\t"))
    .join("\n");
}
