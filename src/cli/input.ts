import { readFile } from "node:fs/promises";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import { InputError } from "../errors.ts";
import { heard } from "./interrupt.ts";
import { note } from "./output.ts";

/** What `-` stands for in messages. */
export const STDIN_NAME = "standard input";

/**
 * Reads a file, or standard input for `-`.
 *
 * @param what Names the file in messages, such as "Documents file".
 * @throws InputError when it does not exist, is a folder or cannot be read.
 */
export async function readInput(file: string, what: string, signal: AbortSignal): Promise<Uint8Array> {
  if (file === "-") {
    if (process.stdin.isTTY) note(`Reading ${what.toLowerCase()} from the terminal: end with Ctrl+D`);
    try {
      return await buffer(addAbortSignal(signal, process.stdin));
    } catch (error) {
      signal.throwIfAborted();
      throw unreadable(what, STDIN_NAME, error);
    }
  }
  try {
    return await heard(readFile(file, { signal }), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw unreadable(what, file, error);
  }
}

function unreadable(what: string, file: string, error: unknown): InputError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason =
    code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a folder" : `cannot be read: ${message}`;
  return new InputError("INVALID_INPUT", `${what} ${file} ${reason}`, { cause: error });
}
