import { readSync } from "node:fs";

/** What decides how a shared library of Linux is joined with others: texts and bytes of the file, and where they stand. */
export type SharedLibrary = {
  /** The name that others ask for (`DT_SONAME`), if it has one. */
  name: string | undefined;
  /** That name and those of the libraries that it needs (`DT_NEEDED`). */
  names: { name: string; at: number }[];
  /** The binding and type of each symbol that has one address in the whole process, whichever library defines it first. */
  uniqueSymbols: { info: number; at: number }[];
};

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const SHT_DYNSYM = 11;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_SONAME = 14;
const STB_GNU_UNIQUE = 10;

/** @returns Undefined for a file that is no ELF file in little-endian order, or has no dynamic section. */
export function readLibrary(file: number): SharedLibrary | undefined {
  const read = (at: number, length: number) => {
    const bytes = Buffer.alloc(length);
    if (readSync(file, bytes, 0, length, at) !== length)
      throw new Error(`Expected ${length} bytes at ${at} of an ELF file`);
    return bytes;
  };
  const magic = Buffer.alloc(6);
  if (readSync(file, magic, 0, 6, 0) !== 6 || magic.readUInt32BE(0) !== 0x7f454c46 || magic[5] !== 1) return undefined;
  // 64 or 32 bits: the same fields at other places.
  const wide = magic[4] === 2;
  const word = (bytes: Buffer, at: number) => (wide ? Number(bytes.readBigUInt64LE(at)) : bytes.readUInt32LE(at));
  const header = read(0, wide ? 64 : 52);
  /** The entries of a table whose place and size stand in the header. */
  const table = (place: number, size: number) => {
    const [length, count] = [header.readUInt16LE(size), header.readUInt16LE(size + 2)];
    return split(read(word(header, place), length * count), length);
  };

  const segments = table(wide ? 32 : 28, wide ? 54 : 42).map((entry) => ({
    type: entry.readUInt32LE(0),
    offset: word(entry, wide ? 8 : 4),
    address: word(entry, wide ? 16 : 8),
    size: word(entry, wide ? 32 : 16),
  }));
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (!dynamic) return undefined;
  const entries = split(read(dynamic.offset, dynamic.size), wide ? 16 : 8).map((entry) => ({
    tag: word(entry, 0),
    value: word(entry, entry.length / 2),
  }));
  const valueOfTag = (wanted: number) => entries.find(({ tag }) => tag === wanted)?.value ?? 0;
  const address = valueOfTag(DT_STRTAB);
  const holder = segments.find(
    (segment) => segment.type === PT_LOAD && address >= segment.address && address < segment.address + segment.size,
  );
  if (!holder) return undefined;
  const begin = holder.offset + address - holder.address;
  const strings = read(begin, valueOfTag(DT_STRSZ));
  const text = (at: number) => strings.toString("latin1", at, strings.indexOf(0, at));
  const own = entries.find(({ tag }) => tag === DT_SONAME);

  const sections = table(wide ? 40 : 32, wide ? 58 : 46).map((entry) => ({
    type: entry.readUInt32LE(4),
    offset: word(entry, wide ? 24 : 16),
    size: word(entry, wide ? 32 : 20),
  }));
  const symbolBytes = wide ? 24 : 16;
  const infoAt = wide ? 4 : 12;
  const uniqueSymbols = sections
    .filter(({ type }) => type === SHT_DYNSYM)
    .flatMap(({ offset, size }) =>
      split(read(offset, size), symbolBytes).map((symbol, i) => ({
        info: symbol[infoAt]!,
        at: offset + i * symbolBytes + infoAt,
      })),
    )
    .filter(({ info }) => info >> 4 === STB_GNU_UNIQUE);

  return {
    name: own && text(own.value),
    names: entries
      .filter(({ tag }) => tag === DT_NEEDED || tag === DT_SONAME)
      .map(({ value }) => ({ name: text(value), at: begin + value })),
    uniqueSymbols,
  };
}

function split(bytes: Buffer, length: number): Buffer[] {
  const count = length === 0 ? 0 : Math.floor(bytes.length / length);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * length, (i + 1) * length));
}
