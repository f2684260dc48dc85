import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { LoadedModel } from "./model.ts";

/** Bytes hashed at either end of the file. */
const END_BYTES = 2 ** 20;

/**
 * Identifies the file that heads were found with, in hexadecimal: SHA-256 over architecture, layers, heads, KV heads,
 * embedding and vocabulary size, the file's length, and its first and last MiB.
 *
 * That covers the GGUF header with its metadata, as far as the first MiB reaches, and the last tensors. Another
 * quantisation, fine-tune or chat template gives another fingerprint, another file name does not; a change to nothing but
 * the middle of the file goes unseen. Of a model in several files it is the first.
 */
export async function fingerprint({ info, path }: Pick<LoadedModel, "info" | "path">): Promise<string> {
  const { architecture, layers, heads, kvHeads, embeddingSize, vocabularySize } = info;
  const hash = createHash("sha256");
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    hash.update(JSON.stringify([architecture, layers, heads, kvHeads, embeddingSize, vocabularySize, size]));
    for (const begin of [0, Math.max(0, size - END_BYTES)]) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(END_BYTES), 0, END_BYTES, begin);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
  return hash.digest("hex");
}
