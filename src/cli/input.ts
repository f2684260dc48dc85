import type { Command } from "commander";
import { parseDocuments } from "../documents/documents.ts";
import { DOCUMENT_FORMATS, type DocumentFormat } from "../documents/format.ts";
import type { RankDocument } from "../types.ts";
import { collect, readBytes } from "../util/read-file.ts";
import { choiceOption } from "./options.ts";
import { note } from "./output.ts";

/** What `-` stands for in messages. */
export const STDIN_NAME = "standard input";

export type FormatFlags = { format?: DocumentFormat | undefined };

/** `--format`, of every command that reads documents from a file. */
export function addFormatOption(command: Command): Command {
  return command.addOption(
    choiceOption("--format <NAME>", "how the documents are written (default: as they look)", DOCUMENT_FORMATS),
  );
}

/**
 * The documents of a file, or of standard input for `-`.
 *
 * @param what Names the file in messages, such as "Documents file".
 * @throws InputError as `readInput`, and for what holds no documents in that format.
 */
export async function readDocuments(
  file: string,
  what: string,
  { format }: FormatFlags,
  signal: AbortSignal,
): Promise<RankDocument[]> {
  return parseDocuments(await readInput(file, what, signal), nameOf(file), { format });
}

/** What messages call an input. */
export function nameOf(file: string): string {
  return file === "-" ? STDIN_NAME : file;
}

/**
 * Reads a file, or standard input for `-`.
 *
 * @param what Names the file in messages, such as "Documents file".
 * @throws InputError when it does not exist, is a folder, cannot be read, or is larger than `MOST_INPUT_BYTES`.
 */
export async function readInput(file: string, what: string, signal: AbortSignal): Promise<Uint8Array> {
  if (file !== "-") return readBytes(file, what, signal);
  if (process.stdin.isTTY) note(`Reading ${what.toLowerCase()} from the terminal: end with Ctrl+D`);
  return collect(process.stdin, what, STDIN_NAME, signal);
}
