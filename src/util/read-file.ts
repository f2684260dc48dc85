import { constants, createReadStream, openSync, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { Socket } from "node:net";
import { addAbortSignal, type Readable } from "node:stream";
import { isatty, ReadStream } from "node:tty";
import { InputError } from "../errors.ts";

/** Bytes that one input may have: a bound for what never ends, such as a device, far above what a model could read. */
export const MOST_INPUT_BYTES = 256 * 2 ** 20;

/**
 * Reads a file whole. Waiting for a pipe that nobody writes to, or for a terminal, ends with the signal.
 *
 * @param what Names the file in messages, such as "Query file".
 * @throws InputError when it does not exist, is a folder, cannot be read, or has more than `MOST_INPUT_BYTES`.
 */
export async function readBytes(file: string, what: string, signal?: AbortSignal): Promise<Buffer> {
  signal?.throwIfAborted();
  try {
    const found = await stat(file);
    refuseFolder(found);
    if (found.isFile() && found.size > MOST_INPUT_BYTES) throw tooLarge(what, file);
    return await collect(open(file, found), what, file, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(what, file, error);
  }
}

/** Not every system says EISDIR of a folder that is opened and read. */
export function refuseFolder(found: Stats): void {
  if (found.isDirectory()) throw Object.assign(new Error("is a folder"), { code: "EISDIR" });
}

/** Collects what a stream gives, such as standard input; see `readBytes`. */
export async function collect(stream: Readable, what: string, file: string, signal?: AbortSignal): Promise<Buffer> {
  try {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of signal ? addAbortSignal(signal, stream) : stream) {
      parts.push(part);
      bytes += part.length;
      if (bytes > MOST_INPUT_BYTES) throw tooLarge(what, file);
    }
    return Buffer.concat(parts);
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(what, file, error);
  }
}

/** A stream for pipes and terminals. It waits in the event loop and not in a thread that cannot be stopped. */
function open(file: string, found: Stats): Readable {
  if (found.isFIFO()) {
    return new Socket({
      fd: openSync(file, constants.O_RDONLY | constants.O_NONBLOCK),
      readable: true,
      writable: false,
    });
  }
  if (found.isCharacterDevice()) {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    return isatty(fd) ? new ReadStream(fd) : createReadStream("", { fd });
  }
  return createReadStream(file);
}

function tooLarge(what: string, file: string): InputError {
  const most = MOST_INPUT_BYTES / 2 ** 20;
  return new InputError(
    "INVALID_INPUT",
    `${what} ${file} has more than ${most} MiB, or no end: pass a smaller part of it`,
  );
}

/** The error for a file that could not be read. What is an error of the input already stays as it is. */
export function unreadable(what: string, file: string, error: unknown): InputError {
  if (error instanceof InputError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const reason =
    code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a folder" : `cannot be read: ${message}`;
  return new InputError("INVALID_INPUT", `${what} ${file} ${reason}`, { cause: error });
}
