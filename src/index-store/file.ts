import { createHash } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import { InputError } from "../errors.ts";
import { makeOutput } from "../util/output-file.ts";

/*
 * An index file: a preamble, a SQLite database as it is, and SHA-256 over both.
 *
 *   bytes 0-7    "QRHINDX" and a line break
 *   8-11         version of this format and of the tables, little-endian
 *   12-15        zero
 */
const MAGIC = Buffer.from("QRHINDX\n");
const VERSION = 1;
const PREAMBLE_BYTES = 16;
const DIGEST_BYTES = 32;
const PART_BYTES = 4 * 2 ** 20;

/**
 * Copies the database of an index file to a file of its own, and checks it on the way.
 *
 * @returns False where there is no such file.
 * @throws InputError `INDEX_INVALID` for a file that is no index, is cut short or damaged, or is of another version;
 * `INVALID_INPUT` for one that cannot be read, or a copy that cannot be written; the signal's reason.
 */
export async function copyDatabase(index: string, copy: string, signal?: AbortSignal): Promise<boolean> {
  const found = await stat(index).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw unreadable(index, error);
  });
  if (!found) return false;
  if (!found.isFile()) throw new InputError("INVALID_INPUT", `Index ${index} is a folder or a device`, INDEX_EXPECTED);
  const source = await open(index).catch((error: unknown) => {
    throw unreadable(index, error);
  });
  try {
    const hash = createHash("sha256");
    const preamble = await read(source, 0, Math.min(PREAMBLE_BYTES, found.size), index);
    if (!preamble.subarray(0, MAGIC.length).equals(MAGIC)) throw invalid(index, "is not an index of qrhead");
    const version = preamble.length < PREAMBLE_BYTES ? 0 : preamble.readUInt32LE(8);
    if (version !== VERSION && version > 0) {
      const advice = version > VERSION ? "update qrhead" : `remove it, and make it again with qrhead index`;
      throw invalid(index, `has format version ${version}: this qrhead reads ${VERSION}`, advice);
    }
    hash.update(preamble);
    const end = found.size - DIGEST_BYTES;
    await makeOutput(copy, { force: true, what: "copy of the index" }, async ({ write }) => {
      for (let at = PREAMBLE_BYTES; at < end; at += PART_BYTES) {
        signal?.throwIfAborted();
        const part = await read(source, at, Math.min(PART_BYTES, end - at), index);
        hash.update(part);
        await write(part);
      }
    });
    const digest = end < PREAMBLE_BYTES ? undefined : await read(source, end, DIGEST_BYTES, index);
    if (!digest?.equals(hash.digest())) {
      throw invalid(index, "is damaged or cut short", "remove it, and make it again with qrhead index");
    }
    return true;
  } finally {
    await source.close();
  }
}

/**
 * Writes a database as an index file, which appears under its name only when it is complete.
 *
 * @throws InputError `INVALID_INPUT` where it cannot be written; the old file then stays. The signal's reason.
 */
export async function writeIndex(index: string, database: FileHandle, signal?: AbortSignal): Promise<void> {
  await makeOutput(index, { force: true, what: "index" }, async (writer) => {
    const hash = createHash("sha256");
    const write = (bytes: Uint8Array) => {
      signal?.throwIfAborted();
      hash.update(bytes);
      return writer.write(bytes);
    };
    const preamble = Buffer.alloc(PREAMBLE_BYTES);
    MAGIC.copy(preamble);
    preamble.writeUInt32LE(VERSION, MAGIC.length);
    await write(preamble);
    const { size } = await database.stat();
    for (let at = 0; at < size; at += PART_BYTES) {
      await write(await read(database, at, Math.min(PART_BYTES, size - at), index));
    }
    await writer.write(hash.digest());
    signal?.throwIfAborted();
  });
}

async function read(source: FileHandle, at: number, length: number, name: string): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await source.read(bytes, 0, length, at).catch((error: unknown) => {
    throw unreadable(name, error);
  });
  return bytes.subarray(0, bytesRead);
}

const INDEX_EXPECTED = {
  ...{ option: "file", expected: "the file of an index", advice: "pass the file of an index, or a name that is free" },
};

function invalid(index: string, what: string, advice = INDEX_EXPECTED.advice): InputError {
  return new InputError("INDEX_INVALID", `${index} ${what}`, { ...INDEX_EXPECTED, advice });
}

function unreadable(index: string, error: unknown): InputError {
  return new InputError("INVALID_INPUT", `Index ${index} cannot be read: ${(error as Error).message}`, {
    cause: error,
  });
}
