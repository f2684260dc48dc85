import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { InputError } from "../../errors.ts";
import { invalid, type Notes } from "./notes.ts";
import type { Places } from "./places.ts";

/** Bytes of a file, half-open, and where a person finds them. */
export type Piece = { bytes: Buffer; offset: number; position: string };

/** A JSON value of a file, with the place of its text. */
export type JsonRecord = { value: unknown; offset: number; length: number; position: string };

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const OPEN_ARRAY = 0x5b;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** A packed file may unpack to so many times its size, where that is more than 64 MiB; texts come to 3 to 30 times theirs. */
const LARGEST_RATIO = 200;
const UNCHECKED_BYTES = 64 * 2 ** 20;
/** A line beyond this is a file of another kind, and would not fit a string. */
const LONGEST_LINE = 2 ** 29 - 24;

/**
 * The lines of a file as a stream, blank ones left out, without line ends and byte order mark. A file that ends in `.gz`
 * is unpacked on the way; offsets are those of the unpacked bytes.
 *
 * @param places Is given a packed file's bytes, for who wants to read some of them again.
 * @throws InputError `INVALID_INPUT` for a file that cannot be unpacked, or unpacks to more than 64 MiB and 200 times its size.
 */
export async function* readLines(file: string, notes?: Notes, places?: Places): AsyncGenerator<Piece> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let restOffset = 0;
  let line = 0;
  const ends = { crlf: 0, lf: 0 };
  const piece = (bytes: Buffer, offset: number): Piece | undefined => {
    line++;
    let [begin, end] = [0, bytes.length];
    if (line === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) begin = 3;
    if (bytes[end - 1] === CARRIAGE_RETURN) end--;
    const content = bytes.subarray(begin, end);
    return isBlank(content) ? undefined : { bytes: content, offset: offset + begin, position: `${file}, line ${line}` };
  };
  for await (const chunk of readBytes(file, places)) {
    let begin = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, begin)) {
      const part = chunk.subarray(begin, end);
      const bytes = rest.length === 0 ? part : Buffer.concat([...rest, part]);
      ends[bytes.at(-1) === CARRIAGE_RETURN ? "crlf" : "lf"]++;
      const found = piece(bytes, restOffset);
      restOffset += bytes.length + 1;
      [rest, restBytes] = [[], 0];
      if (found) yield found;
      begin = end + 1;
    }
    if (begin < chunk.length) rest.push(chunk.subarray(begin));
    restBytes += chunk.length - begin;
    if (restBytes > LONGEST_LINE) throw invalid(`${file}, line ${line + 1}`, "is too long to be read");
  }
  const last = restBytes > 0 ? piece(Buffer.concat(rest), restOffset) : undefined;
  if (last) yield last;
  if (ends.crlf > 0 && ends.lf > 0) notes?.add("files with mixed line ends, read all the same", file);
}

/**
 * The values of a JSON Lines file, or the elements of a file that is one JSON array: as a stream either way, so that
 * memory holds one of them.
 *
 * @throws InputError `INVALID_INPUT`, naming the line or element, for malformed UTF-8 or JSON.
 */
export async function* readJson(file: string, notes?: Notes, places?: Places): AsyncGenerator<JsonRecord> {
  const pieces = (await beginsWithArray(file)) ? readElements(file, places) : readLines(file, notes, places);
  for await (const { bytes, offset, position } of pieces) {
    yield { value: parseJson(bytes, position), offset, length: bytes.length, position };
  }
}

async function* readBytes(file: string, places?: Places): AsyncGenerator<Buffer> {
  const source = createReadStream(file, { highWaterMark: 1 << 18 });
  try {
    if (!file.endsWith(".gz")) return yield* source as AsyncIterable<Buffer>;
    const gunzip = createGunzip({ chunkSize: 1 << 18 });
    source.on("error", (error) => gunzip.destroy(error));
    let bytes = 0;
    for await (const chunk of source.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > UNCHECKED_BYTES && bytes > LARGEST_RATIO * source.bytesRead) {
        throw invalid(file, `unpacks to more than ${LARGEST_RATIO} times its size: unpack it yourself if you trust it`);
      }
      places?.keep(chunk);
      yield chunk;
    }
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(file, error);
  } finally {
    source.destroy();
    // Windows removes no folder of a file that is still open.
    if (!source.closed) await new Promise<void>((resolve) => source.once("close", resolve));
  }
}

function unreadable(file: string, error: unknown): InputError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === "ENOENT" ? "does not exist" : `cannot be read: ${message}`;
  return new InputError("INVALID_INPUT", `File ${file} ${reason}`, { cause: error });
}

async function beginsWithArray(file: string): Promise<boolean> {
  if (file.endsWith(".gz")) {
    for await (const { bytes } of readLines(file)) return bytes[firstNonSpace(bytes)] === OPEN_ARRAY;
    return false;
  }
  const handle = await open(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
    const head = buffer.subarray(buffer.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0, bytesRead);
    return head[firstNonSpace(head)] === OPEN_ARRAY;
  } finally {
    await handle.close();
  }
}

/** The elements of the array that a file holds: cut at the commas that stand in no string and no inner bracket. */
async function* readElements(file: string, places?: Places): AsyncGenerator<Piece> {
  let parts: Buffer[] = [];
  let [depth, inString, escaped] = [0, false, false];
  let [begin, read, index] = [0, 0, 0];
  let closed = false;
  const take = (bytes: Buffer): Piece | undefined => {
    const content = Buffer.concat([...parts, bytes]);
    parts = [];
    const first = firstNonSpace(content);
    if (first === content.length) return undefined;
    return { bytes: content.subarray(first), offset: begin + first, position: `${file}, element ${index++}` };
  };
  for await (const chunk of readBytes(file, places)) {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === 0x5c) escaped = true;
        else if (byte === 0x22) inString = false;
        continue;
      }
      if (byte === 0x22) inString = true;
      else if (byte === OPEN_ARRAY || byte === 0x7b) {
        if (++depth === 1) [from, begin] = [i + 1, read + i + 1];
      } else if (byte === 0x5d || byte === 0x7d || (byte === 0x2c && depth === 1)) {
        if (byte !== 0x2c) depth--;
        if (depth > 1 || (depth === 1 && byte !== 0x2c)) continue;
        const found = take(chunk.subarray(from, i));
        if (found) yield found;
        [from, begin] = [i + 1, read + i + 1];
        if (depth === 0) closed = true;
      }
    }
    if (!closed) parts.push(Buffer.from(chunk.subarray(from)));
    read += chunk.length;
  }
  if (!closed) throw invalid(file, `begins like a JSON array, which does not end after element ${index}`);
}

export function parseJson(bytes: Buffer, position: string): unknown {
  const text = decodeLine(bytes, position);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(position, `is not valid JSON (${(error as Error).message})`);
  }
}

export function decodeLine(bytes: Buffer, position: string): string {
  // UTF-16 without a mark is UTF-8 with a zero for every other character.
  if (bytes.includes(0)) throw invalid(position, "has a zero byte, as UTF-16 has: save the file as UTF-8");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid(position, "is not valid UTF-8: save the file as UTF-8");
  }
}

function firstNonSpace(bytes: Buffer): number {
  let i = 0;
  while (i < bytes.length && bytes[i]! <= 0x20) i++;
  return i;
}

function isBlank(bytes: Buffer): boolean {
  return firstNonSpace(bytes) === bytes.length;
}
