import type { Addon } from "../../native/addon-types.ts";
import type { Kept } from "../kept.ts";

/*
 * What a saved corpus keeps for its next query, after its cells: two names as SHA-256 (of instruction and heads, of the null
 * query), the bytes of the instruction's cells (8), how many numbers follow for the instruction (4) and for the null query
 * (4); then the cells as llama.cpp copies them, and the numbers as 32-bit floats.
 */
const NAME_BYTES = 32;
const FIXED_BYTES = 2 * NAME_BYTES + 16;

/** @returns The instruction's cells, and the record in pieces; undefined where there is nothing that a file can hold. */
export function encodeKept({ name, opening, baseline }: Kept): { cells: number; pieces: Uint8Array[] } | undefined {
  if (!(baseline?.seen instanceof Float32Array)) return undefined;
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.write(name, 0, "hex");
  fixed.write(baseline.name, NAME_BYTES, "hex");
  fixed.writeBigUInt64LE(BigInt(opening.cells.bytes), 2 * NAME_BYTES);
  fixed.writeUInt32LE(opening.sums.length, 2 * NAME_BYTES + 8);
  fixed.writeUInt32LE(baseline.seen.length, 2 * NAME_BYTES + 12);
  const pieces = [fixed, opening.cells.slice(0, opening.cells.bytes), bytesOf(opening.sums), bytesOf(baseline.seen)];
  return { cells: opening.cells.cells, pieces };
}

/** The reverse; undefined for bytes that are no such record, or whose numbers cannot be attention. */
export function decodeKept(addon: Addon, cells: number, record: Buffer): Kept | undefined {
  if (record.length < FIXED_BYTES || cells === 0) return undefined;
  const cellBytes = Number(record.readBigUInt64LE(2 * NAME_BYTES));
  const [sums, seen] = [8, 12].map((at) => record.readUInt32LE(2 * NAME_BYTES + at)) as [number, number];
  if (FIXED_BYTES + cellBytes + 4 * (sums + seen) !== record.length) return undefined;
  const state = new addon.CellState(cells, cellBytes);
  state.append(record.subarray(FIXED_BYTES, FIXED_BYTES + cellBytes));
  const opening = { cells: state, sums: floatsOf(record, FIXED_BYTES + cellBytes, sums) };
  const baseline = {
    name: record.toString("hex", NAME_BYTES, 2 * NAME_BYTES),
    seen: floatsOf(record, FIXED_BYTES + cellBytes + 4 * sums, seen),
  };
  if (![opening.sums, baseline.seen].every((values) => values.every((value) => value >= 0 && Number.isFinite(value)))) {
    return undefined;
  }
  return { name: record.toString("hex", 0, NAME_BYTES), opening, baseline };
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function floatsOf(record: Buffer, begin: number, count: number): Float32Array {
  const values = new Float32Array(count);
  bytesOf(values).set(record.subarray(begin, begin + 4 * count));
  return values;
}
