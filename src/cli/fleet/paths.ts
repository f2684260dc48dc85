import { realpath } from "node:fs/promises";
import path from "node:path";
import { InputError } from "../../errors.ts";
import { PUBLISHED_HEAD_SETS } from "../../heads/published.ts";

/** Heads that are no file. */
const NO_FILE = /^(auto|all|random:\d+:\d+|\d+[-_]\d+(\s*,\s*\d+[-_]\d+)*)$/;

/**
 * Checks the heads that a job names: no file, or a file below the roots.
 *
 * @throws InputError `INVALID_ARGUMENT` for any other file.
 */
export async function assertHeadsAllowed(spec: string, roots: readonly string[]): Promise<void> {
  const text = spec.trim();
  const isPublished = PUBLISHED_HEAD_SETS.some(({ name }) => name === text);
  if (!NO_FILE.test(text) && !isPublished) await assertFileAllowed(text, roots);
}

/**
 * Checks that a file that a job names lies below a root of the worker. Links are followed.
 *
 * @throws InputError `INVALID_ARGUMENT` if it does not. The error does not say whether the file exists.
 */
export async function assertFileAllowed(file: string, roots: readonly string[]): Promise<void> {
  const found = await realpath(path.resolve(file)).catch(() => undefined);
  for (const root of roots) {
    const folder = await realpath(root).catch(() => undefined);
    if (found !== undefined && folder !== undefined && found.startsWith(folder + path.sep)) return;
  }
  throw new InputError(
    "INVALID_ARGUMENT",
    `The worker may not read ${JSON.stringify(file)}: start it with --root for its folder`,
  );
}
