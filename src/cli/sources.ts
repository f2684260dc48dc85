import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import type { ChunkUnit } from "../chunking/chunk.ts";
import { type Chunker, chunkDocuments } from "../documents/chunk-documents.ts";
import { type LocatedDocument, locateDocuments } from "../documents/documents.ts";
import type { DocumentFormat } from "../documents/format.ts";
import { type ListedFile, listFiles } from "../documents/list-files.ts";
import { placesOf } from "../documents/places.ts";
import { chunkUnitOf, type LeftOutFile, reasonOf, sayLeftOut } from "../documents/read-files.ts";
import { InputError, isQRHeadError } from "../errors.ts";
import type { SPLITS } from "../options/command-line.ts";
import type { RankDocument } from "../types.ts";
import { counted } from "../util/counted.ts";
import { MOST_INPUT_BYTES } from "../util/read-file.ts";
import { decodeText, whyBinary, whyWithoutText } from "../util/text-file.ts";
import { nameOf, readInput } from "./input.ts";
import { warn } from "./output.ts";

export type SourceFlags = { docsFormat?: DocumentFormat; split?: (typeof SPLITS)[number]; docs?: string[] };

/** A document, where it is from, what it is to be cut into, if it is, and the score of the search that found it, not checked. */
export type SourceDocument = RankDocument & { file?: string; line?: number; cut?: ChunkUnit; prior?: unknown };

/** At most this many lines about files that were left out. */
const MOST_WARNINGS = 5;

/**
 * The documents of files, folders, patterns and standard input (`-`): those of JSON Lines and JSON arrays, the lines of plain
 * text, and Markdown, source code and the like as texts that `cutSources` makes chunks of. `--split` says otherwise.
 *
 * A single documents file keeps its ids; of several files ids are `FILE:LINE`, or the documents' own.
 *
 * @throws InputError for a path that does not exist, what is no text, and no documents at all.
 */
export async function readSources(
  paths: readonly string[],
  flags: SourceFlags,
  signal: AbortSignal,
): Promise<SourceDocument[]> {
  const listed = await listSources(paths, signal);
  const left: LeftOutFile[] = [];
  const found: SourceDocument[][] = [];
  let bytes = 0;
  for (const one of listed) {
    const content = await readInput(one.file, one.file === "-" ? "Documents" : "File or folder", signal);
    bytes += content.length;
    if (bytes > MOST_INPUT_BYTES) {
      throw new InputError("INVALID_INPUT", `The files have more than ${MOST_INPUT_BYTES / 2 ** 20} MiB together`);
    }
    const without = listed.length > 1 && one.file !== "-" ? whyWithoutText(content) : undefined;
    if (without !== undefined) {
      left.push({ file: one.file, reason: without });
      continue;
    }
    const isDocs = flags.docs?.includes(one.file) ?? false;
    try {
      found.push(readSource(content, one.file, isDocs ? { ...flags, split: flags.split ?? "lines" } : flags));
    } catch (error) {
      if (!one.inFolder || !isQRHeadError(error)) throw error;
      left.push({ file: one.file, reason: reasonOf(error, one.file) });
    }
  }
  if (found.length === 0) {
    const why = left[0] ? sayLeftOut(left[0]) : `${paths.join(", ")} has no files`;
    const others =
      left.length > 1
        ? `, and ${left.length === 2 ? "the other has" : `the other ${left.length - 1} have`} none either`
        : "";
    throw new InputError("INVALID_INPUT", `Expected documents but ${why}${others}`);
  }
  warnOfLeftOut(left);
  const [only, ...others] = found;
  if (others.length > 0 || only!.some(({ cut }) => cut !== undefined)) return uniqueIds(found.flat());
  // With one documents file the place is known, and a cache of it does not store places.
  return only!.map(({ file: _, line: __, ...document }) => document);
}

/** The files of paths and patterns; a pattern is what does not exist and has `*`, `?`, `[` or `{`. */
async function listSources(paths: readonly string[], signal: AbortSignal): Promise<ListedFile[]> {
  const listed: ListedFile[] = [];
  for (const given of paths) {
    if (given === "-") {
      listed.push({ file: "-", inFolder: false });
      continue;
    }
    const files = await expand(given);
    for (const one of await listFiles(files, signal, "File or folder")) {
      if (!listed.some(({ file }) => path.resolve(file) === path.resolve(one.file))) listed.push(one);
    }
  }
  return listed;
}

/** The files that a pattern stands for, where the shell has not expanded it. @throws InputError where it stands for none. */
export async function expand(given: string): Promise<string[]> {
  if (!/[*?[{]/.test(given)) return [given];
  if (existsSync(given)) return [given];
  const { glob } = await import("tinyglobby");
  // There is no relative path to another drive of Windows.
  const whole = path.isAbsolute(given) && { absolute: true, cwd: path.parse(path.resolve(given)).root };
  const files = await glob(given.replaceAll("\\", "/"), {
    ...whole,
    ignore: ["**/node_modules/**"],
    expandDirectories: false,
  });
  if (files.length > 0) return files.sort();
  throw new InputError("INVALID_INPUT", `No file matches ${given}`);
}

export async function isFolder(file: string): Promise<boolean> {
  return file !== "-" && ((await stat(file).catch(() => undefined))?.isDirectory() ?? false);
}

function readSource(content: Uint8Array, file: string, { docsFormat, split = "auto" }: SourceFlags): SourceDocument[] {
  const name = nameOf(file);
  if (file === "-" && content.length === 0) {
    const ways = "pass files or folders, --docs FILE, or text on standard input";
    throw new InputError("INVALID_INPUT", `Expected documents but standard input is empty: ${ways}`);
  }
  const binary = whyBinary(content);
  if (binary !== undefined) throw new InputError("INVALID_INPUT", `${name} ${binary}`);
  const unit = chunkUnitOf(file);
  const isRecords = /\.jsonl?$/i.test(file) || docsFormat === "json" || docsFormat === "jsonl";
  const isText = split === "chunks" || split === "whole" || (split === "auto" && unit !== "paragraphs");
  if (isRecords || !isText) {
    return locateDocuments(content, name, docsFormat && { format: docsFormat }).map((one) => located(one, file));
  }
  const text = decodeText(content, name, { byteOrderMark: true });
  if (text.trim() === "") throw new InputError("INVALID_INPUT", `${name} is empty`);
  const title = path.basename(name);
  return [{ id: name, title, text, file, line: 1, ...(split !== "whole" && { cut: unit }) }];
}

function located({ document, ...more }: LocatedDocument, file: string): SourceDocument {
  return { ...document, ...(file !== "-" && { file }), ...more };
}

/** Ids that differ: of documents without one of their own, or with one that another has, the place. */
function uniqueIds(documents: readonly SourceDocument[]): SourceDocument[] {
  const counts = new Map<string, number>();
  for (const { id } of documents) counts.set(id, (counts.get(id) ?? 0) + 1);
  const used = new Set<string>();
  return documents.map((document, index) => {
    const place = [document.file ?? "-", document.line ?? document.id].join(":");
    const wanted = counts.get(document.id) === 1 && !/^\d+$/.test(document.id) ? document.id : place;
    const id = used.has(wanted) ? `${wanted}#${index}` : wanted;
    used.add(id);
    return { ...document, id };
  });
}

/** The documents, with chunks in place of the texts that are to be cut; their ids are `FILE:LINE`. */
export async function cutSources(
  retriever: Chunker,
  documents: readonly SourceDocument[],
  options: { signal: AbortSignal; chunkTokens?: number | undefined },
): Promise<SourceDocument[]> {
  if (documents.every(({ cut }) => cut === undefined)) return [...documents];
  const cut: SourceDocument[] = [];
  for (const document of documents) {
    const { cut: by, ...whole } = document;
    if (by === undefined) {
      cut.push(whole);
      continue;
    }
    const chunks = await chunkDocuments(retriever, [{ ...whole, by, file: whole.file ?? "-" }], options);
    for (const [index, { line = 1 }] of placesOf(chunks, [{ ...whole, line: undefined } as never]).entries()) {
      const chunk = chunks[index]!;
      cut.push({ ...chunk, id: `${whole.id}:${line}`, line, ...(whole.file !== undefined && { file: whole.file }) });
    }
  }
  return uniqueIds(cut);
}

export function warnOfLeftOut(files: readonly LeftOutFile[]): void {
  for (const { file, reason } of files.slice(0, MOST_WARNINGS)) warn(`left out ${file}: ${reason}`);
  const others = files.length - MOST_WARNINGS;
  if (others > 0) warn(`left out ${counted(others, "more file")}`);
}

/** Documents without where they are from: what the library ranks. */
export function toRankDocuments(documents: readonly SourceDocument[]): RankDocument[] {
  return documents.map(({ id, title, text }) => ({ id, ...(title !== undefined && { title }), text }));
}
