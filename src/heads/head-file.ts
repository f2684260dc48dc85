import { readFileSync, statSync } from "node:fs";
import { InputError } from "../errors.ts";

/**
 * The text of a head-set file, or undefined where there is none.
 *
 * @throws InputError `INVALID_INPUT` for a folder, a device, a named pipe or a file that cannot be read.
 */
export function readHeadFile(file: string): string | undefined {
  let what = "is a folder";
  try {
    const found = statSync(file);
    // A shell's <(command) is a pipe with a writer. Any other pipe may block the process for ever.
    if (found.isFile() || (found.isFIFO() && /^\/(dev\/fd|proc)\//.test(file))) return readFileSync(file, "utf8");
    if (!found.isDirectory()) what = "is a device or a pipe";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new InputError("INVALID_INPUT", `Head-set file ${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new InputError("INVALID_INPUT", `Head-set file ${file} ${what}: pass the path of a file`);
}
