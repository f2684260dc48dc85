import { invalid, type Notes } from "./notes.ts";
import type { Places } from "./places.ts";
import { decodeLine, type JsonRecord, readJson, readLines } from "./records.ts";

const HEADING = /^(_?id|(doc|p|q|query|corpus)[-_]?id)$/i;

/**
 * One line of `id⇥text` or `id⇥title⇥text` as the object that JSON Lines would hold.
 *
 * @throws InputError `INVALID_INPUT` for another number of columns, or a blank id.
 */
export function parseTsv(bytes: Buffer, position: string): { _id: string; title?: string; text: string } {
  const columns = decodeLine(bytes, position).split("\t");
  if (columns.length !== 2 && columns.length !== 3) {
    throw invalid(position, `has ${columns.length} columns where 2 (id, text) or 3 (id, title, text) were expected`);
  }
  const id = columns[0]!.trim();
  if (id === "") throw invalid(position, "has a blank id in its first column");
  return { _id: id, ...(columns.length === 3 && { title: columns[1]! }), text: columns.at(-1)! };
}

export function isTsv(file: string): boolean {
  return /\.tsv(\.gz)?$/.test(file);
}

/** The records of a file of tab-separated lines, with or without a heading, or of JSON; its name decides which. */
export async function* readRecords(file: string, notes: Notes, places?: Places): AsyncGenerator<JsonRecord> {
  if (!isTsv(file)) return yield* readJson(file, notes, places);
  let first = true;
  for await (const { bytes, offset, position } of readLines(file, notes, places)) {
    const value = parseTsv(bytes, position);
    if (!(first && HEADING.test(value._id))) yield { value, offset, length: bytes.length, position };
    first = false;
  }
}
