import { createHash, timingSafeEqual } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { z } from "zod";
import { InputError } from "../errors.ts";
import type { Addon, CellState } from "../native/addon-types.ts";
import { assertWritable, temporaryFor } from "../output-file.ts";

/*
 * A saved corpus: a preamble, a JSON header, the cells of the KV cache as llama.cpp copies them, and SHA-256 over all of it.
 *
 *   bytes 0-7    "QRHCORP" and a line break
 *   8-11         version of this format, little-endian like all numbers
 *   12-15        bytes of the header
 *   16-19        cells
 *   20-23        zero
 *   24-31        bytes of the cells
 */
const MAGIC = Buffer.from("QRHCORP\n");
const VERSION = 1;
const PREAMBLE_BYTES = 32;
const DIGEST_BYTES = 32;
const CHUNK_BYTES = 8 * 2 ** 20;

const headerSchema = z.object({
  llama: z.string(),
  model: z.object({ name: z.string(), fingerprint: z.string() }),
  prompt: z.string(),
  nullQuery: z.string(),
  order: z.enum(["given", "reverse"]),
  maxDocumentTokens: z.int().min(1).optional(),
  cacheTypeK: z.string(),
  cacheTypeV: z.string(),
  flashAttention: z.boolean(),
  /** Layers above this one were not computed. */
  deepestLayer: z.int().min(0),
  /** SHA-256 of the prompt's tokens up to the query. */
  tokens: z.string(),
  documents: z.array(z.object({ id: z.string(), title: z.string().optional(), text: z.string() })).min(1),
});

/** What a saved corpus says of itself. */
export type CorpusHeader = z.infer<typeof headerSchema>;
export type SavedCorpus = { header: CorpusHeader; state: CellState | undefined; digest: string };

/**
 * Writes a corpus that appears under its name only when it is complete.
 *
 * @returns The file's digest, in hexadecimal.
 * @throws InputError `INVALID_INPUT` when the file exists and may not be replaced, or cannot be written.
 */
export async function writeCorpusFile(
  output: string,
  header: CorpusHeader,
  state: CellState | undefined,
  { force, signal }: { force: boolean; signal?: AbortSignal | undefined },
): Promise<string> {
  await assertWritable(output, force);
  const temporary = temporaryFor(output);
  const hash = createHash("sha256");
  try {
    const handle = await open(temporary, "w");
    try {
      const write = async (bytes: Uint8Array) => {
        signal?.throwIfAborted();
        hash.update(bytes);
        await handle.writeFile(bytes);
      };
      const text = Buffer.from(JSON.stringify(header));
      const preamble = Buffer.alloc(PREAMBLE_BYTES);
      MAGIC.copy(preamble);
      preamble.writeUInt32LE(VERSION, 8);
      preamble.writeUInt32LE(text.length, 12);
      preamble.writeUInt32LE(state?.cells ?? 0, 16);
      preamble.writeBigUInt64LE(BigInt(state?.bytes ?? 0), 24);
      await write(preamble);
      await write(text);
      const bytes = state?.bytes ?? 0;
      for (let at = 0; at < bytes; at += CHUNK_BYTES) {
        await write(state!.slice(at, Math.min(bytes, at + CHUNK_BYTES)));
      }
      const digest = hash.digest();
      await handle.writeFile(digest);
      await handle.sync();
      await handle.close();
      await assertWritable(output, force);
      await rename(temporary, output);
      return digest.toString("hex");
    } finally {
      await handle.close().catch(() => {});
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof InputError) throw error;
    throw new InputError("INVALID_INPUT", `The corpus cannot be written to ${output}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Reads a saved corpus. Nothing of it is looked into before its digest agrees.
 *
 * @throws InputError `INVALID_INPUT` for a file that cannot be read, `CORPUS_INVALID` for one that is no corpus, is cut
 * short or damaged, or is of another version of this format.
 */
export async function readCorpusFile(addon: Addon, file: string, signal?: AbortSignal): Promise<SavedCorpus> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    const { size } = await handle.stat();
    return await read(addon, file, handle, size, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof InputError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a folder" : `cannot be read: ${message}`;
    throw new InputError("INVALID_INPUT", `Corpus file ${file} ${reason}`, { cause: error });
  } finally {
    await handle?.close();
  }
}

async function read(addon: Addon, file: string, handle: FileHandle, size: number, signal: AbortSignal | undefined) {
  const invalid = (what: string) =>
    new InputError("CORPUS_INVALID", `Corpus file ${file} ${what}: save the corpus again`);
  const hash = createHash("sha256");
  const next = async (bytes: number): Promise<Buffer> => {
    signal?.throwIfAborted();
    const buffer = Buffer.alloc(bytes);
    let filled = 0;
    while (filled < bytes) {
      const { bytesRead } = await handle.read(buffer, filled, bytes - filled);
      if (bytesRead === 0) throw invalid("is cut short");
      filled += bytesRead;
    }
    return buffer;
  };
  const hashed = async (bytes: number): Promise<Buffer> => {
    const buffer = await next(bytes);
    hash.update(buffer);
    return buffer;
  };

  if (size < PREAMBLE_BYTES + DIGEST_BYTES) throw invalid("is no saved corpus");
  const preamble = await hashed(PREAMBLE_BYTES);
  if (!preamble.subarray(0, MAGIC.length).equals(MAGIC)) throw invalid("is no saved corpus");
  const version = preamble.readUInt32LE(8);
  if (version !== VERSION) throw invalid(`is of version ${version} of the format where ${VERSION} was expected`);
  const headerBytes = preamble.readUInt32LE(12);
  const cells = preamble.readUInt32LE(16);
  const stateBytes = Number(preamble.readBigUInt64LE(24));
  if (PREAMBLE_BYTES + headerBytes + stateBytes + DIGEST_BYTES !== size) {
    throw invalid(size < PREAMBLE_BYTES + headerBytes + stateBytes + DIGEST_BYTES ? "is cut short" : "is damaged");
  }
  if (cells > 2 ** 31 - 1) throw invalid("is damaged");
  const text = await hashed(headerBytes);
  const state = stateBytes > 0 ? new addon.CellState(cells) : undefined;
  for (let left = stateBytes; left > 0; ) {
    const chunk = await hashed(Math.min(left, CHUNK_BYTES));
    state!.append(chunk);
    left -= chunk.length;
  }
  const digest = hash.digest();
  if (!timingSafeEqual(digest, await next(DIGEST_BYTES))) throw invalid("is damaged: its checksum does not agree");
  const parsed = headerSchema.safeParse(parseJson(text.toString("utf8")));
  if (!parsed.success) throw invalid("has a header that qrhead did not write");
  return { header: parsed.data, state, digest: digest.toString("hex") };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
