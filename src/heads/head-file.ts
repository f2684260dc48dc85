import { readFileSync, statSync } from "node:fs";
import { InputError } from "../errors.ts";

/**
 * The text of a head-set file, or undefined where there is none.
 *
 * @throws InputError `INVALID_INPUT` for a folder or a file that cannot be read.
 */
export function readHeadFile(file: string): string | undefined {
  try {
    if (!statSync(file).isDirectory()) return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new InputError("INVALID_INPUT", `Head-set file ${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new InputError("INVALID_INPUT", `Head-set file ${file} is a folder: pass the path of a file`);
}
