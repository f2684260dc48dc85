// A low-rank adapter in llama.cpp's own format: what was learnt, a few megabytes beside the released weights it changes.
import { closeSync, openSync, readSync } from "node:fs";
import { type GgufHeader, readGgufHeader } from "../models/gguf-reader.ts";
import { fromHalf } from "./quants.ts";

const F16 = 1;

/** Values of a matrix, its contiguous dimension first in `shape`. */
type Matrix = { shape: readonly number[]; values: Float32Array };

export type Adapter = {
  /** Whether a tensor is changed. */
  has: (name: string) => boolean;
  /** `weights` of the tensor plus alpha / rank · B·A, summed in double precision, so that every machine gives the same. */
  add: (name: string, weights: Float32Array) => Float32Array;
};

/** @throws Error for a file that is no adapter in half precision. */
export function readAdapter(file: string): Adapter {
  const header = readGgufHeader(file);
  const alpha = header.entries.get("adapter.lora.alpha")?.value;
  if (typeof alpha !== "number") throw new Error(`Expected adapter.lora.alpha in the header of ${file}`);
  const matrix = (name: string): Matrix => readHalf(file, header, name);
  return {
    has: (name) => header.tensors.has(`${name}.lora_a`),
    add: (name, weights) => {
      const [a, b] = [matrix(`${name}.lora_a`), matrix(`${name}.lora_b`)];
      return addProduct(weights, a, b, alpha);
    },
  };
}

/** @param a [width, rank]; @param b [rank, rows]; @param alpha What the product counts for, times the rank. */
export function addProduct(weights: Float32Array, a: Matrix, b: Matrix, alpha: number): Float32Array {
  const [width, rank] = a.shape as [number, number];
  const rows = b.shape[1]!;
  if (b.shape[0] !== rank || weights.length !== rows * width) {
    throw new Error(`Expected an adapter of ${weights.length} values but received ${rows} rows of ${width}`);
  }
  const scale = alpha / rank;
  const sum = Float32Array.from(weights);
  const change = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    change.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = b.values[row * rank + k]!;
      for (let i = 0; i < width; i++) change[i]! += factor * a.values[k * width + i]!;
    }
    for (let i = 0; i < width; i++) sum[row * width + i]! += scale * change[i]!;
  }
  return sum;
}

function readHalf(path: string, header: GgufHeader, name: string): Matrix {
  const info = header.tensors.get(name);
  if (info?.type !== F16) throw new Error(`Expected ${name} in half precision in ${path}`);
  const data = Buffer.alloc(2 * info.shape.reduce((product, n) => product * n, 1));
  const file = openSync(path, "r");
  try {
    if (readSync(file, data, 0, data.length, info.offset) !== data.length)
      throw new Error(`Expected ${data.length} bytes for ${name}`);
  } finally {
    closeSync(file);
  }
  return {
    shape: info.shape,
    values: Float32Array.from({ length: data.length / 2 }, (_, i) => fromHalf(data.readUInt16LE(2 * i))),
  };
}
