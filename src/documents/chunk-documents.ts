import type { ChunkOptions } from "../chunking/chunk.ts";
import { invalidArgument } from "../errors.ts";
import type { QRRetriever } from "../retriever.ts";
import type { RankDocument } from "../types.ts";
import { type DocumentInput, normalizeDocuments } from "./documents.ts";
import type { ReadText } from "./read-files.ts";

export type ChunkDocumentsOptions = {
  /** Tokens of the chunks that texts are cut into, at least 8. Defaults to 200. */
  chunkTokens?: number | undefined;
  /** How texts are cut; by default as their file's ending says, else at paragraphs. */
  chunk?: Pick<ChunkOptions, "by" | "turn" | "session" | "speakers"> | undefined;
  signal?: AbortSignal | undefined;
};

/** Where a chunk stands: the document's position among all and its id; half-open in UTF-16 units of its text. */
export type ChunkPlace = { document: number; documentId: string; begin: number; end: number };

/**
 * Cuts documents into chunks that know where they are from: their ids are `ID#BEGIN-END`, with the id of their document and
 * the half-open stretch of its text in UTF-16 units. Blank chunks are left out. `ask` takes a corpus of them.
 *
 * @throws InputError for no documents, duplicate ids, wrong options, or documents that are all blank.
 */
export async function chunkDocuments(
  retriever: Pick<QRRetriever, "chunk">,
  inputs: readonly (DocumentInput | ReadText)[],
  options: ChunkDocumentsOptions = {},
): Promise<RankDocument[]> {
  const { chunkTokens = 200, chunk, signal } = options;
  if (!(Number.isInteger(chunkTokens) && chunkTokens >= 8)) {
    throw invalidArgument("chunkTokens", "an integer of at least 8", chunkTokens);
  }
  const chunks: RankDocument[] = [];
  for (const [index, { id, title, text }] of normalizeDocuments(inputs).entries()) {
    signal?.throwIfAborted();
    const input = inputs[index];
    const by = typeof input === "object" && "by" in input ? input.by : undefined;
    for (const { begin, end, text: part } of await retriever.chunk(text, { by, ...chunk, size: chunkTokens, signal })) {
      if (part.trim() !== "") chunks.push({ id: `${id}#${begin}-${end}`, ...(title && { title }), text: part });
    }
  }
  if (chunks.length === 0) throw invalidArgument("documents", "at least one text that is not blank", inputs.length);
  return chunks;
}

/**
 * Where chunks stand, by their ids; a document that is no chunk is one of its own.
 *
 * @param documents Ids of the documents in their order. Defaults to the order in which the chunks name them.
 */
export function placesOf(chunks: readonly RankDocument[], documents: readonly string[] = []): ChunkPlace[] {
  const positions = new Map(documents.map((id, index) => [id, index]));
  return chunks.map(({ id, text }) => {
    const [, name = id, from = "0", to = String(text.length)] = /^(.*)#(\d+)-(\d+)$/s.exec(id) ?? [];
    // An id of somebody else's may look the same.
    const isPlace = Number(to) - Number(from) === text.length;
    const documentId = isPlace ? name : id;
    if (!positions.has(documentId)) positions.set(documentId, positions.size);
    const [begin, end] = isPlace ? [Number(from), Number(to)] : [0, text.length];
    return { document: positions.get(documentId)!, documentId, begin, end };
  });
}
