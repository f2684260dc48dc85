import { createHash, type Hash, timingSafeEqual } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { z } from "zod";
import { InputError } from "../../errors.ts";
import type { Addon, CellState } from "../../native/addon-types.ts";
import { makeOutput } from "../../util/output-file.ts";
import { refuseFolder, unreadable } from "../../util/read-file.ts";
import { zod } from "../../util/zod.ts";
import type { Kept } from "../kept.ts";
import { decodeKept, encodeKept } from "./kept-record.ts";

/*
 * A saved corpus: a preamble, a JSON header, cells of a KV cache as llama.cpp copies them, and SHA-256 over all of it.
 *
 *   bytes 0-7    "QRHCORP" and a line break
 *   8-11         version of this format, little-endian like all numbers
 *   12-15        bytes of the header
 *
 * The cells are records, one for a listwise prompt and one for each different document of an independent one: a head of 16
 * bytes (cells, zero, and in 8 bytes the length of what follows) and llama.cpp's bytes. A head of zeros ends them. So they
 * can be written while documents are read, and read one by one.
 *
 * From version 4 on, a record for the next query follows (`kept-record.ts`), after a head with a 1 in place of the zero. If there
 * is none, a head of zeros follows.
 */
const MAGIC = Buffer.from("QRHCORP\n");
const VERSION = 4;
/** An older version that can be read. It keeps nothing for the next query. */
const VERSION_BEFORE = 3;
const PREAMBLE_BYTES = 16;
const HEAD_BYTES = 16;
/** Kinds of records. */
const [CELLS, KEPT] = [0, 1];
const DIGEST_BYTES = 32;
const CHUNK_BYTES = 8 * 2 ** 20;
/** What is said of a file of something else, which nobody wants to be replaced. */
const [NO_CORPUS, ANOTHER] = ["is not a saved corpus", "choose the name of one, or of a file that does not exist"];

const headerSchema = () => {
  const z = zod();
  return z.object({
    llama: z.string(),
    model: z.object({ name: z.string(), fingerprint: z.string() }),
    prompt: z.string(),
    nullQuery: z.string(),
    layout: z.enum(["listwise", "independent"]),
    order: z.enum(["given", "reverse"]),
    maxDocumentTokens: z.int().min(1).optional(),
    cacheTypeK: z.string(),
    cacheTypeV: z.string(),
    flashAttention: z.boolean(),
    /** Layers above this one were not computed. */
    deepestLayer: z.int().min(0),
    /** Names the prompt's tokens up to the query. */
    tokens: z.string(),
    documents: z.array(z.object({ id: z.string(), title: z.string().optional(), text: z.string() })).min(1),
  });
};

/** The header of a saved corpus. */
export type CorpusHeader = z.infer<ReturnType<typeof headerSchema>>;

/** A saved corpus whose digest agrees. It keeps its file open until it is closed, or its cells have been read. */
export type CorpusFile = {
  header: CorpusHeader;
  /** In hexadecimal. */
  digest: string;
  /** What the next query can go on from. */
  kept: Kept | undefined;
  /** Its cells, one record at a time. Throws InputError `CORPUS_INVALID` where they are not those that the digest was of. */
  states(signal?: AbortSignal): AsyncGenerator<CellState>;
  /** Idempotent. */
  close(): Promise<void>;
};

/**
 * Writes a corpus that appears under its name only when it is complete.
 *
 * @param fill Writes the cells, each before it goes on, and returns what is kept beside them.
 * @returns The file's digest, in hexadecimal.
 * @throws InputError `INVALID_INPUT` when the file exists and may not be replaced, or cannot be written; nothing is asked
 * of `fill` in the first case. What `fill` throws.
 */
export async function writeCorpusFile(
  output: string,
  header: CorpusHeader,
  fill: (write: (state: CellState) => Promise<void>) => Promise<Kept | undefined>,
  { force, signal }: { force: boolean; signal?: AbortSignal | undefined },
): Promise<string> {
  const hash = createHash("sha256");
  return makeOutput(output, { force, what: "corpus" }, async (writer) => {
    const write = (bytes: Uint8Array) => {
      signal?.throwIfAborted();
      hash.update(bytes);
      return writer.write(bytes);
    };
    const text = Buffer.from(JSON.stringify(header));
    const preamble = Buffer.alloc(PREAMBLE_BYTES);
    MAGIC.copy(preamble);
    preamble.writeUInt32LE(VERSION, 8);
    preamble.writeUInt32LE(text.length, 12);
    await write(preamble);
    await write(text);
    const writeHead = (count: number, bytes: number, kind = CELLS) => {
      const head = Buffer.alloc(HEAD_BYTES);
      head.writeUInt32LE(count);
      head.writeUInt32LE(kind, 4);
      head.writeBigUInt64LE(BigInt(bytes), 8);
      return write(head);
    };
    const kept = await fill(async (state) => {
      await writeHead(state.cells, state.bytes);
      for (let at = 0; at < state.bytes; at += CHUNK_BYTES) {
        await write(state.slice(at, Math.min(state.bytes, at + CHUNK_BYTES)));
      }
    });
    await writeHead(0, 0);
    const record = kept && encodeKept(kept);
    const pieces = record?.pieces ?? [];
    const bytes = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
    await writeHead(record?.cells ?? 0, bytes, record ? KEPT : CELLS);
    for (const piece of pieces) await write(piece);
    const digest = hash.digest();
    await writer.write(digest);
    signal?.throwIfAborted();
    return digest.toString("hex");
  });
}

/**
 * Opens a saved corpus. Nothing of it is used before its digest agrees. Its cells are then read a second time, so that they
 * need not all be in memory.
 *
 * @throws InputError `INVALID_INPUT` for a file that cannot be read, `CORPUS_INVALID` for one that is no corpus, is cut
 * short or damaged, or is of another version of this format.
 */
export async function openCorpusFile(addon: Addon, file: string, signal?: AbortSignal): Promise<CorpusFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    refuseFolder(await handle.stat());
    return await verify(addon, file, handle, signal);
  } catch (error) {
    await handle?.close();
    signal?.throwIfAborted();
    throw unreadable("Corpus file", file, error);
  }
}

async function verify(
  addon: Addon,
  file: string,
  handle: FileHandle,
  signal: AbortSignal | undefined,
): Promise<CorpusFile> {
  const invalid = (what: string) =>
    new InputError(
      "CORPUS_INVALID",
      `Corpus file ${file} ${what}: ${what === NO_CORPUS ? ANOTHER : "save the corpus again"}`,
    );
  const { size } = await handle.stat();
  const source = new Source(handle, size, invalid, signal);
  const text = await source.header();
  for (let head = await source.head(); head; head = await source.head()) {
    for (let left = head.bytes; left > 0; ) left -= (await source.next(Math.min(left, CHUNK_BYTES))).length;
  }
  const kept = await source.kept(addon);
  const digest = await source.digest();
  const parsed = headerSchema().safeParse(parseJson(text.toString("utf8")));
  if (!parsed.success) throw invalid("has a header that qrhead did not write");
  const close = () => handle.close().catch(() => {});
  return { header: parsed.data, digest, kept, states, close };

  async function* states(again?: AbortSignal): AsyncGenerator<CellState> {
    try {
      const source = new Source(handle, size, invalid, again);
      await source.header();
      for (let head = await source.head(); head; head = await source.head()) {
        const state = new addon.CellState(head.cells, head.bytes);
        for (let left = head.bytes; left > 0; ) {
          const chunk = await source.next(Math.min(left, CHUNK_BYTES));
          state.append(chunk);
          left -= chunk.length;
        }
        yield state;
      }
      await source.kept(addon);
      if ((await source.digest()) !== digest) throw invalid("has changed while it was read");
    } finally {
      await close();
    }
  }
}

/** Reads a file from its beginning to its digest, and hashes what it reads. */
class Source {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #invalid: (what: string) => InputError;
  readonly #signal: AbortSignal | undefined;
  readonly #hash: Hash = createHash("sha256");
  #position = 0;
  #version = VERSION;

  constructor(
    handle: FileHandle,
    size: number,
    invalid: (what: string) => InputError,
    signal: AbortSignal | undefined,
  ) {
    this.#handle = handle;
    this.#size = size;
    this.#invalid = invalid;
    this.#signal = signal;
  }

  async next(bytes: number): Promise<Buffer> {
    // Check first, so that a damaged length does not allocate memory.
    if (this.#position + bytes + DIGEST_BYTES > this.#size) throw this.#invalid("is cut short");
    const buffer = await this.#read(bytes);
    this.#hash.update(buffer);
    return buffer;
  }

  async header(): Promise<Buffer> {
    if (this.#size < PREAMBLE_BYTES + DIGEST_BYTES) throw this.#invalid(NO_CORPUS);
    const preamble = await this.next(PREAMBLE_BYTES);
    if (!preamble.subarray(0, MAGIC.length).equals(MAGIC)) throw this.#invalid(NO_CORPUS);
    this.#version = preamble.readUInt32LE(8);
    if (this.#version !== VERSION && this.#version !== VERSION_BEFORE)
      throw this.#invalid(`has format version ${this.#version}: expected ${VERSION}`);
    return this.next(preamble.readUInt32LE(12));
  }

  /** Of the next record of a kind; undefined where a head of zeros ends them. */
  async head(kind = CELLS): Promise<{ cells: number; bytes: number } | undefined> {
    const head = await this.next(HEAD_BYTES);
    if (head.every((byte) => byte === 0)) return undefined;
    const cells = head.readUInt32LE(0);
    const bytes = Number(head.readBigUInt64LE(8));
    if (cells > 2 ** 31 - 1 || head.readUInt32LE(4) !== kind) throw this.#invalid("is damaged");
    return { cells, bytes };
  }

  async kept(addon: Addon): Promise<Kept | undefined> {
    const head = this.#version > VERSION_BEFORE ? await this.head(KEPT) : undefined;
    if (!head) return undefined;
    const kept = decodeKept(addon, head.cells, await this.next(head.bytes));
    if (!kept) throw this.#invalid("is damaged");
    return kept;
  }

  async digest(): Promise<string> {
    if (this.#position + DIGEST_BYTES !== this.#size) throw this.#invalid("is damaged");
    const digest = this.#hash.digest();
    if (!timingSafeEqual(digest, await this.#read(DIGEST_BYTES))) {
      throw this.#invalid("is damaged: its checksum does not match");
    }
    return digest.toString("hex");
  }

  async #read(bytes: number): Promise<Buffer> {
    this.#signal?.throwIfAborted();
    const buffer = Buffer.alloc(bytes);
    let filled = 0;
    while (filled < bytes) {
      const { bytesRead } = await this.#handle.read(buffer, filled, bytes - filled, this.#position);
      if (bytesRead === 0) throw this.#invalid("is cut short");
      filled += bytesRead;
      this.#position += bytesRead;
    }
    return buffer;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
