// Writes GGUF files (version 3, little-endian), tensor data streamed so that large models need little memory.
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";

const ALIGNMENT = 32;

/** Types that test models are made of. */
export type TensorType = "F32" | "F16" | "Q8_0" | "Q4_0";
/** Types that can be written. */
export type WrittenType = TensorType | "Q4_1";

/** ggml's number of a tensor type, and how many bytes a block of so many elements takes. */
export const tensorTypes: Readonly<Record<WrittenType, { id: number; blockBytes: number; blockElements: number }>> = {
  F32: { id: 0, blockBytes: 4, blockElements: 1 },
  F16: { id: 1, blockBytes: 2, blockElements: 1 },
  Q4_0: { id: 2, blockBytes: 18, blockElements: 32 },
  Q4_1: { id: 3, blockBytes: 20, blockElements: 32 },
  Q8_0: { id: 8, blockBytes: 34, blockElements: 32 },
};

/** A typed metadata value. Numbers of arrays are checked by nobody: give what the type holds. */
export type MetadataValue =
  | { type: "u32" | "i32" | "f32"; value: number }
  | { type: "bool"; value: boolean }
  | { type: "string"; value: string }
  | { type: "u32[]" | "bool[]"; value: readonly number[] };

export const u32 = (value: number): MetadataValue => ({ type: "u32", value });
export const f32 = (value: number): MetadataValue => ({ type: "f32", value });
export const bool = (value: boolean): MetadataValue => ({ type: "bool", value });
export const text = (value: string): MetadataValue => ({ type: "string", value });
export const u32s = (value: readonly number[]): MetadataValue => ({ type: "u32[]", value });

export type TensorToWrite = {
  name: string;
  /** ggml order: the contiguous dimension first; it must be a multiple of the type's block. */
  shape: readonly number[];
  type: WrittenType;
  /** The data, in pieces that together have the size that shape and type say. */
  data: () => Iterable<Uint8Array>;
};

function word32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
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

function float(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function encodeValue(given: MetadataValue): Buffer {
  switch (given.type) {
    case "u32":
      return Buffer.concat([word32(4), word32(given.value)]);
    case "i32":
      return Buffer.concat([word32(5), word32(given.value)]);
    case "f32":
      return Buffer.concat([word32(6), float(given.value)]);
    case "bool":
      return Buffer.concat([word32(7), Buffer.of(given.value ? 1 : 0)]);
    case "string":
      return Buffer.concat([word32(8), string(given.value)]);
    case "u32[]":
      return Buffer.concat([word32(9), word32(4), word64(given.value.length), ...given.value.map(word32)]);
    case "bool[]":
      return Buffer.concat([word32(9), word32(7), word64(given.value.length), Buffer.from(given.value)]);
  }
}

/** One metadata entry as bytes: key, type, value. */
export function encodeEntry(key: string, value: MetadataValue): Buffer {
  return Buffer.concat([string(key), encodeValue(value)]);
}

/**
 * Size of a tensor's data in bytes.
 * @throws when the contiguous dimension does not hold whole blocks
 */
export function tensorBytes(shape: readonly number[], type: WrittenType): number {
  const { blockBytes, blockElements } = tensorTypes[type];
  const row = shape[0] ?? 0;
  if (row % blockElements !== 0)
    throw new Error(`Expected a multiple of ${blockElements} for a ${type} row but received ${row}`);
  return (shape.reduce((product, n) => product * n, 1) / blockElements) * blockBytes;
}

const padded = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * Writes a GGUF file under a temporary name and renames it, so that a reader never sees half a file.
 * @throws when a tensor's data does not have the size that its shape and type say
 */
export function writeGguf(path: string, entries: readonly Uint8Array[], tensors: readonly TensorToWrite[]): void {
  const partial = `${path}.partial-${process.pid}`;
  try {
    const file = openSync(partial, "w");
    try {
      writeContent(file, entries, tensors);
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

function writeContent(file: number, entries: readonly Uint8Array[], tensors: readonly TensorToWrite[]): void {
  const infos: Buffer[] = [];
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    infos.push(string(name), word32(shape.length), ...shape.map(word64), word32(tensorTypes[type].id), word64(offset));
    offset += padded(tensorBytes(shape, type));
  }
  let written = 0;
  const write = (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    written += bytes.length;
  };
  const pad = () => write(Buffer.alloc(padded(written) - written));
  write(Buffer.concat([Buffer.from("GGUF"), word32(3), word64(tensors.length), word64(entries.length)]));
  for (const entry of entries) write(entry);
  write(Buffer.concat(infos));
  pad();
  for (const { name, shape, type, data } of tensors) {
    const begin = written;
    for (const piece of data()) write(piece);
    const expected = tensorBytes(shape, type);
    if (written - begin !== expected) {
      throw new Error(`Expected ${expected} bytes for tensor ${name} but received ${written - begin}`);
    }
    pad();
  }
}
