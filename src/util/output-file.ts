import { rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { InputError } from "../errors.ts";

/**
 * @param force An existing file may be replaced.
 * @throws InputError `INVALID_INPUT` when the path has no folder, is a folder, or exists and may not be replaced.
 */
export async function assertWritable(output: string, force: boolean): Promise<void> {
  const folder = await stat(path.dirname(output)).catch(() => undefined);
  if (!folder?.isDirectory()) {
    throw new InputError("INVALID_INPUT", `The folder of the output ${output} does not exist`);
  }
  const found = await stat(output).catch(() => undefined);
  if (found?.isDirectory())
    throw new InputError("INVALID_INPUT", `The output ${output} is a folder: pass the path of a file`);
  if (found && !force) {
    throw new InputError("INVALID_INPUT", `The output ${output} exists`, {
      advice: "choose another name, or pass force: true to replace it",
    });
  }
}

/** Where a file is made until it is complete: beside it, so that it can be renamed. */
export function temporaryFor(output: string): string {
  return path.join(path.dirname(output), `.${path.basename(output)}.${process.pid}.partial`);
}

/** Writes a text that appears under its name only when it is complete; throws as `assertWritable`. */
export async function writeWhole(output: string, text: string, force: boolean): Promise<void> {
  const temporary = temporaryFor(output);
  try {
    await writeFile(temporary, text);
    await assertWritable(output, force);
    await rename(temporary, output);
  } finally {
    await rm(temporary, { force: true });
  }
}
