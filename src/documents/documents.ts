import { InputError, invalidArgument } from "../errors.ts";
import type { RankDocument } from "../types.ts";
import { decodeText } from "../util/text-file.ts";
import { DOCUMENT_FORMATS, type DocumentFormat, type Found, findDocuments } from "./format.ts";

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

/** What a field must be; `null` and undefined are none. */
const FIELDS: Readonly<Record<string, { types: readonly string[]; expected: string }>> = {
  ...Object.fromEntries(
    ["text", "paragraph_text", "contents", "title"].map((name) => [
      name,
      { types: ["string"], expected: "must be a string" },
    ]),
  ),
  ...Object.fromEntries(
    ["id", "_id", "idx", "docid"].map((name) => [
      name,
      { types: ["string", "number"], expected: "must be a string or a number" },
    ]),
  ),
};

export type ParseDocumentsOptions = {
  /** How the file is written. Defaults to `"auto"`: as it looks. */
  format?: DocumentFormat | undefined;
};

/** A document of a file, and the 1-based line that it stands on or begins on, where that is known. */
export type LocatedDocument = { document: RankDocument; line?: number };

/** What an empty title is: none, as in a documents file, or a line of its own, as in the published code. */
type EmptyTitle = "none" | "line";

/**
 * Reads a documents file.
 *
 * - JSON Lines, when the first line that is not blank is a JSON object or string, or when it only begins like one and a later
 *   line is JSON: then it is a mistake and not prose.
 * - A JSON array, when the file begins with `[`, or one JSON object over several lines.
 * - Plain text otherwise: one document per line. So is what begins with `{` or `[` but does not look like JSON, as in
 *   `{{cite web}}`, `[1] First note` or `[ ] to do`. What does look like JSON and is not valid is an error.
 *
 * A document is a string or an object with `text`, `paragraph_text` or `contents`; `title` is optional, and an empty one
 * is none; `id`, `_id`, `idx` or `docid` is optional, and the 0-based index as a string without it. Other fields are
 * ignored. Blank lines are skipped. A byte order mark and CRLF or CR line ends are accepted. A text may be empty.
 *
 * @param input Bytes of UTF-8, or of UTF-16 with a byte order mark, or text.
 * @param sourceName What messages call the file.
 * @throws InputError `INVALID_INPUT`, naming the line or position, for another encoding, malformed JSON, a wrong field, an id
 * that occurs twice, or no documents at all; `INVALID_ARGUMENT` for an unknown format.
 */
export function parseDocuments(
  input: Uint8Array | string,
  sourceName: string,
  options: ParseDocumentsOptions = {},
): RankDocument[] {
  return locateDocuments(input, sourceName, options).map(({ document }) => document);
}

/** `parseDocuments`, and where each document stands. */
export function locateDocuments(
  input: Uint8Array | string,
  sourceName: string,
  { format = "auto" }: ParseDocumentsOptions = {},
): LocatedDocument[] {
  if (!DOCUMENT_FORMATS.includes(format))
    throw invalidArgument("format", `one of ${DOCUMENT_FORMATS.join(", ")}`, format);
  const content = typeof input === "string" ? input.replace(/^\uFEFF/, "") : decodeText(input, sourceName);
  const found = findDocuments(content, sourceName, format);
  return toDocuments(found, sourceName, "none").map((document, index) => {
    const { line } = found[index]!;
    return { document, ...(line !== undefined && { line }) };
  });
}

/**
 * Checks documents that a program passes, by the rules of `parseDocuments`, but that an empty title is one: the published
 * code writes `[1] `, a line break and the text then. `null` and undefined are none.
 *
 * @param name What messages call the list; a document is `name[index]`.
 * @param first Number of the first one, which is its id where it has none.
 * @throws InputError `INVALID_ARGUMENT` when it is no array, `INVALID_INPUT` as `parseDocuments`.
 */
export function normalizeDocuments(input: readonly DocumentInput[], name = "documents", first = 0): RankDocument[] {
  if (!Array.isArray(input)) throw invalidArgument(name, "an array of strings and objects", input);
  return toDocuments(
    // Unlike map, it does not skip holes.
    Array.from(input, (value, index) => ({ value, position: `${name}[${index}]` })),
    "",
    "line",
    first,
  );
}

/** Documents without white space around their texts, as the published scripts strip them before they score. */
export function stripTexts(documents: readonly RankDocument[]): RankDocument[] {
  return documents.map((document) => ({ ...document, text: document.text.trim() }));
}

/** Checks one document by the rules of `normalizeDocuments`; `position` is what messages call it. */
export function normalizeDocument(value: unknown, position: string): RankDocument {
  return toDocuments([{ value, position }], "", "line")[0]!;
}

function toDocuments(found: readonly Found[], sourceName: string, emptyTitle: EmptyTitle, first = 0): RankDocument[] {
  if (found.length === 0) throw invalid(sourceName, "", "has no documents where at least one was expected");
  const positions = new Map<string, string>();
  return found.map(({ value, position }, index) => {
    const { title, ...document } = toDocument(value, first + index, sourceName, position);
    const other = positions.get(document.id);
    if (other !== undefined) {
      const hint = "ids must differ, and a document without one takes its 0-based index";
      throw invalid(sourceName, position, `has the id ${JSON.stringify(document.id)} of ${other}: ${hint}`);
    }
    positions.set(document.id, position);
    return title === undefined || (title === "" && emptyTitle === "none") ? document : { ...document, title };
  });
}

function toDocument(value: unknown, index: number, sourceName: string, position: string): RankDocument {
  if (typeof value === "string") return { id: String(index), text: value };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(sourceName, position, 'must be a string or an object with "text"');
  }
  for (const [name, { types, expected }] of Object.entries(FIELDS)) {
    const field = (value as Record<string, unknown>)[name];
    if (field === undefined || field === null || (types.includes(typeof field) && !Number.isNaN(field))) continue;
    throw invalid(sourceName, position, `has a wrong "${name}": it ${expected}`);
  }
  const { title, ...fields } = value as Exclude<DocumentInput, string>;
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
  return { id: String(given), ...(typeof title === "string" && { title }), text: content };
}

function invalid(sourceName: string, position: string, what: string): InputError {
  const subject = [sourceName, position].filter(Boolean).join(", ");
  return new InputError("INVALID_INPUT", `${subject || "documents"} ${what}`);
}
