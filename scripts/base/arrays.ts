// Arrays of a GGUF header as bytes: the reader of test models walks over them, and the writer knows a few kinds only.
import type { GgufEntry } from "../models/gguf-reader.ts";

const ARRAY = 9;
const [U32, I32, STRING] = [4, 5, 8];

function word32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function word64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([word64(bytes.length), bytes]);
}

/** Where the elements begin, and of which type they are. */
function opened({ key, bytes }: GgufEntry): { at: number; type: number; length: number } {
  const at = 8 + Number(bytes.readBigUInt64LE(0));
  if (bytes.readUInt32LE(at) !== ARRAY) throw new Error(`Expected an array for ${key}`);
  return { type: bytes.readUInt32LE(at + 4), length: Number(bytes.readBigUInt64LE(at + 8)), at: at + 16 };
}

export function readStrings(entry: GgufEntry): string[] {
  let { at, type, length } = opened(entry);
  if (type !== STRING) throw new Error(`Expected strings for ${entry.key} but received type ${type}`);
  return Array.from({ length }, () => {
    const bytes = Number(entry.bytes.readBigUInt64LE(at));
    at += 8 + bytes;
    return entry.bytes.toString("utf8", at - bytes, at);
  });
}

export function readInts(entry: GgufEntry): number[] {
  const { at, type, length } = opened(entry);
  if (type !== U32 && type !== I32) throw new Error(`Expected integers for ${entry.key} but received type ${type}`);
  return Array.from({ length }, (_, i) => entry.bytes.readInt32LE(at + 4 * i));
}

export function encodeStrings(key: string, values: readonly string[]): Buffer {
  return Buffer.concat([string(key), word32(ARRAY), word32(STRING), word64(values.length), ...values.map(string)]);
}

export function encodeInts(key: string, values: readonly number[]): Buffer {
  const elements = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) elements.writeInt32LE(value, 4 * i);
  return Buffer.concat([string(key), word32(ARRAY), word32(I32), word64(values.length), elements]);
}
