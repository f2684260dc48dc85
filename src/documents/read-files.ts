import path from "node:path";
import type { ChunkUnit } from "../chunking/chunk.ts";
import { InputError, isQRHeadError } from "../errors.ts";
import { READ_TEXTS } from "../options/answering.ts";
import { parseOptions } from "../options/parse.ts";
import type { LeftOutFile } from "../options/progress.ts";
import type { ReadTextsOptions } from "../options/types/texts.ts";
import type { RankDocument } from "../types.ts";
import { append } from "../util/extremes.ts";
import { MOST_INPUT_BYTES, readBytes } from "../util/read-file.ts";
import { decodeText, whyBinary } from "../util/text-file.ts";
import { type LocatedDocument, locateDocuments } from "./documents.ts";
import { assertPaths, type ListedFile, listFiles } from "./list-files.ts";

/** A text that was read, and the units to cut it into. */
export type ReadText = RankDocument & {
  by: ChunkUnit;
  file: string;
  /** For a document of JSON: the 1-based line of the file, or null where it is not known, as in an array. */
  line?: number | null;
};

export type { LeftOutFile, ReadTextsOptions };

const CODE = new Set("c cc cpp cs css go h hpp java js jsx kt lua mjs mts php py rb rs sh sql swift ts tsx".split(" "));

/** What a text file is best cut into, by its ending. */
export function chunkUnitOf(file: string): ChunkUnit {
  const ending = path.extname(file).slice(1).toLowerCase();
  return ending === "md" || ending === "markdown" ? "markdown" : CODE.has(ending) ? "code" : "paragraphs";
}

/**
 * Reads files, and folders recursively. JSON Lines and JSON arrays of documents become documents, any other file one text.
 * Markdown is cut at headings, code at declarations, other texts at paragraphs.
 *
 * The id of a file is its name, or its path from the working folder if several share the name; documents of a file have
 * `FILE:ID`. Files that are empty or binary are left out. In folders, dot files, dot folders and `node_modules` are skipped, and
 * files that cannot be read as text are left out.
 *
 * A byte order mark stays in the text, so offsets are those of the file as Node reads it.
 *
 * @throws InputError `INVALID_ARGUMENT` for anything but a list of paths, `INVALID_INPUT` for a path that does not exist, a named file in another encoding than UTF-8 or UTF-16
 * with a byte order mark, JSON Lines that are not documents, a folder of more than 10,000 entries, more than 256 MiB of text,
 * or no text at all.
 * @example
 * const texts = await readTexts(["notes/", "report.md"]);
 */
export async function readTexts(paths: readonly string[], options: ReadTextsOptions = {}): Promise<ReadText[]> {
  assertPaths(paths);
  const { onLeftOut, signal } = parseOptions(READ_TEXTS, options) as ReadTextsOptions;
  const files = await listFiles(paths, signal);
  const names = namesOf(files.map(({ file }) => file));
  const texts: ReadText[] = [];
  const left: LeftOutFile[] = [];
  let bytes = 0;
  for (const [index, listed] of files.entries()) {
    const content = await readBytes(listed.file, "File", signal);
    bytes += content.length;
    if (bytes > MOST_INPUT_BYTES) {
      const most = `${MOST_INPUT_BYTES / 2 ** 20} MiB`;
      throw new InputError("INVALID_INPUT", `The files have more than ${most} together: pass fewer of them`);
    }
    const read = textsIn(content, listed, names[index]!);
    if (Array.isArray(read)) append(texts, read);
    else left.push(read);
  }
  if (texts.length === 0) {
    const [first] = left;
    const others =
      left.length > 1
        ? `, and ${left.length === 2 ? "the other has" : `the other ${left.length - 1} have`} none either`
        : "";
    const without = paths.length > 0 ? `${paths.join(", ")} has no files` : "no path was given";
    const found = first ? `${sayLeftOut(first)}${others}` : without;
    // What is wrong with the first file may say what to do.
    const advice = first?.reason.includes(": ") ? {} : { advice: "pass files that hold text, or folders of them" };
    throw new InputError("INVALID_INPUT", `Expected a file with text but ${found}`, advice);
  }
  for (const one of left) onLeftOut?.(one);
  return texts;
}

/**
 * The texts of one file, or why it has none.
 *
 * @throws What `decodeText` and `locateDocuments` throw, of a file that was named; of one in a folder it is the reason.
 */
export function textsIn(
  bytes: Uint8Array,
  { file, inFolder }: ListedFile,
  { id, title }: { id: string; title: string },
): ReadText[] | LeftOutFile {
  const binary = whyBinary(bytes);
  if (binary !== undefined) return { file, reason: binary };
  const ending = path.extname(file).slice(1).toLowerCase();
  try {
    const text = decodeText(bytes, file, { byteOrderMark: true });
    if (text.trim() === "") return { file, reason: "is empty" };
    const documents = documentsOf(text, file, ending);
    if (documents) {
      return documents.map(({ document, line }) => {
        return {
          ...document,
          id: `${id}:${document.id}`,
          by: "paragraphs",
          file,
          line: line ?? null,
        };
      });
    }
    return [{ id, title, text, by: chunkUnitOf(file), file }];
  } catch (error) {
    if (!inFolder || !isQRHeadError(error)) throw error;
    return { file, reason: reasonOf(error, file) };
  }
}

/** What an error says of a file, without its name, with which it begins: a warning names the file itself. */
export function reasonOf({ message }: Error, file: string): string {
  return message.replace(file, () => "").replace(/^,? /, "");
}

/** A file and what is wrong with it, as part of a sentence: `a.md is empty`, `b.jsonl, line 1 has no "text"`. */
export function sayLeftOut({ file, reason }: LeftOutFile): string {
  return `${file}${reason.startsWith("line ") ? "," : ""} ${reason}`;
}

/** The documents of a JSON file; undefined for a text. A `.json` file may be any JSON, and is a text then. */
function documentsOf(text: string, file: string, ending: string): LocatedDocument[] | undefined {
  if (ending === "jsonl") return locateDocuments(text, file);
  if (ending !== "json") return undefined;
  for (const format of ["json", "jsonl"] as const) {
    try {
      return locateDocuments(text, file, { format });
    } catch {
      // Other JSON, or no JSON.
    }
  }
  return undefined;
}

/** The name of each file and, where several have the same, its path from the working folder and its name with its folder's. */
function namesOf(files: readonly string[]): { id: string; title: string }[] {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(path.basename(file), (counts.get(path.basename(file)) ?? 0) + 1);
  return files.map((file) => {
    const name = path.basename(file);
    if (counts.get(name) === 1) return { id: name, title: name };
    const parts = path.relative("", file).split(path.sep);
    return { id: parts.join("/"), title: parts.slice(-2).join("/") };
  });
}
