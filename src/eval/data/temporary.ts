import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { unreadable } from "./records.ts";

/** A file in which places can be gone to, and what removes it. */
export type Unpacked = { plain: string; remove: () => Promise<void> };

/**
 * The file itself, or a temporary unpacked copy of one that ends in `.gz`.
 *
 * @throws InputError `INVALID_INPUT` for a file that cannot be unpacked.
 */
export async function unpacked(file: string): Promise<Unpacked> {
  if (!file.endsWith(".gz")) return { plain: file, remove: async () => {} };
  const folder = await mkdtemp(path.join(tmpdir(), "qrhead-eval-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  const plain = path.join(folder, path.basename(file, ".gz"));
  try {
    await pipeline(createReadStream(file), createGunzip(), createWriteStream(plain));
    return { plain, remove };
  } catch (error) {
    await remove();
    throw unreadable(file, error);
  }
}
