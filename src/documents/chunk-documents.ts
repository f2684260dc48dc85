import type { Chunk, ChunkOptions } from "../chunking/chunk.ts";
import { invalidArgument } from "../errors.ts";
import { CHUNK_DOCUMENTS } from "../options/answering.ts";
import { parseOptions } from "../options/parse.ts";
import { valuesOf } from "../options/spec.ts";
import type { ChunkDocumentsOptions } from "../options/types/texts.ts";
import type { RankDocument } from "../types.ts";
import { fieldsOf } from "../util/kinds.ts";
import { type DocumentInput, someDocuments } from "./documents.ts";
import type { ReadText } from "./read-files.ts";

/** Cuts texts with sizes in tokens of its model; a `QRRetriever` does. */
export type Chunker = {
  chunk(text: string, options?: ChunkOptions & { signal?: AbortSignal | undefined }): Promise<Chunk[]>;
};

export type { ChunkDocumentsOptions };

/**
 * Cuts documents into chunks whose ids say where they are from: `ID#BEGIN-END`, the id of the document and the half-open span of
 * its text in UTF-16 units. Blank chunks are left out. `ask` takes a corpus of them.
 *
 * @throws InputError for no documents, duplicate ids, wrong options, or documents that are all blank.
 * @example
 * const chunks = await chunkDocuments(retriever, ["A long text. …"], { chunkTokens: 200 });
 * const { results } = await retriever.rank("Who wrote it?", chunks);
 */
export async function chunkDocuments(
  retriever: Chunker,
  inputs: readonly (DocumentInput | ReadText)[],
  options: ChunkDocumentsOptions = {},
): Promise<RankDocument[]> {
  const parsed = parseOptions(CHUNK_DOCUMENTS, options) as ChunkDocumentsOptions;
  const { chunkTokens = valuesOf(CHUNK_DOCUMENTS).chunkTokens, chunk, signal } = parsed;
  if (typeof fieldsOf<Chunker>(retriever).chunk !== "function") {
    throw invalidArgument("retriever", "a retriever, or an object with its method chunk", retriever);
  }
  const chunks: RankDocument[] = [];
  for (const [index, { id, title, text }] of someDocuments(inputs).entries()) {
    signal?.throwIfAborted();
    const input = inputs[index];
    const by = typeof input === "object" && "by" in input ? input.by : undefined;
    // A byte order mark counts in offsets but is no text.
    const shift = text.startsWith("\uFEFF") ? 1 : 0;
    const parts = await retriever.chunk(text.slice(shift), { by, ...chunk, size: chunkTokens, signal });
    for (const { begin, end, text: part } of parts) {
      if (part.trim() === "") continue;
      chunks.push({ id: `${id}#${begin + shift}-${end + shift}`, ...(title && { title }), text: part });
    }
  }
  if (chunks.length === 0) throw invalidArgument("documents", "texts of which at least one is not blank", inputs);
  return chunks;
}
