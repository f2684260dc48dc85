import { type FileHandle, open } from "node:fs/promises";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { invalid } from "./notes.ts";

/** Unpacked bytes of a block, and blocks that stay unpacked since the next read is often near. */
const BLOCK_BYTES = 1 << 18;
const OPEN_BLOCKS = 16;

/**
 * The bytes of a data file, to read records again where reading found them. A plain file is read from the disk. A packed one
 * cannot be entered in its middle: as it is read the first time, what it unpacks to is kept in memory in blocks that are
 * packed one by one, all of them about as large as the file. Nothing is written to the disk.
 */
export class Places implements AsyncDisposable {
  readonly #handle: FileHandle | undefined;
  readonly #blocks: Buffer[] = [];
  readonly #open = new Map<number, Buffer>();
  #rest: Buffer[] = [];
  #restBytes = 0;

  private constructor(handle: FileHandle | undefined) {
    this.#handle = handle;
  }

  static async of(file: string): Promise<Places> {
    // A file that cannot be opened is reported where it is read.
    return new Places(file.endsWith(".gz") ? undefined : await open(file).catch(() => undefined));
  }

  /** Takes the next unpacked bytes of a packed file. */
  keep(chunk: Buffer): void {
    if (this.#handle) return;
    this.#rest.push(chunk);
    this.#restBytes += chunk.length;
    if (this.#restBytes < BLOCK_BYTES) return;
    const bytes = Buffer.concat(this.#rest);
    let begin = 0;
    for (; bytes.length - begin >= BLOCK_BYTES; begin += BLOCK_BYTES) {
      this.#blocks.push(deflateRawSync(bytes.subarray(begin, begin + BLOCK_BYTES), { level: 1 }));
    }
    this.#rest = [Buffer.from(bytes.subarray(begin))];
    this.#restBytes = bytes.length - begin;
  }

  /** @throws InputError `INVALID_INPUT` where the file no longer has them. */
  async read(offset: number, length: number, position: string): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    const read = this.#handle
      ? (await this.#handle.read(bytes, 0, length, offset)).bytesRead
      : this.#readBlocks(bytes, offset);
    if (read !== length) throw invalid(position, "has changed while it was read");
    return bytes;
  }

  #readBlocks(into: Buffer, offset: number): number {
    let read = 0;
    while (read < into.length) {
      const at = offset + read;
      const block = this.#block(Math.floor(at / BLOCK_BYTES));
      const copied = block.copy(into, read, at % BLOCK_BYTES);
      if (copied === 0) break;
      read += copied;
    }
    return read;
  }

  #block(index: number): Buffer {
    if (index >= this.#blocks.length) return Buffer.concat(this.#rest);
    const block = this.#open.get(index) ?? inflateRawSync(this.#blocks[index]!);
    // The block used last is last in the map; the first one is evicted.
    this.#open.delete(index);
    this.#open.set(index, block);
    if (this.#open.size > OPEN_BLOCKS) this.#open.delete(this.#open.keys().next().value!);
    return block;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close();
  }
}
