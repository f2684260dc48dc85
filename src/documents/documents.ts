import { z } from "zod";
import { InputError, invalidArgument } from "../errors.ts";
import type { RankDocument } from "../types.ts";
import { decodeText, splitLines } from "../util/text-file.ts";

/** A document as callers and files give it: a text, or an object with one. */
export type DocumentInput =
  | string
  | {
      text?: string | null;
      /** Read where there is no `text`. */
      paragraph_text?: string | null;
      /** Read where there is neither `text` nor `paragraph_text`. */
      contents?: string | null;
      title?: string | null;
      id?: string | number | null;
      /** Read, like `idx` and `docid`, where there is no `id`. */
      _id?: string | number | null;
      idx?: string | number | null;
      docid?: string | number | null;
    };

const id = z.union([z.string(), z.number()], { error: "must be a string or a number" }).nullish();
const text = z.string({ error: "must be a string" }).nullish();

const documentSchema = z.object(
  { text, paragraph_text: text, contents: text, title: text, id, _id: id, idx: id, docid: id },
  { error: 'must be a string or an object with "text"' },
);

/** A document as found, and where: "line 3", "documents[2]". */
type Found = { value: unknown; position: string };

/**
 * Reads a documents file.
 *
 * - JSON Lines, when the first line that is not blank begins with `{`, or is a JSON string. Also when it only begins like
 *   a string, if a later line is JSON: then it is a mistake and not prose.
 * - A JSON array, when the file begins with `[`. One that does not parse is plain text if what follows the bracket could
 *   not begin a document, as in `[1] First note` or `[ ] to do`.
 * - Plain text otherwise: one document per line.
 *
 * A document is a string or an object with `text`, `paragraph_text` or `contents`; `title` is optional, and an empty one
 * is none; `id`, `_id`, `idx` or `docid` is optional, and the 0-based index as a string without it. Other fields are
 * ignored. Blank lines are skipped. A byte order mark and CRLF line ends are accepted. A text may be empty.
 *
 * @param input Bytes of UTF-8, or text.
 * @param sourceName What messages call the file.
 * @throws InputError `INVALID_INPUT`, naming the line or position, for malformed UTF-8 or JSON, a wrong field, an id that
 * occurs twice, or no documents at all.
 */
export function parseDocuments(input: Uint8Array | string, sourceName: string): RankDocument[] {
  const content = (typeof input === "string" ? input : decodeText(input, sourceName)).replace(/^\uFEFF/, "");
  return toDocuments(findDocuments(content, sourceName), sourceName);
}

/**
 * Checks documents that a program passes, by the rules of `parseDocuments`.
 *
 * @param name What messages call the list; a document is `name[index]`.
 * @throws InputError `INVALID_ARGUMENT` when it is no array, `INVALID_INPUT` as `parseDocuments`.
 */
export function normalizeDocuments(input: readonly DocumentInput[], name = "documents"): RankDocument[] {
  if (!Array.isArray(input)) throw invalidArgument(name, "an array of strings and objects", input);
  return toDocuments(
    // Unlike map, it does not skip holes.
    Array.from(input, (value, index) => ({ value, position: `${name}[${index}]` })),
    "",
  );
}

/** Checks one document of a file by the same rules; `position` is what messages call it. */
export function normalizeDocument(value: unknown, position: string): RankDocument {
  return toDocuments([{ value, position }], "")[0]!;
}

function findDocuments(content: string, sourceName: string): Found[] {
  const lines = splitLines(content)
    .map((line, index) => ({ line, position: `line ${index + 1}` }))
    .filter(({ line }) => line.trim() !== "");

  if (content.trimStart().startsWith("[")) {
    const array = parseArray(content, sourceName);
    if (array) return array.map((value, index) => ({ value, position: `documents[${index}]` }));
  } else if (isJsonLines(lines.map(({ line }) => line))) {
    return lines.map(({ line, position }) => {
      try {
        return { value: JSON.parse(line), position };
      } catch (error) {
        throw invalid(sourceName, position, `is not valid JSON (${(error as Error).message})`);
      }
    });
  }
  return lines.map(({ line, position }) => ({ value: line, position }));
}

/** Null when the text is not JSON and does not look as if it were meant to be. */
function parseArray(content: string, sourceName: string): unknown[] | null {
  try {
    return JSON.parse(content);
  } catch (error) {
    if (!/^\s*\[\s*(["{]|$)/.test(content)) return null;
    throw invalid(sourceName, "", `begins like a JSON array but is not valid JSON (${(error as Error).message})`);
  }
}

function isJsonLines(lines: readonly string[]): boolean {
  const first = lines[0]?.trimStart() ?? "";
  if (first.startsWith("{")) return true;
  return first.startsWith('"') && lines.some((line) => /^\s*["{]/.test(line) && isJson(line));
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function toDocuments(found: readonly Found[], sourceName: string): RankDocument[] {
  if (found.length === 0) throw invalid(sourceName, "", "has no documents where at least one was expected");
  const positions = new Map<string, string>();
  return found.map(({ value, position }, index) => {
    const document = toDocument(value, index, sourceName, position);
    const other = positions.get(document.id);
    if (other !== undefined) {
      const hint = "ids must differ, and a document without one takes its 0-based index";
      throw invalid(sourceName, position, `has the id ${JSON.stringify(document.id)} of ${other}: ${hint}`);
    }
    positions.set(document.id, position);
    return document;
  });
}

function toDocument(value: unknown, index: number, sourceName: string, position: string): RankDocument {
  if (typeof value === "string") return { id: String(index), text: value };
  const parsed = documentSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const [field] = issue.path;
    throw invalid(
      sourceName,
      position,
      field === undefined ? issue.message : `has a wrong "${String(field)}": it ${issue.message}`,
    );
  }
  const { title, ...fields } = parsed.data;
  const content = fields.text ?? fields.paragraph_text ?? fields.contents;
  if (content === undefined || content === null) {
    throw invalid(sourceName, position, 'has no "text" (nor "paragraph_text" nor "contents")');
  }
  const given = fields.id ?? fields._id ?? fields.idx ?? fields.docid ?? index;
  if (typeof given === "number" && Math.abs(given) > Number.MAX_SAFE_INTEGER) {
    throw invalid(
      sourceName,
      position,
      `has the number ${given} as its id, too large to be exact: write it as a string`,
    );
  }
  return { id: String(given), ...(title && { title }), text: content };
}

function invalid(sourceName: string, position: string, what: string): InputError {
  const subject = [sourceName, position].filter(Boolean).join(", ");
  return new InputError("INVALID_INPUT", `${subject || "documents"} ${what}`);
}
