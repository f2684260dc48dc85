import type { Grades } from "../types.ts";
import { invalid, type Notes } from "./notes.ts";
import { decodeLine, readLines } from "./records.ts";

/** Judgements by query, then by document. */
export type Qrels = Map<string, Map<string, number>>;

/**
 * Reads judgements: BEIR's `query-id⇥corpus-id⇥score` with or without its heading, or TREC's `query iteration document
 * grade`, separated by tabs or spaces. `.gz` is unpacked.
 *
 * @param notes Is told of judgements that stand twice.
 * @throws InputError `INVALID_INPUT`, naming the line, for another number of columns, a grade that is no integer, a
 * document judged twice with different grades, or no judgements at all.
 */
export async function readQrels(file: string, notes: Notes): Promise<Qrels> {
  const qrels: Qrels = new Map();
  let first = true;
  for await (const { bytes, position } of readLines(file, notes)) {
    const columns = splitColumns(decodeLine(bytes, position));
    // A heading has no grade and no number in any name; a first line with a mistake in its grade is not one.
    const isHeading = first && columns.length >= 3 && columns.every((column) => /^[^\d]+$/.test(column));
    first = false;
    if (isHeading) continue;
    if (columns.length !== 3 && columns.length !== 4) {
      throw invalid(
        position,
        `has ${columns.length} columns where 3 (query, document, grade) or 4 (TREC) were expected`,
      );
    }
    const [query, document, grade] = [columns[0]!, columns.at(-2)!, columns.at(-1)!];
    if (!/^[+-]?\d+(\.0+)?$/.test(grade))
      throw invalid(position, `has the grade ${JSON.stringify(grade)}: it must be an integer`);
    const grades = qrels.get(query) ?? new Map<string, number>();
    qrels.set(query, grades);
    const known = grades.get(document);
    if (known !== undefined && known !== Number(grade)) {
      throw invalid(position, `grades ${document} for query ${query} with ${grade}, and an earlier line with ${known}`);
    }
    if (known !== undefined) notes.add("judgements that stand twice", `${query} ${document}`);
    grades.set(document, Number(grade));
  }
  if (qrels.size === 0) throw invalid(file, "has no judgements where at least one was expected");
  return qrels;
}

/** Columns of a TREC line: between tabs where there are any, so that ids may hold spaces, else between white space. */
export function splitColumns(line: string): string[] {
  const text = line.trim();
  return text.includes("\t") ? text.split("\t").map((column) => column.trim()) : text.split(/\s+/);
}

export function isRelevant(grades: Grades): boolean {
  for (const grade of grades.values()) if (grade > 0) return true;
  return false;
}
