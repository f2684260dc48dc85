// Two of ggml's block formats, 32 values a block: Q4_1 and Q8_0.
import { toHalf } from "../models/random.ts";

const BLOCK = 32;
/** Bytes of a block of Q4_1: scale, minimum, 32 nibbles. */
export const Q4_1_BYTES = 20;
/** Bytes of a block of Q8_0: scale, 32 signed bytes. */
export const Q8_0_BYTES = 34;

/** Every half-precision number by its bits. */
const HALVES = Float32Array.from({ length: 1 << 16 }, (_, bits) => {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
});

export function fromHalf(bits: number): number {
  return HALVES[bits]!;
}

/** `d · q + m` with 4 bits of q; the first 16 values of a block are in the low nibbles, the others in the high ones. */
export function dequantizeQ4_1(data: Buffer): Float32Array {
  const blocks = data.length / Q4_1_BYTES;
  if (!Number.isInteger(blocks)) throw new Error(`Expected whole blocks of Q4_1 but received ${data.length} bytes`);
  const values = new Float32Array(blocks * BLOCK);
  for (let block = 0; block < blocks; block++) {
    const at = block * Q4_1_BYTES;
    const scale = fromHalf(data.readUInt16LE(at));
    const minimum = fromHalf(data.readUInt16LE(at + 2));
    for (let i = 0; i < 16; i++) {
      const byte = data[at + 4 + i]!;
      values[block * BLOCK + i] = scale * (byte & 15) + minimum;
      values[block * BLOCK + 16 + i] = scale * (byte >> 4) + minimum;
    }
  }
  return values;
}

/** `d · q + m` with m the least value of the block and d a fifteenth of its range, as ggml's own quantisation. */
export function quantizeQ4_1(values: Float32Array): Buffer {
  const blocks = values.length / BLOCK;
  if (!Number.isInteger(blocks))
    throw new Error(`Expected a multiple of ${BLOCK} values but received ${values.length}`);
  const data = Buffer.alloc(blocks * Q4_1_BYTES);
  for (let block = 0; block < blocks; block++) {
    const inside = values.subarray(block * BLOCK, (block + 1) * BLOCK);
    const least = inside.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
    const most = inside.reduce((high, value) => Math.max(high, value), Number.NEGATIVE_INFINITY);
    const scale = (most - least) / 15;
    const inverse = scale > 0 ? 1 / scale : 0;
    const at = block * Q4_1_BYTES;
    data.writeUInt16LE(toHalf(scale), at);
    data.writeUInt16LE(toHalf(least), at + 2);
    const nibble = (i: number) => Math.min(15, Math.floor((inside[i]! - least) * inverse + 0.5));
    for (let i = 0; i < 16; i++) data[at + 4 + i] = nibble(i) | (nibble(16 + i) << 4);
  }
  return data;
}

/** `d · q` with q from −127 to 127 and d the largest magnitude of the block over 127, as ggml's own quantisation. */
export function quantizeQ8_0(values: Float32Array): Buffer {
  const blocks = values.length / BLOCK;
  if (!Number.isInteger(blocks))
    throw new Error(`Expected a multiple of ${BLOCK} values but received ${values.length}`);
  const data = Buffer.alloc(blocks * Q8_0_BYTES);
  for (let block = 0; block < blocks; block++) {
    const inside = values.subarray(block * BLOCK, (block + 1) * BLOCK);
    const largest = inside.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = largest / 127;
    const inverse = scale > 0 ? 1 / scale : 0;
    const at = block * Q8_0_BYTES;
    data.writeUInt16LE(toHalf(scale), at);
    for (let i = 0; i < BLOCK; i++) data.writeInt8(roundAway(inside[i]! * inverse), at + 2 + i);
  }
  return data;
}

export function dequantizeQ8_0(data: Buffer): Float32Array {
  const blocks = data.length / Q8_0_BYTES;
  if (!Number.isInteger(blocks)) throw new Error(`Expected whole blocks of Q8_0 but received ${data.length} bytes`);
  const values = new Float32Array(blocks * BLOCK);
  for (let block = 0; block < blocks; block++) {
    const at = block * Q8_0_BYTES;
    const scale = fromHalf(data.readUInt16LE(at));
    for (let i = 0; i < BLOCK; i++) values[block * BLOCK + i] = scale * data.readInt8(at + 2 + i);
  }
  return values;
}

/** C's roundf: halves go away from zero. */
function roundAway(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}
