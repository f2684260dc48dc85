import { createHash, randomBytes } from "node:crypto";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { readLibrary } from "./elf.ts";

/*
 * The Linux loader knows a library by the name inside its file, and every release of node-llama-cpp has the name
 * `libggml-base.so`. With two releases in one process the second would use the library of the first, and end the process with
 * `undefined symbol`. So qrhead loads a copy with unique names, as Python wheels do (auditwheel).
 */

/** Part of every key: raise it when copies are made differently. */
const FORMAT = 2;
/** The binding of a symbol that is looked up in the library's own tree like all others. */
const STB_GLOBAL = 1;
/** Says which folder a copy is of, or which file. */
const SOURCE = "source";
const HOUR_MS = 3_600_000;

/** Libraries that the addon or ggml itself loads. Those of node-llama-cpp's own addon are not among them. */
const LIBRARY = /^lib(ggml|llama)(?!-common)[\w.-]*\.so(\.\d+)*$/;
const METADATA = "_nlcBuildMetadata.json";

/** Where copies are kept: `qrhead/llama` in `XDG_CACHE_HOME`, or in `~/.cache`. */
function copiesDirectory(): string {
  const given = process.env.XDG_CACHE_HOME;
  return path.join(given && path.isAbsolute(given) ? given : path.join(homedir(), ".cache"), "qrhead", "llama");
}

/**
 * A folder with copies of the libraries in `source`, under names of their own. Made once and kept for later processes; those
 * of releases that are gone are removed.
 *
 * @param main The folder whose libraries those of `source` need, where that is another one.
 * @param only The one library of `source` that is wanted.
 * @returns The copy's folder.
 * @throws Error with the reason why there can be none.
 */
export async function underOwnNames(source: string, main = source, only?: string): Promise<string> {
  const root = copiesDirectory();
  await makeDirectory(root);
  const { uid, mode } = await stat(root);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) throw new Error(`others may write to ${root}`);

  const files = (await filesOf(source)).filter(({ name }) => only === undefined || name === only);
  const of = only === undefined ? source : path.join(source, only);
  const names = await namesOf(main, main === source ? files : await filesOf(main));
  const directory = path.join(root, keyOf(source, files));
  if (await isWhole(directory, files)) return directory;
  const partial = path.join(root, `.partial-${randomBytes(8).toString("hex")}`);
  try {
    await mkdir(partial, { mode: 0o700 });
    for (const { name } of files) await copy(path.join(source, name), path.join(partial, name), names);
    await writeFile(path.join(partial, SOURCE), of);
    await putInPlace(partial, directory, files);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  await sweep(root, of, directory).catch(() => {});
  return directory;
}

/** `mkdir` with `recursive` never returns where the system says ENOENT below a folder that exists, as in /proc. */
async function makeDirectory(directory: string): Promise<void> {
  const make = async () => {
    await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  };
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await makeDirectory(path.dirname(directory));
    await make();
  }
}

type File = { name: string; size: number; modified: number };

async function filesOf(directory: string): Promise<File[]> {
  const names = (await readdir(directory)).filter((name) => LIBRARY.test(name) || name === METADATA).sort();
  return Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(path.join(directory, name));
      return { name, size, modified: mtimeMs };
    }),
  );
}

function keyOf(directory: string, files: readonly File[]): string {
  const hash = createHash("sha256").update(JSON.stringify([FORMAT, directory, files]));
  return hash.digest("hex").slice(0, 16);
}

/** The new name of each library: as long as the old one, so that it fits in its place, and the folder's alone. */
async function namesOf(directory: string, files: readonly File[]): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const { name: file } of files.filter(({ name }) => LIBRARY.test(name))) {
    const own = withFile(path.join(directory, file), "r", readLibrary)?.name;
    if (own === undefined) continue;
    const digest = createHash("sha256")
      .update(JSON.stringify([keyOf(directory, files), own]))
      .digest("base64url");
    if (own.length > digest.length) throw new Error(`the name ${own} in ${file} is too long`);
    names.set(own, digest.slice(0, own.length));
  }
  return names;
}

async function copy(from: string, to: string, names: ReadonlyMap<string, string>): Promise<void> {
  // Where the file system can, the copy shares all blocks but those that change.
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o600);
  withFile(to, "r+", (file) => {
    const library = readLibrary(file);
    for (const { name, at } of library?.names ?? []) {
      const own = names.get(name);
      if (own !== undefined) writeSync(file, own, at, "latin1");
    }
    // The process shares variables of inline functions between libraries. Those of another release may differ.
    for (const { info, at } of library?.uniqueSymbols ?? []) {
      writeSync(file, Uint8Array.of((STB_GLOBAL << 4) | (info & 0x0f)), 0, 1, at);
    }
  });
}

function withFile<T>(file: string, flags: string, use: (file: number) => T): T {
  const open = openSync(file, flags);
  try {
    return use(open);
  } finally {
    closeSync(open);
  }
}

async function isWhole(directory: string, files: readonly File[]): Promise<boolean> {
  const sizes = files.map(async ({ name, size }) => (await stat(path.join(directory, name))).size === size);
  return (await Promise.all(sizes).catch(() => [false])).every(Boolean);
}

/** Another process may have been first, or somebody may have cleaned up in what was there. */
async function putInPlace(partial: string, directory: string, files: readonly File[]): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await rename(partial, directory);
      return;
    } catch (error) {
      if (await isWhole(directory, files)) return;
      if (attempt > 1) throw error;
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** Removes copies of folders that are gone or have changed, and what a process left that was ended while it copied. */
async function sweep(root: string, source: string, current: string): Promise<void> {
  for (const name of await readdir(root)) {
    const directory = path.join(root, name);
    if (directory === current) continue;
    const isStale = name.startsWith(".partial-")
      ? (await stat(directory)).mtimeMs < Date.now() - HOUR_MS
      : await isOutdated(directory, source);
    // A library that is in use stays in memory when its file goes.
    if (isStale) await rm(directory, { recursive: true, force: true });
  }
}

async function isOutdated(directory: string, source: string): Promise<boolean> {
  const of = await readFile(path.join(directory, SOURCE), "utf8").catch(() => undefined);
  if (of === undefined) return false;
  return of === source || !(await stat(of).catch(() => undefined));
}
