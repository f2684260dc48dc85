// Reads the header of a GGUF file (version 2 or 3, which little-endian files share): metadata entries with their byte ranges, and tensor places.
// Vocabularies are copied entry by entry as bytes, so arrays are walked over and never decoded.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const ALIGNMENT = 32;
const STRING = 8;
const ARRAY = 9;
/** Bytes of a scalar, by GGUF value type; 0 where the type is no scalar. */
const scalarBytes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

export type GgufScalar = string | number | bigint | boolean;

/** One metadata entry; `bytes` is the whole entry as it stands in the file, key included. */
export type GgufEntry = {
  key: string;
  /** `null` for arrays. */
  value: GgufScalar | null;
  /** Number of elements of an array, else 0. */
  length: number;
  bytes: Buffer;
};

export type GgufTensorInfo = {
  name: string;
  /** ggml order: the contiguous dimension first. */
  shape: number[];
  /** ggml's type number: 0 F32, 1 F16, 8 Q8_0. */
  type: number;
  /** Of the first byte, from the beginning of the file. */
  offset: number;
};

export type GgufHeader = { entries: Map<string, GgufEntry>; tensors: Map<string, GgufTensorInfo> };

class Cursor {
  constructor(
    readonly bytes: Buffer,
    public at: number,
  ) {}

  u32(): number {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  u64(): number {
    this.at += 8;
    return Number(this.bytes.readBigUInt64LE(this.at - 8));
  }

  skip(count: number): void {
    this.at += count;
    if (this.at > this.bytes.length) throw new RangeError("past the end of the buffer");
  }

  string(): string {
    const begin = this.at + 8;
    this.skip(this.u64());
    return this.bytes.toString("utf8", begin, this.at);
  }

  scalar(type: number): GgufScalar {
    if (type === STRING) return this.string();
    const begin = this.at;
    this.skip(bytesOf(type));
    switch (type) {
      case 0:
        return this.bytes.readUInt8(begin);
      case 1:
        return this.bytes.readInt8(begin);
      case 2:
        return this.bytes.readUInt16LE(begin);
      case 3:
        return this.bytes.readInt16LE(begin);
      case 4:
        return this.bytes.readUInt32LE(begin);
      case 5:
        return this.bytes.readInt32LE(begin);
      case 6:
        return this.bytes.readFloatLE(begin);
      case 7:
        return this.bytes.readUInt8(begin) !== 0;
      case 10:
        return this.bytes.readBigUInt64LE(begin);
      case 11:
        return this.bytes.readBigInt64LE(begin);
      default:
        return this.bytes.readDoubleLE(begin);
    }
  }

  array(): number {
    const type = this.u32();
    const length = this.u64();
    if (type === STRING) for (let i = 0; i < length; i++) this.skip(this.u64());
    else this.skip(length * bytesOf(type));
    return length;
  }
}

function bytesOf(type: number): number {
  const bytes = scalarBytes[type];
  if (!bytes) throw new Error(`Expected a GGUF value type but received ${type}`);
  return bytes;
}

function parse(bytes: Buffer, wantedKey?: string): GgufHeader {
  if (bytes.toString("latin1", 0, 4) !== "GGUF")
    throw new Error("Expected a GGUF file but its first bytes are not GGUF");
  const cursor = new Cursor(bytes, 4);
  const version = cursor.u32();
  if (version !== 2 && version !== 3) throw new Error(`Expected GGUF version 2 or 3 but received ${version}`);
  const tensorCount = cursor.u64();
  const entryCount = cursor.u64();
  const entries = new Map<string, GgufEntry>();
  for (let i = 0; i < entryCount; i++) {
    const begin = cursor.at;
    const key = cursor.string();
    const type = cursor.u32();
    const isArray = type === ARRAY;
    const value = isArray ? null : cursor.scalar(type);
    const length = isArray ? cursor.array() : 0;
    entries.set(key, { key, value, length, bytes: bytes.subarray(begin, cursor.at) });
    if (key === wantedKey) return { entries, tensors: new Map() };
  }
  const tensors = new Map<string, GgufTensorInfo>();
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.string();
    const shape = Array.from({ length: cursor.u32() }, () => cursor.u64());
    tensors.set(name, { name, shape, type: cursor.u32(), offset: cursor.u64() });
  }
  const data = Math.ceil(cursor.at / ALIGNMENT) * ALIGNMENT;
  for (const tensor of tensors.values()) tensor.offset += data;
  return { entries, tensors };
}

/**
 * Reads a GGUF file's header. With `wantedKey` it stops behind that entry and returns no tensors.
 * @throws when the file is missing, cut short, not GGUF or of another version
 */
export function readGgufHeader(path: string, wantedKey?: string): GgufHeader {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    // The header's length is not written anywhere: read more until it parses.
    for (let length = Math.min(size, wantedKey ? 1 << 12 : 1 << 23); ; length = Math.min(size, length * 4)) {
      const bytes = Buffer.alloc(length);
      readSync(file, bytes, 0, length, 0);
      try {
        return parse(bytes, wantedKey);
      } catch (error) {
        if (!(error instanceof RangeError) || length === size) throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}
