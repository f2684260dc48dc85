// Tensors of a GGUF file as double-precision numbers, a few rows at a time.
import { readFileSync } from "node:fs";
import { type GgufScalar, readGgufHeader } from "../../../scripts/models/gguf-reader.ts";

/** A GGUF file held in memory. */
export type TensorFile = {
  metadata(key: string): GgufScalar | undefined;
  has(name: string): boolean;
  /** ggml order: the contiguous dimension first. */
  shape(name: string): readonly number[];
  /** Rows `[begin, end)` of the contiguous dimension, one after the other; all of them by default. */
  rows(name: string, begin?: number, end?: number): Float64Array;
};

/** Value of a half-precision number given as its 16 bits; infinities and NaNs do not occur in weights. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

type Decoder = { blockBytes: number; blockElements: number; decode: (bytes: DataView, out: Float64Array) => void };

const decoders: Readonly<Record<number, Decoder>> = {
  // F32
  0: {
    blockBytes: 4,
    blockElements: 1,
    decode: (bytes, out) => {
      out[0] = bytes.getFloat32(0, true);
    },
  },
  // F16
  1: {
    blockBytes: 2,
    blockElements: 1,
    decode: (bytes, out) => {
      out[0] = fromHalf(bytes.getUint16(0, true));
    },
  },
  // Q4_0: the low halves of the 16 bytes are the first 16 elements.
  2: {
    blockBytes: 18,
    blockElements: 32,
    decode: (bytes, out) => {
      const scale = fromHalf(bytes.getUint16(0, true));
      for (let i = 0; i < 16; i++) {
        const pair = bytes.getUint8(2 + i);
        out[i] = scale * ((pair & 15) - 8);
        out[i + 16] = scale * ((pair >> 4) - 8);
      }
    },
  },
  // Q8_0
  8: {
    blockBytes: 34,
    blockElements: 32,
    decode: (bytes, out) => {
      const scale = fromHalf(bytes.getUint16(0, true));
      for (let i = 0; i < 32; i++) out[i] = scale * bytes.getInt8(2 + i);
    },
  },
};

/**
 * Opens a GGUF file's tensors.
 * @throws when the file is no GGUF; its functions when a tensor is missing or of a type that is not F32, F16, Q4_0 or Q8_0
 */
export function openTensors(path: string): TensorFile {
  const header = readGgufHeader(path);
  const file = readFileSync(path);
  const info = (name: string) => {
    const found = header.tensors.get(name);
    if (!found) throw new Error(`Expected a tensor ${name} in ${path}`);
    return found;
  };
  return {
    metadata: (key) => header.entries.get(key)?.value ?? undefined,
    has: (name) => header.tensors.has(name),
    shape: (name) => info(name).shape,
    rows(name, begin = 0, end) {
      const { shape, type, offset } = info(name);
      const decoder = decoders[type];
      if (!decoder)
        throw new Error(`Expected F32, F16, Q4_0 or Q8_0 for tensor ${name} but received ggml type ${type}`);
      const { blockBytes, blockElements, decode } = decoder;
      const [width = 1, ...others] = shape;
      const last = end ?? others.reduce((product, n) => product * n, 1);
      const values = new Float64Array((last - begin) * width);
      const firstByte = offset + ((begin * width) / blockElements) * blockBytes;
      for (let block = 0; block * blockElements < values.length; block++) {
        const bytes = new DataView(file.buffer, file.byteOffset + firstByte + block * blockBytes, blockBytes);
        decode(bytes, values.subarray(block * blockElements, (block + 1) * blockElements));
      }
      return values;
    },
  };
}
