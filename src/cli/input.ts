import { type LocatedDocument, locateDocuments, parseQueries, type Query } from "../documents/documents.ts";
import type { DocumentFormat } from "../documents/format.ts";
import { collect, readBytes } from "../util/read-file.ts";
import { note } from "./output.ts";

/** What `-` stands for in messages. */
export const STDIN_NAME = "standard input";

export type FormatFlags = { docsFormat?: DocumentFormat | undefined };

/**
 * The documents of a file, or of standard input for `-`.
 *
 * @param what Names the file in messages, such as "Query file".
 * @throws InputError as `readInput`, and for what holds no documents in that format.
 */
export async function readDocuments(
  file: string,
  what: string,
  { docsFormat }: FormatFlags,
  signal: AbortSignal,
): Promise<LocatedDocument[]> {
  return locateDocuments(await readInput(file, what, signal), nameOf(file), docsFormat && { format: docsFormat });
}

/** The queries of a file, or of standard input for `-`. @throws As `readDocuments`. */
export async function readQueries(file: string, signal: AbortSignal): Promise<Query[]> {
  return parseQueries(await readInput(file, "Queries file", signal), nameOf(file));
}

/** What messages call an input. */
export function nameOf(file: string): string {
  return file === "-" ? STDIN_NAME : file;
}

/**
 * Reads a file, or standard input for `-`.
 *
 * @param what Names the file in messages, such as "Query file".
 * @throws InputError when it does not exist, is a folder, cannot be read, or is larger than `MOST_INPUT_BYTES`.
 */
export async function readInput(file: string, what: string, signal: AbortSignal): Promise<Uint8Array> {
  if (file !== "-") return readBytes(file, what, signal);
  if (process.stdin.isTTY) note(`Reading ${what.toLowerCase()} from the terminal: end with Ctrl+D`);
  return collect(process.stdin, what, STDIN_NAME, signal);
}
