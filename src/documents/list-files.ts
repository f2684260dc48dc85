import type { Dirent, Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { InputError, invalidArgument } from "../errors.ts";
import { isList } from "../util/kinds.ts";

/** Most entries of a folder, with those of its folders. More is taken for a mistake, such as a home folder. */
const MOST_FILES = 10_000;

/** A file to read: as named by the caller, or found in a folder that was. */
export type ListedFile = { file: string; inFolder: boolean };

/** @throws InputError `INVALID_ARGUMENT` for what is no list of paths. */
export function assertPaths(paths: unknown): asserts paths is readonly string[] {
  const isPath = (one: unknown) => typeof one === "string" && one !== "";
  // Unlike every, it does not skip holes.
  if (isList(paths) && Array.from(paths).every(isPath)) return;
  throw invalidArgument("paths", "a list of paths of files and folders", paths);
}

/**
 * The files that paths stand for, each once: folders are gone through with their folders, in the order of names. Dot files,
 * dot folders and `node_modules` are skipped, links to folders are not followed.
 *
 * @param what Names a path in messages.
 * @param most Entries that a folder may have, with those of its folders.
 * @throws InputError `INVALID_INPUT` for a path that does not exist, or a folder with more entries than that.
 */
export async function listFiles(
  paths: readonly string[],
  signal?: AbortSignal,
  what = "File",
  most = MOST_FILES,
): Promise<ListedFile[]> {
  const listed = new Map<string, ListedFile>();
  const add = (file: string, inFolder: boolean) => {
    const key = path.resolve(file);
    if (!listed.has(key)) listed.set(key, { file, inFolder });
  };
  for (const given of paths) {
    const found = await stat(given).catch((error: NodeJS.ErrnoException) => {
      const reason = error.code === "ENOENT" ? "does not exist" : `cannot be read: ${error.message}`;
      throw new InputError("INVALID_INPUT", `${what} ${given} ${reason}`, { cause: error });
    });
    if (!found.isDirectory()) add(given, false);
    else for (const file of await filesIn(given, most, signal)) add(file, true);
  }
  return [...listed.values()];
}

async function filesIn(folder: string, most: number, signal: AbortSignal | undefined): Promise<string[]> {
  const files: string[] = [];
  let seen = 0;
  const open = [folder];
  for (let current = open.pop(); current !== undefined; current = open.pop()) {
    signal?.throwIfAborted();
    for (const entry of await entriesOf(current)) {
      if (++seen > most) {
        const advice = "pass a folder with fewer, or the files";
        throw new InputError("INVALID_INPUT", `Folder ${folder} has more than ${most} entries: ${advice}`);
      }
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const file = path.join(current, entry.name);
      if (entry.isDirectory()) open.push(file);
      else if (entry.isFile() || (entry.isSymbolicLink() && (await statOf(file))?.isFile())) files.push(file);
    }
  }
  return files.sort();
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw new InputError("INVALID_INPUT", `Folder ${folder} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function statOf(file: string): Promise<Stats | undefined> {
  return stat(file).catch(() => undefined);
}
