import { type DocumentRecord, normalizeRecords, stripTexts } from "../documents/documents.ts";
import { supportingIds } from "../documents/supporting.ts";
import { InputError, invalidArgument } from "../errors.ts";
import type { RankDocument } from "../types.ts";
import { assertText } from "../util/given.ts";
import { fieldsOf, isList, isObject } from "../util/kinds.ts";
import { decodeText, splitLines } from "../util/text-file.ts";

/** A query, documents, and which of them answer it: what heads are found with. */
export type DetectionExampleInput = {
  /** Defaults to the 0-based index as a string. */
  id?: string | number | null;
  query?: string | null;
  /** Read where there is no `query`. */
  question?: string | null;
  /** At least two, in the order that they are shown to the model. */
  docs?: readonly DocumentRecord[] | null;
  /** Read where there are no `docs`. */
  documents?: readonly DocumentRecord[] | null;
  /** Read where there are neither `docs` nor `documents`. */
  paragraphs?: readonly DocumentRecord[] | null;
  /** Ids of the documents that answer the query: at least one, and not all. */
  gold?: readonly (string | number)[] | null;
  /** Read where there is no `gold`. */
  gt_docs?: readonly (string | number)[] | null;
  /** What messages call the example. Defaults to `examples[index]`. */
  position?: string;
};

/** An example that has been checked. */
export type DetectionExample = {
  id: string;
  query: string;
  docs: RankDocument[];
  gold: string[];
  /** Where it was found: "examples.jsonl, line 3". */
  position: string;
};

/**
 * Reads an examples file: JSON Lines, or one JSON array, of
 * `{"id", "query", "docs": [{"id", "title", "text"}, …], "gold": ["id", …]}`.
 *
 * The fields of QRHead's own files are read too: `question`, `paragraphs` with `idx`, `title` and `paragraph_text`, and
 * `gt_docs`; in ICR's files the documents say `is_supporting` instead. Documents are what `parseDocuments` takes. Blank lines are skipped, other fields are ignored.
 *
 * @param input Bytes of UTF-8, or text.
 * @param sourceName What messages call the file.
 * @throws InputError `INVALID_INPUT`, naming line and field, for malformed UTF-8 or JSON, a missing or wrong field, a blank
 * query, fewer than two documents, ids that occur twice, gold that is empty, unknown or everything, or no examples at all.
 * @example
 * const line = '{"query": "Who?", "docs": [{"id": "a", "text": "Ada."}, {"id": "b", "text": "Rain."}], "gold": ["a"]}';
 * const examples = parseExamples(line, "examples.jsonl");
 */
export function parseExamples(input: Uint8Array | string, sourceName: string): DetectionExample[] {
  if (typeof input !== "string" && !ArrayBuffer.isView(input))
    throw invalidArgument("input", "a text, or bytes of one", input);
  assertText(sourceName, "sourceName");
  const content = (typeof input === "string" ? input : decodeText(input, sourceName)).replace(/^\uFEFF/, "");
  const isArray = content.trimStart().startsWith("[");
  const found = isArray ? findInArray(content, sourceName) : findInLines(content, sourceName);
  if (found.length === 0) throw invalid(sourceName, "has no examples where at least one was expected");
  return found.map(({ value, position }, index) => toExample(value, index, position));
}

/**
 * Checks examples that a program passes, by the rules of `parseExamples`.
 *
 * @throws InputError `INVALID_ARGUMENT` when it is no array or an empty one, `INVALID_INPUT` as `parseExamples`.
 */
export function normalizeExamples(input: readonly DetectionExampleInput[]): DetectionExample[] {
  if (!isList(input) || input.length === 0) {
    throw invalidArgument("examples", "an array of at least one example", input);
  }
  // Unlike map, it does not skip holes.
  return Array.from(input, (value: DetectionExampleInput | undefined, index) => {
    const given = fieldsOf<DetectionExampleInput>(value).position;
    return toExample(value, index, typeof given === "string" ? given : `examples[${index}]`);
  });
}

/** Where the gold documents stand among the example's documents. */
export function goldIndexes({ docs, gold }: DetectionExample): number[] {
  return gold.map((id) => docs.findIndex((document) => document.id === id));
}

type Found = { value: unknown; position: string };

function findInArray(content: string, sourceName: string): Found[] {
  const values: unknown[] = parseJson(content, sourceName);
  return values.map((value, index) => ({ value, position: `${sourceName}, examples[${index}]` }));
}

function findInLines(content: string, sourceName: string): Found[] {
  return splitLines(content).flatMap((line, index) => {
    const position = `${sourceName}, line ${index + 1}`;
    return line.trim() === "" ? [] : [{ value: parseJson(line, position), position }];
  });
}

function parseJson(text: string, position: string) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(position, `is not valid JSON (${(error as Error).message})`);
  }
}

function toExample(value: unknown, index: number, position: string): DetectionExample {
  if (!isObject(value)) {
    throw invalid(position, 'must be an object with "query", "docs" and "gold"');
  }
  const fields = value as Record<string, unknown>;
  const id = fields.id ?? fields._id ?? fields.idx ?? index;
  if (!isId(id)) throw invalid(position, 'has a wrong "id": it must be a string or a number');

  const query = read(fields, ["query", "question"], position);
  if (typeof query.value !== "string") throw invalid(position, `has a wrong "${query.name}": it must be a string`);
  if (query.value.trim() === "") throw invalid(position, `has a blank "${query.name}"`);

  const list = read(fields, ["docs", "documents", "paragraphs"], position);
  if (!isList(list.value)) throw invalid(position, `has a wrong "${list.name}": it must be an array`);
  if (list.value.length < 2) {
    throw invalid(position, `has ${list.value.length} in "${list.name}": expected at least two documents`);
  }
  const docs = stripTexts(normalizeRecords(list.value, `${position}, ${list.name}`));
  return { id: String(id), query: query.value, docs, gold: readGold(fields, list.value, docs, position), position };
}

function readGold(
  fields: Record<string, unknown>,
  records: readonly unknown[],
  docs: readonly RankDocument[],
  position: string,
): string[] {
  const marked = (fields.gold ?? fields.gt_docs) == null ? supportingIds(records, docs) : null;
  const { name, value } = marked
    ? { name: "is_supporting", value: marked }
    : read(fields, ["gold", "gt_docs"], position);
  if (!isList(value) || !Array.from(value).every(isId)) {
    throw invalid(position, `has a wrong "${name}": it must be an array of ids`);
  }
  if (value.length === 0) throw invalid(position, `has an empty "${name}" where at least one id was expected`);
  const gold = [...new Set(value.map(String))];
  const known = new Set(docs.map((document) => document.id));
  const unknown = gold.find((id) => !known.has(id));
  if (unknown !== undefined) {
    const some = docs.slice(0, 3).map((document) => JSON.stringify(document.id));
    const ids = docs.length > some.length ? `${some.join(", ")}, …` : some.join(", ");
    throw invalid(position, `has ${JSON.stringify(unknown)} in "${name}", but its documents are ${ids}`);
  }
  if (gold.length === docs.length) {
    throw invalid(position, `has every document in "${name}": expected at least one that does not answer`);
  }
  return gold;
}

function read(fields: Record<string, unknown>, names: readonly string[], position: string) {
  const name = names.find((key) => fields[key] !== undefined && fields[key] !== null);
  if (name === undefined) {
    const [first, ...others] = names.map((one) => `"${one}"`);
    throw invalid(position, `has no ${first} (nor ${others.join(" nor ")})`);
  }
  return { name, value: fields[name] };
}

function isId(value: unknown): value is string | number {
  return typeof value === "string" || typeof value === "number";
}

function invalid(position: string, what: string): InputError {
  return new InputError("INVALID_INPUT", `${position} ${what}`);
}
