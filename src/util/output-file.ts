import { randomBytes } from "node:crypto";
import { type FileHandle, link, lstat, mkdir, open, readdir, rename, rm, stat, unlink } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../errors.ts";
import { IDENTITY_PATTERN, identityFromMatch, identityToName, isRunning, ownIdentity } from "./process-identity.ts";

/** From when on a temporary file of another machine counts as left behind. */
const STALE_MS = 24 * 3600 * 1000;
const TEMPORARY = new RegExp(`^\\..*\\.${IDENTITY_PATTERN}-[0-9a-f]{16}\\.partial$`, "s");
/** How long a file that another program has open is tried again on Windows: virus scanners open new files for a moment. */
const BUSY_MS = 2000;
/** Characters kept of a file's name in that of its temporary one: a file name may have 255 bytes. */
const NAME_LENGTH = 40;

/** What a file that is being made can be written with. */
export type OutputWriter = {
  /** Where it is made: for what can only write by name. */
  path: string;
  /** Appends. */
  write(bytes: Uint8Array | string): Promise<void>;
};

export type OutputOptions = {
  /** An existing file may be replaced. */
  force: boolean;
  /** What messages call it. Defaults to `output`. */
  what?: string | undefined;
  /**
   * Others may read it, as far as the umask lets them. Defaults to `false`: what holds users' texts is for its owner alone.
   * A file that is replaced passes on its own mode.
   */
  shared?: boolean | undefined;
};

/**
 * @param force An existing file may be replaced.
 * @throws InputError `INVALID_INPUT` when the path has no folder, is a folder or a device, or exists and may not be replaced.
 */
export async function assertWritable(output: string, force: boolean): Promise<void> {
  const folder = await stat(path.dirname(output)).catch(() => undefined);
  if (!folder?.isDirectory()) {
    throw new InputError("INVALID_INPUT", `The folder of the output ${output} does not exist`, {
      advice: "make the folder first",
    });
  }
  // A link itself would be replaced, even a broken one. Its target stays as it is.
  const found = await lstat(output).catch(() => undefined);
  if (found?.isDirectory())
    throw new InputError("INVALID_INPUT", `The output ${output} is a folder: pass the path of a file`);
  if (found && !found.isFile() && !found.isSymbolicLink())
    throw new InputError("INVALID_INPUT", `The output ${output} is a device or a pipe: pass the path of a file`);
  if (found && !force) {
    throw new InputError("INVALID_INPUT", `The output ${output} exists`, {
      advice: "choose another name, or pass force: true to replace it",
    });
  }
}

/**
 * Makes a file that appears under its name only when it is complete and on the disk. It is made beside it under a random
 * name, and no link is followed. Temporary files that killed processes have left in the folder are removed.
 *
 * @returns What `make` returns.
 * @throws InputError `INVALID_INPUT` as `assertWritable`, or where it cannot be written; nothing is left of it then. What
 * `make` throws.
 */
export async function makeOutput<T>(
  output: string,
  { force, what = "output", shared = false }: OutputOptions,
  make: (writer: OutputWriter) => Promise<T>,
): Promise<T> {
  await assertWritable(output, force);
  const folder = path.dirname(output);
  await sweep(folder);
  const temporary = temporaryFor(output);
  const written = async <R>(work: () => Promise<R>): Promise<R> => {
    try {
      return await work();
    } catch (error) {
      throw error instanceof InputError ? error : unwritable(`The ${what} ${output}`, error);
    }
  };
  const handle = await written(() => open(temporary, "wx", shared ? 0o666 : 0o600));
  try {
    const write = (bytes: Uint8Array | string) => written(() => handle.writeFile(bytes));
    const made = await make({ path: temporary, write });
    await written(async () => {
      await assertWritable(output, force);
      await keepMode(output, handle);
      await handle.sync();
      await handle.close();
      await publish(temporary, output, force);
      await syncFolder(folder);
    });
    return made;
  } finally {
    await handle.close().catch(() => {});
    await rm(temporary, { force: true });
  }
}

/** Writes a text that appears under its name only when it is complete; throws as `makeOutput`. */
export async function writeWhole(output: string, text: string, options: OutputOptions): Promise<void> {
  await makeOutput(output, options, ({ write }) => write(text));
}

/** Makes a folder, and those above it. @throws InputError `INVALID_INPUT` where it cannot be made. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (recursive) {
    // With `recursive` Node says of a read-only disk that the folder does not exist.
    const error = await mkdir(folder).catch((reason: unknown) => reason);
    throw unwritable(`The folder ${folder}`, error ?? recursive);
  }
}

/** The error for a file that the system does not let us write. */
export function unwritable(subject: string, error: unknown): InputError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = (code && REASONS[code]) ?? message;
  const advice = code && ADVICE[code];
  return new InputError("INVALID_INPUT", `${subject} cannot be written: ${reason}`, {
    cause: error,
    ...(advice && { advice }),
  });
}

const DENIED =
  process.platform === "win32" ? "permission is denied, or another program has it open" : "permission is denied";

const REASONS: Readonly<Record<string, string>> = {
  EACCES: DENIED,
  EBUSY: DENIED,
  EDQUOT: "the quota of the disk is used up",
  EEXIST: "something else has its name",
  EFBIG: "it is too large for the disk",
  ELOOP: "it is a symbolic link",
  ENAMETOOLONG: "the name is too long",
  ENOENT: "its folder does not exist",
  ENOSPC: "the disk is full",
  ENOTDIR: "its folder is a file",
  EPERM: DENIED,
  EROFS: "the disk is read-only",
};

const ADVICE: Readonly<Record<string, string>> = {
  EDQUOT: "make room, or choose another folder",
  ENOENT: "make the folder first",
  ENOSPC: "make room, or choose another folder",
  ENOTDIR: "choose a path in a folder",
};

function temporaryFor(output: string): string {
  const name = path.basename(output).slice(0, NAME_LENGTH);
  const unique = `${identityToName(ownIdentity())}-${randomBytes(8).toString("hex")}`;
  return path.join(path.dirname(output), `.${name}.${unique}.partial`);
}

/** Gives the file its name, but never replaces a file that appeared meanwhile, unless `force` is set. */
async function publish(temporary: string, output: string, force: boolean): Promise<void> {
  if (force) return replace(temporary, output);
  try {
    await link(temporary, output);
    await unlink(temporary);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") await assertWritable(output, false);
    // Some file systems have no hard links.
    await replace(temporary, output);
  }
}

async function replace(temporary: string, output: string): Promise<void> {
  const end = performance.now() + BUSY_MS;
  for (let pause = 10; ; pause *= 2) {
    try {
      return await rename(temporary, output);
    } catch (error) {
      if (!isBusy((error as NodeJS.ErrnoException).code) || performance.now() > end) throw error;
    }
    await sleep(pause);
  }
}

/** Windows gives these codes for an open file, and for a folder that is being removed. */
export function isBusy(code: string | undefined): boolean {
  return process.platform === "win32" && (code === "EPERM" || code === "EBUSY" || code === "EACCES");
}

async function keepMode(output: string, handle: FileHandle): Promise<void> {
  const found = await lstat(output).catch(() => undefined);
  if (found?.isFile()) await handle.chmod(found.mode & 0o777);
}

/** Writes the folder to the disk, so that the name survives a power failure too. Not every system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** Removes what writers left that were killed; those of other machines when they are a day old. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const match = TEMPORARY.exec(name);
    if (!match) continue;
    const file = path.join(folder, name);
    const running = isRunning(identityFromMatch(match.slice(1)));
    const age = running === undefined ? Date.now() - ((await lstat(file).catch(() => undefined))?.mtimeMs ?? 0) : 0;
    if (running === false || age > STALE_MS) await rm(file, { force: true }).catch(() => {});
  }
}
