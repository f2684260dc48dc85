import { stat } from "node:fs/promises";
import path from "node:path";
import { termsOf } from "../bm25/words.ts";
import { assertPaths } from "../documents/list-files.ts";
import type { ChunkPlace } from "../documents/places.ts";
import { InputError, invalidArgument, QRHeadError } from "../errors.ts";
import { INDEXING, OPENING_INDEX } from "../options/answering.ts";
import { parseOptions } from "../options/parse.ts";
import type { OpenIndexOptions, UpdateIndexOptions } from "../options/types/texts.ts";
import type { RankDocument } from "../types.ts";
import { lockFile } from "../util/lock.ts";
import { Database, type Row } from "./database.ts";
import { CHUNKS, NEIGHBOURS, SEARCH } from "./schema.ts";
import { type IndexUpdate, updateDatabase } from "./update.ts";

/** A chunk that an index has found, where it is from, and its BM25 score. */
export type IndexedChunk = RankDocument & ChunkPlace & { score: number /** Its number in the index. */; chunk: number };

/**
 * Opens an index: BM25 over chunks of many files, which finds the candidates for a question. If the file does not exist, the
 * index is empty, and `update` makes it.
 *
 * @throws InputError `INDEX_INVALID` for a file that is not an index, is damaged, cut short or of another version;
 * `INVALID_INPUT` for one that cannot be read, does not exist where it must, or whose folder does not exist.
 * @example
 * await using index = await openIndex("notes.index");
 * await index.update(["notes/", "docs/"]);
 * const { text, sources } = await retriever.retrieve("Who keeps the keys?", index);
 */
export async function openIndex(file: string, options: OpenIndexOptions = {}): Promise<ChunkIndex> {
  if (typeof file !== "string" || file === "") throw invalidArgument("file", "the path of a file", file);
  const { mustExist = false, signal } = parseOptions(OPENING_INDEX, options) as OpenIndexOptions;
  signal?.throwIfAborted();
  const resolved = path.resolve(file);
  const database = await Database.open(resolved, { signal });
  if (mustExist && !database) {
    throw new InputError("INVALID_INPUT", `Index ${file} does not exist`, {
      ...{ option: "file", expected: "a file that index.update has made", advice: "make it with index.update(paths)" },
    });
  }
  if (!database) await assertFolder(file, path.dirname(resolved));
  return new ChunkIndex(resolved, database);
}

/** @throws InputError `INVALID_INPUT` where an index could not be made. */
async function assertFolder(file: string, folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new InputError("INVALID_INPUT", `Index ${file} cannot be made: the folder ${folder} does not exist`, {
    ...{ option: "file", expected: "a path in a folder that exists", advice: "make the folder first" },
  });
}

/** An open index, as it was when it was opened or last updated here, even if the file changes. */
export class ChunkIndex implements AsyncDisposable {
  readonly file: string;
  #database: Database | undefined;
  #isClosed = false;

  /** @internal `openIndex` makes it. */
  constructor(file: string, database: Database | undefined) {
    this.file = file;
    this.#database = database;
  }

  /** Number of chunks. */
  get size(): number {
    return Number(this.#open()?.get("SELECT value FROM facts WHERE name = 'chunks'")?.value ?? 0);
  }

  /** Files that it has chunks of. */
  get files(): number {
    return Number(this.#open()?.get("SELECT count(*) AS n FROM files WHERE left_out IS NULL")?.n ?? 0);
  }

  /** Files and folders of the last update. */
  get paths(): string[] {
    const found = this.#open()?.get("SELECT value FROM facts WHERE name = 'paths'");
    return found ? (JSON.parse(String(found.value)) as string[]) : [];
  }

  /**
   * Makes it the index of exactly these files and folders. Files with the same size and time are not read, files with the same
   * content are not cut again, and deleted files are removed. Readers see the old index until the new one is complete; if the
   * process ends before, the old one stays.
   *
   * Files are read as by `readTexts`: JSON Lines and JSON arrays as documents, dot files, dot folders and `node_modules` of a
   * folder skipped. Each file may have 256 MiB.
   *
   * @param paths Defaults to those of the last update.
   * @throws InputError for a path that does not exist, no paths, another process that is updating it, or a file that cannot be
   * written; the signal's reason.
   */
  async update(paths?: readonly string[], options: UpdateIndexOptions = {}): Promise<IndexUpdate> {
    const parsed = parseOptions(INDEXING, options) as UpdateIndexOptions;
    if (paths !== undefined) assertPaths(paths);
    if (paths?.length === 0) throw invalidArgument("paths", "at least one path of a file or a folder", paths);
    this.#open();
    const { signal } = parsed;
    const unlock = await lockFile(this.file, { signal });
    try {
      const database = await Database.open(this.file, { signal, empty: true });
      try {
        const done = await updateDatabase(
          database,
          paths?.map((one) => path.resolve(one)),
          parsed,
        );
        if (done.isChanged) await database.save(signal);
        await this.#database?.close();
        this.#database = database;
        if (this.#isClosed) await database.close();
        return done.update;
      } catch (error) {
        await database.close();
        throw error;
      }
    } finally {
      unlock();
    }
  }

  /**
   * The chunks that match a query best by its words: BM25 with k1 = 0.9 and b = 0.4 over Porter stems without
   * Lucene's stop words, as Anserini and BEIR have it. A title counts as text.
   *
   * @param n How many to find at most. Defaults to 200.
   * @returns Best first, equal ones in the order of the files; fewer than `n` if fewer share a word with the query.
   */
  async search(query: string, n = 200): Promise<IndexedChunk[]> {
    if (typeof query !== "string") throw invalidArgument("query", "a string", query);
    if (!(Number.isInteger(n) && n >= 1)) throw invalidArgument("n", "an integer of at least 1", n);
    const terms: Record<string, number> = {};
    for (const term of termsOf(query, "lucene")) terms[term] = (terms[term] ?? 0) + 1;
    const best = this.#open()?.all(SEARCH, [JSON.stringify(terms), n]) ?? [];
    const scores = new Map(best.map(({ id, score }) => [Number(id), Number(score)]));
    const chunks = new Map(this.#chunks([...scores.keys()]).map((row) => [Number(row.id), row]));
    return [...scores].map(([id, score]) => ({ ...chunkOf(chunks.get(id)!), score }));
  }

  /** @internal Chunks that were found, and those up to `distance` before and after each in its document, in their order. */
  withNeighbours(found: readonly IndexedChunk[], distance: number): Omit<IndexedChunk, "score">[] {
    const around = this.#open()?.all(NEIGHBOURS, [JSON.stringify(found.map(({ chunk }) => chunk)), distance]) ?? [];
    return this.#chunks(around.map(({ id }) => Number(id))).map(chunkOf);
  }

  /** @internal Files of chunks that are not, by size and time, what the index was made of. */
  async changedFiles(chunks: readonly { file?: string }[]): Promise<string[]> {
    const changed: string[] = [];
    for (const file of new Set(chunks.flatMap((chunk) => chunk.file ?? []))) {
      const known = this.#open()?.get("SELECT size, changed FROM files WHERE path = ?", [path.resolve(file)]);
      const now = await stat(file).catch(() => undefined);
      const isSame = now?.size === known?.size && (known?.changed === null || now?.mtimeMs === known?.changed);
      if (!isSame) changed.push(file);
    }
    return changed;
  }

  /** Frees what it holds; the file stays. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#database?.close();
    this.#database = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #chunks(ids: readonly number[]): Row[] {
    return this.#open()?.all(CHUNKS, [JSON.stringify(ids)]) ?? [];
  }

  #open(): Database | undefined {
    if (this.#isClosed) throw new QRHeadError("DISPOSED", "The index has been closed");
    return this.#database;
  }
}

function chunkOf({
  id: chunk,
  document,
  name,
  title,
  path: stored,
  start,
  line,
  text: bytes,
}: Row): Omit<IndexedChunk, "score"> {
  const text = Buffer.from(bytes as Uint8Array).toString("utf8");
  const file = shownPath(String(stored));
  const documentId = `${file}${name}`;
  const [begin, end] = [Number(start), Number(start) + text.length];
  return {
    id: `${documentId}#${begin}-${end}`,
    ...(title !== null && { title: String(title) }),
    ...{ text, chunk: Number(chunk), document: Number(document), documentId, begin, end, file },
    ...(line !== null && { line: Number(line) }),
  };
}

/** Relative to the working folder if the file is below it. */
function shownPath(file: string): string {
  const relative = path.relative("", file);
  return relative.startsWith("..") || path.isAbsolute(relative) ? file : relative;
}
