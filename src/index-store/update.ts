import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import path from "node:path";
import { textOf } from "../bm25/bm25.ts";
import { termsOf } from "../bm25/words.ts";
import { chunkText } from "../chunking/chunk.ts";
import { TokenMap } from "../chunking/token-map.ts";
import { type Chunker, chunkDocuments } from "../documents/chunk-documents.ts";
import { type ListedFile, listFiles } from "../documents/list-files.ts";
import { placesOf } from "../documents/places.ts";
import { type LeftOutFile, type ReadText, textsIn } from "../documents/read-files.ts";
import { InputError, isQRHeadError } from "../errors.ts";
import type { UpdateIndexOptions } from "../options/types/texts.ts";
import { readBytes } from "../util/read-file.ts";
import type { Database } from "./database.ts";
import { estimateTokens } from "./estimate-tokens.ts";

/** What an update has done, in files; `chunks` is all that the index has then. */
export type IndexUpdate = {
  added: number;
  changed: number;
  removed: number;
  unchanged: number;
  /** Files without text, which the index remembers so that they are not read again. */
  leftOut: number;
  chunks: number;
};

/** Entries that a folder may have: more is a mistake, such as the root of a disk. */
const MOST_ENTRIES = 2_000_000;
const DEFAULT_CHUNK_TOKENS = 200;
/** Milliseconds. A file written so recently may change again without a change of its time stamp. */
const SETTLED_MS = 2000;
/** Share of a file's pages that may be empty. */
const MOST_FREE = 0.25;

type Known = { id: number; size: number; changed: number | null; digest: Uint8Array; leftOut: string | null };

const chunker: Chunker = {
  chunk: (text, { signal, ...options } = {}) =>
    chunkText(text, new TokenMap(text, estimateTokens(text)), options, signal),
};

/** Brings the tables up to date with files; see `ChunkIndex.update`. */
export async function updateDatabase(
  database: Database,
  given: readonly string[] | undefined,
  options: UpdateIndexOptions,
): Promise<{ update: IndexUpdate; isChanged: boolean }> {
  const { signal, onProgress, onLeftOut } = options;
  const fact = (name: string) => database.get("SELECT value FROM facts WHERE name = ?", [name])?.value;
  const paths = given ?? (JSON.parse(String(fact("paths") ?? "[]")) as string[]);
  if (paths.length === 0) {
    throw new InputError("INVALID_INPUT", "The index has no files yet", {
      ...{ option: "paths", expected: "at least one path of a file or a folder", advice: "pass files or folders" },
    });
  }
  const chunkTokens = options.chunkTokens ?? Number(fact("chunkTokens") ?? DEFAULT_CHUNK_TOKENS);
  const began = Date.now();
  const listed = await listFiles(paths, signal, "File", MOST_ENTRIES);
  const before = knownFiles(database);
  const isSameCut = fact("chunkTokens") === chunkTokens;
  const update: IndexUpdate = { added: 0, changed: 0, removed: 0, unchanged: 0, leftOut: 0, chunks: 0 };
  let isChanged = fact("paths") !== JSON.stringify(paths) || !isSameCut;

  database.run("BEGIN");
  for (const [done, one] of listed.entries()) {
    onProgress?.({ phase: "files", done, total: listed.length });
    const file = path.resolve(one.file);
    const known = before.get(file);
    before.delete(file);
    const state = await lookAt(database, { ...one, file }, known && isSameCut ? known : undefined, {
      ...{ chunkTokens, signal, settled: began - SETTLED_MS },
      hasRow: known !== undefined,
    });
    if (state.left) {
      update.leftOut++;
      onLeftOut?.({ file: one.file, reason: state.left });
    } else update[state.is === "new" ? "added" : state.is]++;
    isChanged ||= state.isWritten;
  }
  onProgress?.({ phase: "files", done: listed.length, total: listed.length });
  for (const { id, leftOut } of before.values()) {
    database.run("DELETE FROM files WHERE id = ?", [id]);
    if (leftOut === null) update.removed++;
    isChanged = true;
  }
  const { n, average } = database.get("SELECT count(*) AS n, avg(terms) AS average FROM chunks")!;
  update.chunks = Number(n);
  const facts = { paths: JSON.stringify(paths), chunkTokens, chunks: update.chunks, average: Number(average) || 1 };
  for (const [name, value] of Object.entries(facts)) {
    database.run("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", [name, value]);
  }
  database.run("COMMIT");
  if (isChanged) compact(database);
  return { update, isChanged };
}

function knownFiles(database: Database): Map<string, Known> {
  const rows = database.all("SELECT id, path, size, changed, digest, left_out FROM files");
  return new Map(
    rows.map(({ id, path: file, size, changed, digest, left_out: leftOut }) => [
      String(file),
      { id, size, changed, digest, leftOut } as Known,
    ]),
  );
}

/** Brings one file up to date. `is` says what it was; `left` why it has no text. */
async function lookAt(
  database: Database,
  listed: ListedFile,
  known: Known | undefined,
  options: { chunkTokens: number; signal: AbortSignal | undefined; settled: number; hasRow: boolean },
): Promise<{ is: "new" | "changed" | "unchanged"; isWritten: boolean; left?: string | null }> {
  const { signal, chunkTokens, settled, hasRow } = options;
  const { file } = listed;
  signal?.throwIfAborted();
  const found = await stat(file).catch(() => undefined);
  const same = { is: "unchanged", left: known?.leftOut ?? null } as const;
  if (known && found && known.size === found.size && known.changed === found.mtimeMs) {
    return { ...same, isWritten: false };
  }
  const bytes = await readBytes(file, "File", signal);
  const digest = createHash("sha256").update(bytes).digest();
  // The next update reads a file again that may still be changing.
  const changed = found && found.mtimeMs < settled ? found.mtimeMs : null;
  if (known && digest.equals(known.digest)) {
    if (known.changed === changed && known.size === bytes.length) return { ...same, isWritten: false };
    database.run("UPDATE files SET size = ?, changed = ? WHERE id = ?", [bytes.length, changed, known.id]);
    return { ...same, isWritten: true };
  }
  const texts = textsIn(bytes, listed, { id: "", title: file.split(path.sep).slice(-2).join("/") });
  const chunks = Array.isArray(texts) ? await cut(texts, chunkTokens, signal) : texts;
  database.run("DELETE FROM files WHERE path = ?", [file]);
  const left = Array.isArray(chunks) ? null : chunks.reason;
  const row = database.run("INSERT INTO files (path, size, changed, digest, left_out) VALUES (?, ?, ?, ?, ?)", [
    ...[file, bytes.length, changed, digest, left],
  ]);
  if (Array.isArray(chunks)) for (const one of chunks) insert(database, row, one);
  return { is: hasRow ? "changed" : "new", isWritten: true, left };
}

type CutDocument = { name: string; title?: string; chunks: { start: number; line?: number; text: string }[] };

/** The chunks of a file's texts, by document; or why there are none. */
async function cut(
  texts: readonly ReadText[],
  chunkTokens: number,
  signal: AbortSignal | undefined,
): Promise<CutDocument[] | LeftOutFile> {
  try {
    const chunks = await chunkDocuments(chunker, texts, { chunkTokens, signal });
    const documents = texts.map(({ id, title }): CutDocument => ({ name: id, ...(title && { title }), chunks: [] }));
    for (const [index, { document, begin, line }] of placesOf(chunks, texts).entries()) {
      const { text } = chunks[index]!;
      documents[document]!.chunks.push({ start: begin, ...(line !== undefined && { line }), text });
    }
    return documents.filter((document) => document.chunks.length > 0);
  } catch (error) {
    if (isQRHeadError(error) && error.option === "documents") return { file: texts[0]!.file, reason: "is blank" };
    throw error;
  }
}

function insert(database: Database, file: number, { name, title, chunks }: CutDocument): void {
  const document = database.run("INSERT INTO documents (file, name, title) VALUES (?, ?, ?)", [
    ...[file, withoutNul(name), title === undefined ? null : withoutNul(title)],
  ]);
  for (const { start, line = null, text } of chunks) {
    const terms = termsOf(textOf({ id: name, ...(title && { title }), text }), "lucene");
    const id = database.run("INSERT INTO chunks (document, terms) VALUES (?, ?)", [document, terms.length]);
    database.run("INSERT INTO texts (id, start, line, text) VALUES (?, ?, ?, ?)", [
      ...[id, start, line, Buffer.from(text)],
    ]);
    database.run("INSERT INTO words (rowid, terms) VALUES (?, ?)", [id, terms.join(" ")]);
  }
}

/** SQLite ends a text at its first NUL. */
function withoutNul(text: string): string {
  return text.replaceAll("\0", "\uFFFD");
}

/** Frees the pages of removed files. */
function compact(database: Database): void {
  const number = (pragma: string) => Number(Object.values(database.get(`PRAGMA ${pragma}`)!)[0]);
  if (number("freelist_count") > MOST_FREE * number("page_count")) database.run("VACUUM");
}
