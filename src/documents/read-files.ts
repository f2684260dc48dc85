import { readFile } from "node:fs/promises";
import path from "node:path";
import type { ChunkUnit } from "../chunking/chunk.ts";
import { InputError } from "../errors.ts";
import type { RankDocument } from "../types.ts";
import { decodeText } from "../util/text-file.ts";
import { parseDocuments } from "./documents.ts";

/** A text that was read, and what it is best cut into. */
export type ReadText = RankDocument & { by: ChunkUnit; file: string };

const CODE = new Set([
  "c",
  "cc",
  "cpp",
  "cs",
  "css",
  "go",
  "h",
  "hpp",
  "java",
  "js",
  "jsx",
  "kt",
  "lua",
  "mjs",
  "php",
  "py",
  "rb",
  "rs",
  "sh",
  "sql",
  "swift",
  "ts",
  "tsx",
]);

/** What a text file is best cut into, by its ending. */
export function chunkUnitOf(file: string): ChunkUnit {
  const ending = path.extname(file).slice(1).toLowerCase();
  return ending === "md" || ending === "markdown" ? "markdown" : CODE.has(ending) ? "code" : "paragraphs";
}

/**
 * Reads files: JSON Lines and JSON arrays as documents, anything else as one text each; Markdown is cut at headings, code at
 * declarations, other texts at paragraphs.
 *
 * @throws InputError `INVALID_INPUT` for a file that is missing, a folder, unreadable, not UTF-8 or empty.
 */
export async function readTexts(files: readonly string[], signal?: AbortSignal): Promise<ReadText[]> {
  const texts: ReadText[] = [];
  for (const file of files) {
    const bytes = await readFile(file, { signal }).catch((error: NodeJS.ErrnoException) => {
      signal?.throwIfAborted();
      const reason =
        error.code === "ENOENT"
          ? "does not exist"
          : error.code === "EISDIR"
            ? "is a folder"
            : `cannot be read: ${error.message}`;
      throw new InputError("INVALID_INPUT", `File ${file} ${reason}`, { cause: error });
    });
    const name = path.basename(file);
    const ending = path.extname(file).slice(1).toLowerCase();
    if (ending === "jsonl" || ending === "json") {
      for (const document of parseDocuments(bytes, file)) {
        texts.push({ ...document, id: `${name}:${document.id}`, by: "paragraphs", file });
      }
      continue;
    }
    const text = decodeText(bytes, file);
    if (text.trim() === "") throw new InputError("INVALID_INPUT", `File ${file} is empty: pass a file with text`);
    texts.push({ id: name, title: name, text, by: chunkUnitOf(file), file });
  }
  return texts;
}
