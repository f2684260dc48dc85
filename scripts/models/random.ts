// Seeded weights, the same bytes on every machine: integer arithmetic and one multiplication, no Math.log or Math.cos.
import { createHash } from "node:crypto";
import type { TensorType } from "./gguf-writer.ts";

/** A generator of uniform 32-bit words (sfc32). */
export type Random = () => number;

/** A generator whose stream depends on nothing but the seed and the name. */
export function seededRandom(seed: number, name: string): Random {
  const digest = createHash("sha256").update(`${seed}:${name}`).digest();
  let [a, b, c, counter] = [0, 4, 8, 12].map((at) => digest.readInt32LE(at)) as [number, number, number, number];
  return () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
}

/** An integer in `[0, bound)`. */
export function below(random: Random, bound: number): number {
  return Math.floor((random() / 0x1_0000_0000) * bound);
}

// Four uniform 16-bit integers summed: close to a normal distribution, and exact.
const SUM_MEAN = 2 * 0xffff;
const SUM_STD = Math.sqrt((4 * (0x1_0000 ** 2 - 1)) / 12);

/** About standard normal, bounded by ±3.5. */
export function normal(random: Random): number {
  const [x, y] = [random(), random()];
  return ((x & 0xffff) + (x >>> 16) + (y & 0xffff) + (y >>> 16) - SUM_MEAN) / SUM_STD;
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** IEEE half precision of a number, rounded to nearest even by way of single precision. */
export function toHalf(value: number): number {
  single[0] = value;
  const bits = singleBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const size = Math.abs(single[0]);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(((bits >>> 23) & 0xff) - 127, -14);
  const scaled = size / 2 ** (exponent - 10);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const mantissa = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  // A mantissa of 2048 carries into the exponent by itself; one below 1024 is subnormal and has exponent -14.
  return sign | (mantissa + ((exponent + 14) << 10));
}

/** Elements made at a time: whole Q8_0 blocks, a few MB. */
const CHUNK = 1 << 18;
// Standard deviation of a uniform signed integer of so many bits.
const uniformStd = (bits: number) => Math.sqrt((4 ** bits - 1) / 12);

/** Encodes numbers as F32 or F16. */
export function encodeFloats(values: Float32Array, type: "F32" | "F16"): Uint8Array {
  if (type === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = toHalf(values[i]!);
  return new Uint8Array(halves.buffer);
}

// A block of either type is a half-precision scale followed by 32 signed integers, all of whose bits are random.
function* randomBlocks(random: Random, bits: 4 | 8, count: number, std: number): Generator<Uint8Array> {
  const scale = toHalf(std / uniformStd(bits));
  for (let done = 0; done < count; done += CHUNK) {
    const blocks = Math.min(CHUNK, count - done) / 32;
    const words = new Uint16Array(blocks * (1 + 2 * bits));
    for (let at = 0; at < words.length; ) {
      words[at++] = scale;
      for (let pair = 0; pair < bits; pair++) {
        const word = random();
        words[at++] = word;
        words[at++] = word >>> 16;
      }
    }
    yield new Uint8Array(words.buffer);
  }
}

/**
 * `count` random numbers of the given mean and standard deviation, encoded. F32 and F16 are about normal; Q8_0 and
 * Q4_0 are uniform with one scale for all blocks, and have mean 0.
 */
export function* randomTensor(
  random: Random,
  type: TensorType,
  count: number,
  std: number,
  mean = 0,
): Generator<Uint8Array> {
  if (type === "Q8_0" || type === "Q4_0") {
    if (mean !== 0) throw new Error(`Expected mean 0 for a ${type} tensor but received ${mean}`);
    yield* randomBlocks(random, type === "Q8_0" ? 8 : 4, count, std);
    return;
  }
  for (let done = 0; done < count; done += CHUNK) {
    const values = new Float32Array(Math.min(CHUNK, count - done));
    for (let i = 0; i < values.length; i++) values[i] = mean + std * normal(random);
    yield encodeFloats(values, type);
  }
}
