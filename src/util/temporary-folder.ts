import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { InputError } from "../errors.ts";

/**
 * Makes a folder for temporary files, `qrhead-NAME-` and random letters.
 *
 * @throws InputError `INVALID_INPUT` where the system's folder for them is missing, full or read-only.
 */
export async function temporaryFolder(name: string): Promise<string> {
  try {
    return await mkdtemp(path.join(tmpdir(), `qrhead-${name}-`));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" || code === "ENOTDIR" ? "there is no such folder" : message;
    throw new InputError("INVALID_INPUT", `Temporary files cannot be written to ${tmpdir()}: ${reason}`, {
      ...{ cause: error, advice: "set TMPDIR to a folder that can be written to" },
    });
  }
}
