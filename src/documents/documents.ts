import { InputError, invalidArgument } from "../errors.ts";
import { PARSING_DOCUMENTS } from "../options/corpora.ts";
import { parseOptions } from "../options/parse.ts";
import type { ParseDocumentsOptions } from "../options/types/corpora.ts";
import type { RankDocument } from "../types.ts";
import { assertText } from "../util/given.ts";
import { isList, isObject } from "../util/kinds.ts";
import { decodeText } from "../util/text-file.ts";
import { type DocumentFormat, type Found, findDocuments } from "./format.ts";

/**
 * A document as a program passes it: a text, or an object with `text`, whose other fields are the caller's own. `title` is a line
 * before the text; `id` defaults to the 0-based index.
 */
export type DocumentInput = string | { text: string; title?: string | undefined; id?: string | number | undefined };

/** Widens literal texts to `string`: otherwise TypeScript infers `"a"` from `["a"]` as the type of the documents. */
export type Widened<T extends DocumentInput> = T extends string ? string : T;

/** A document as a file has it, also under the names that other tools write. */
export type DocumentRecord =
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

export type { ParseDocumentsOptions };

/**
 * A document of a file, the 1-based line that it stands on or begins on, where that is known, and its `prior`, whatever that is:
 * `priorsOf` checks it where it is used.
 */
export type LocatedDocument = { document: RankDocument; line?: number; prior?: unknown };

/** How documents are read. */
type Rules = {
  /** Names of the text and of the id; the first that is there counts. */
  texts: readonly string[];
  ids: readonly string[];
  /** What an empty title is: none, or a line of its own, as in the published code. */
  emptyTitle: "none" | "line";
};

/** Names that other tools write too. */
const WRITTEN = { texts: ["text", "paragraph_text", "contents"], ids: ["id", "_id", "idx", "docid"] };
const OF_FILE: Rules = { ...WRITTEN, emptyTitle: "none" };
const OF_RECORDS: Rules = { ...WRITTEN, emptyTitle: "line" };
const OF_QUERIES: Rules = { ...OF_FILE, texts: ["text", "query", "question"] };
const OF_PROGRAM: Rules = { texts: ["text"], ids: ["id"], emptyTitle: "line" };

/**
 * Reads a documents file.
 *
 * - JSON Lines, when the first line that is not blank is a JSON object or string, or when it only begins like one and a later
 *   line is JSON: then it is a mistake and not prose.
 * - A JSON array, when the file begins with `[`, or one JSON object over several lines.
 * - Plain text otherwise: one document per line. So is what begins with `{` or `[` but does not look like JSON, as in
 *   `{{cite web}}`, `[1] First note` or `[ ] to do`. What does look like JSON and is not valid is an error.
 *
 * A document is a string or an object with `text`, `paragraph_text` or `contents`. `title` is optional; an empty one counts as
 * none. `id`, `_id`, `idx` or `docid` is optional and defaults to the 0-based index as a string. Other fields are ignored. Blank lines are skipped. A byte order mark and CRLF or CR line ends are accepted. A text may be empty.
 *
 * @param input Bytes of UTF-8, or of UTF-16 with a byte order mark, or text.
 * @param sourceName Name of the file in messages.
 * @throws InputError `INVALID_INPUT`, naming the line or position, for another encoding, malformed JSON, a wrong field, an id
 * that occurs twice, or no documents at all; `INVALID_ARGUMENT` for an unknown format.
 * @example
 * const documents = parseDocuments('{"id": "a", "text": "Ada wrote it."}', "notes.jsonl");
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
  options: ParseDocumentsOptions = {},
): LocatedDocument[] {
  const { format = "auto" } = parseOptions(PARSING_DOCUMENTS, options) as ParseDocumentsOptions;
  if (typeof input !== "string" && !ArrayBuffer.isView(input)) {
    throw invalidArgument("input", "a text, or bytes of one", input);
  }
  assertText(sourceName, "sourceName");
  const found = foundIn(input, sourceName, format);
  return toDocuments(found, sourceName, OF_FILE).map((document, index) => {
    const { line, value } = found[index]!;
    return { document, ...(line !== undefined && { line }), ...priorIn(value) };
  });
}

/** A query of a file. `prior`, a number per document, is checked where it is used. */
export type Query = RankDocument & { prior?: unknown };

/** Reads a file of queries as `parseDocuments` reads documents; their text may be called `query` or `question`. */
export function parseQueries(input: Uint8Array | string, sourceName: string): Query[] {
  const found = foundIn(input, sourceName, "auto");
  return toDocuments(found, sourceName, OF_QUERIES).map((query, index) => ({
    ...query,
    ...priorIn(found[index]!.value),
  }));
}

function priorIn(value: unknown): { prior?: unknown } {
  return isObject(value) && value.prior != null ? { prior: value.prior } : {};
}

function foundIn(input: Uint8Array | string, sourceName: string, format: DocumentFormat): Found[] {
  const content = typeof input === "string" ? input.replace(/^\uFEFF/, "") : decodeText(input, sourceName);
  const found = findDocuments(content, sourceName, format);
  if (found.length === 0) throw nothing(sourceName);
  return found;
}

/**
 * Checks documents that a program passes. An empty title is one: the published code writes `[1] `, a line break and the text
 * then. A title and an id that are `null` are none.
 *
 * @param name What messages call the list; a document is `name[index]`.
 * @param first Number of the first one, which is its id where it has none.
 * @returns As many; an empty list gives none.
 * @throws InputError `INVALID_ARGUMENT` when it is no array, `INVALID_INPUT` as `parseDocuments`.
 */
export function normalizeDocuments(input: readonly DocumentInput[], name = "documents", first = 0): RankDocument[] {
  return toDocuments(listOf(input, name), "", OF_PROGRAM, first);
}

/** The same where there must be one. @throws InputError as that, and for none. */
export function someDocuments(input: readonly DocumentInput[], name?: string, first?: number): RankDocument[] {
  const documents = normalizeDocuments(input, name, first);
  if (documents.length === 0) throw nothing("");
  return documents;
}

/** Checks documents of a file that has more than documents, by the names of `parseDocuments`. @throws As `someDocuments`. */
export function normalizeRecords(input: readonly unknown[], name = "documents"): RankDocument[] {
  const found = listOf(input, name);
  if (found.length === 0) throw nothing("");
  return toDocuments(found, "", OF_RECORDS);
}

function listOf(input: readonly unknown[], name: string): Found[] {
  if (!isList(input)) throw invalidArgument(name, "an array of strings and objects", input);
  // Unlike map, it does not skip holes.
  return Array.from(input, (value, index) => ({ value, position: `${name}[${index}]` }));
}

/** Documents without white space around their texts, as the published scripts strip them before they score. */
export function stripTexts(documents: readonly RankDocument[]): RankDocument[] {
  return documents.map((document) => ({ ...document, text: document.text.trim() }));
}

/** Checks one document by the rules of `normalizeRecords`; `position` is what messages call it. */
export function normalizeDocument(value: unknown, position: string): RankDocument {
  return toDocuments([{ value, position }], "", OF_RECORDS)[0]!;
}

function toDocuments(found: readonly Found[], sourceName: string, rules: Rules, first = 0): RankDocument[] {
  const positions = new Map<string, string>();
  return found.map(({ value, position }, index) => {
    const { title, ...document } = toDocument(value, first + index, sourceName, position, rules);
    const other = positions.get(document.id);
    if (other !== undefined) {
      const hint = "ids must differ, and a document without one takes its 0-based index";
      throw invalid(sourceName, position, `has the id ${JSON.stringify(document.id)} of ${other}: ${hint}`);
    }
    positions.set(document.id, position);
    return title === undefined || (title === "" && rules.emptyTitle === "none") ? document : { ...document, title };
  });
}

function toDocument(
  value: unknown,
  index: number,
  sourceName: string,
  position: string,
  { texts, ids }: Rules,
): RankDocument {
  if (typeof value === "string") return { id: String(index), text: value };
  if (!isObject(value)) {
    throw invalid(sourceName, position, 'must be a string or an object with "text"');
  }
  const first = (names: readonly string[], types: readonly string[], expected: string) => {
    for (const name of names) {
      const field = value[name] ?? undefined;
      if (field === undefined || (types.includes(typeof field) && !Number.isNaN(field))) continue;
      throw invalid(sourceName, position, `has a wrong "${name}": it must be ${expected}`);
    }
    return names.map((name) => value[name]).find((field) => field !== undefined && field !== null);
  };
  const text = first(texts, ["string"], "a string") as string | undefined;
  const title = first(["title"], ["string"], "a string") as string | undefined;
  const id = (first(ids, ["string", "number"], "a string or a number") ?? index) as string | number;
  if (text === undefined) {
    const [name, ...others] = texts.map((one) => `"${one}"`);
    const nor = others.length > 0 ? ` (nor ${others.join(" nor ")})` : "";
    throw invalid(sourceName, position, `has no ${name}${nor}`);
  }
  if (typeof id === "number" && Math.abs(id) > Number.MAX_SAFE_INTEGER) {
    throw invalid(sourceName, position, `has the number ${id} as its id, too large to be exact: write it as a string`);
  }
  return { id: String(id), ...(title !== undefined && { title }), text };
}

function nothing(sourceName: string): InputError {
  return invalid(sourceName, "", "has no documents where at least one was expected");
}

function invalid(sourceName: string, position: string, what: string): InputError {
  const subject = [sourceName, position].filter(Boolean).join(", ");
  return new InputError("INVALID_INPUT", `${subject || "documents"} ${what}`);
}
