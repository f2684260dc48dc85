// A model in two files, as llama.cpp's gguf-split makes them: the first holds the metadata.
import { readFileSync } from "node:fs";
import path from "node:path";
import { readGgufHeader } from "../../scripts/models/gguf-reader.ts";
import {
  type TensorToWrite,
  type TensorType,
  tensorBytes,
  tensorTypes,
  writeGguf,
} from "../../scripts/models/gguf-writer.ts";

const U16 = 2;
const I32 = 5;

/** Splits the model `source` into two files inside `folder` and returns the path of the first. */
export function splitModel(source: string, folder: string): string {
  const bytes = readFileSync(source);
  const { entries, tensors } = readGgufHeader(source);
  const all = [...tensors.values()].map(({ name, shape, type, offset }): TensorToWrite => {
    const known = Object.keys(tensorTypes) as TensorType[];
    const tensorType = known.find((key) => tensorTypes[key].id === type)!;
    return {
      name,
      shape,
      type: tensorType,
      data: () => [bytes.subarray(offset, offset + tensorBytes(shape, tensorType))],
    };
  });
  const half = Math.ceil(all.length / 2);
  const parts = [all.slice(0, half), all.slice(half)];
  const paths = parts.map((part, index) => {
    const file = path.join(folder, `split-0000${index + 1}-of-00002.gguf`);
    const place = [
      entry("split.no", U16, index),
      entry("split.count", U16, 2),
      entry("split.tensors.count", I32, all.length),
    ];
    const own = index === 0 ? [...entries.values()].map((value) => value.bytes) : [];
    writeGguf(file, [...own, ...place], part);
    return file;
  });
  return paths[0]!;
}

function entry(key: string, type: typeof U16 | typeof I32, value: number): Buffer {
  const bytes = Buffer.alloc(8 + key.length + 4 + (type === U16 ? 2 : 4));
  bytes.writeBigUInt64LE(BigInt(key.length));
  bytes.write(key, 8, "latin1");
  bytes.writeUInt32LE(type, 8 + key.length);
  if (type === U16) bytes.writeUInt16LE(value, 12 + key.length);
  else bytes.writeInt32LE(value, 12 + key.length);
  return bytes;
}
