import { collect, readBytes } from "../util/read-file.ts";
import { note } from "./output.ts";

/** What `-` stands for in messages. */
export const STDIN_NAME = "standard input";

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
