import type { RankDocument } from "../types.ts";

/** Where a chunk is from: the document's position among all and its id; half-open in UTF-16 units of its text. */
export type ChunkPlace = {
  document: number;
  documentId: string;
  begin: number;
  end: number;
  /** The file that the document was read from, if any. */
  file?: string;
  /** 1-based line of the file, or of a document without a file, that the chunk's text begins on. Absent if unknown. */
  line?: number;
};

/** A chunk that was retrieved: its text, its scores, and where it is from. */
export type RetrievedSource = ChunkPlace & {
  /** The number that it is cited by, from 1. */
  citation: number;
  id: string;
  title?: string;
  text: string;
  /** The score that sorts the ranking: see `RankedDocument`. 0 for a neighbour that was not a candidate. */
  score: number;
  /** The heads' relevance, from 0 to 1; 0 for a neighbour that was not a candidate. */
  relevance: number;
  /** It was added beside a chunk that was taken, not for its own score. */
  neighbour: boolean;
};

/** A document that chunks were cut from. `line`: of its file that it stands on as a whole; null where it is not known. */
export type PlacedDocument = Pick<RankDocument, "id" | "text"> & { file?: string; line?: number | null };

/**
 * Where chunks stand, by their ids; a document that is no chunk is one of its own.
 *
 * @param documents The documents in their order. Defaults to what the chunks tell of them.
 */
export function placesOf(chunks: readonly RankDocument[], documents: readonly PlacedDocument[] = []): ChunkPlace[] {
  const positions = new Map(documents.map(({ id }, index) => [id, index]));
  const lines = new Lines();
  return chunks.map(({ id, text }) => {
    const [, name = id, from = "0", to = String(text.length)] = /^(.*)#(\d+)-(\d+)$/s.exec(id) ?? [];
    // A document of the caller may have an id of the same form.
    const isPlace = Number(to) - Number(from) === text.length;
    const documentId = isPlace ? name : id;
    if (!positions.has(documentId)) positions.set(documentId, positions.size);
    const [begin, end] = isPlace ? [Number(from), Number(to)] : [0, text.length];
    const document = positions.get(documentId)!;
    const { file, line } = documents[document] ?? {};
    const found = line === undefined ? lines.of(documentId, begin, text, documents[document]?.text) : line;
    return {
      ...{ document, documentId, begin, end },
      ...(file !== undefined && { file }),
      ...(found !== null && { line: found }),
    };
  });
}

/** Lines of chunks that come in the order of their documents; each text is gone through once. */
class Lines {
  #document: string | undefined;
  /** Up to where line ends were counted, and how many there were. */
  #end = 0;
  #count = 0;

  /** The 1-based line that a chunk's first word stands on; null where text before it is not known. */
  of(document: string, begin: number, chunk: string, whole: string | undefined): number | null {
    if (document !== this.#document || begin < this.#end) {
      this.#document = document;
      this.#end = 0;
      this.#count = 0;
    }
    // A byte order mark before the first chunk has no line end.
    if (whole === undefined && begin > this.#end && !(this.#end === 0 && begin === 1)) return null;
    this.#count += lineEnds(whole?.slice(this.#end, begin) ?? "");
    const line = 1 + this.#count + lineEnds(chunk.slice(0, chunk.length - chunk.trimStart().length));
    this.#count += lineEnds(chunk);
    this.#end = begin + chunk.length;
    return line;
  }
}

function lineEnds(text: string): number {
  return text.match(/\r\n|\n|\r/g)?.length ?? 0;
}
