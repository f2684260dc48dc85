import { normalizeDocument, stripTexts } from "../../documents/documents.ts";
import type { RankDocument } from "../../types.ts";
import { invalid, type Notes } from "./notes.ts";
import { Places } from "./places.ts";
import { parseJson } from "./records.ts";
import { isTsv, parseTsv, readRecords } from "./tsv.ts";

/**
 * A corpus file that is read as a stream, and later by document: memory holds ids and places, the texts stay on disk. Of a
 * packed file memory holds the texts too, packed.
 */
export class Corpus implements AsyncDisposable {
  readonly ids: string[] = [];
  readonly #indexOf = new Map<string, number>();
  readonly #places: { offset: number; length: number }[] = [];
  #bytes: Places | undefined;

  private constructor(readonly file: string) {}

  /**
   * @param onDocument Is given every document once, in order, with its index.
   * @param notes Is told of ids that occur twice; the first document keeps it.
   * @throws InputError `INVALID_INPUT`, naming the line, for a line that is no document with an id.
   */
  static async open(
    file: string,
    notes: Notes,
    onDocument?: (document: RankDocument, index: number) => void,
    signal?: AbortSignal,
  ): Promise<Corpus> {
    const corpus = new Corpus(file);
    try {
      const bytes = await Places.of(file);
      corpus.#bytes = bytes;
      for await (const { value, offset, length, position } of readRecords(file, notes, bytes)) {
        if (corpus.ids.length % 1000 === 0) signal?.throwIfAborted();
        const document = toDocument(value, position);
        if (corpus.#indexOf.has(document.id)) {
          notes.add("documents whose id another one has, the first kept", document.id);
          continue;
        }
        corpus.#indexOf.set(document.id, corpus.ids.length);
        onDocument?.(document, corpus.ids.length);
        corpus.ids.push(document.id);
        corpus.#places.push({ offset, length });
      }
      if (corpus.ids.length === 0) throw invalid(file, "has no documents where at least one was expected");
      return corpus;
    } catch (error) {
      await corpus[Symbol.asyncDispose]();
      throw error;
    }
  }

  has(id: string): boolean {
    return this.#indexOf.has(id);
  }

  indexOf(id: string): number | undefined {
    return this.#indexOf.get(id);
  }

  async get(index: number): Promise<RankDocument> {
    const { offset, length } = this.#places[index]!;
    const position = `${this.file}, document ${this.ids[index]}`;
    const bytes = await this.#bytes!.read(offset, length, position);
    return toDocument((isTsv(this.file) ? parseTsv : parseJson)(bytes, position), position);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bytes?.[Symbol.asyncDispose]();
    this.#bytes = undefined;
  }
}

function toDocument(value: unknown, position: string): RankDocument {
  const document = normalizeDocument(value, position);
  const { id, _id, idx, docid } = Object(value) as Record<string, unknown>;
  if ((id ?? _id ?? idx ?? docid ?? null) === null) throw invalid(position, 'has no "_id" (nor "id", "idx", "docid")');
  return stripTexts([document])[0]!;
}
