import { InputError } from "../errors.ts";
import type { DOCUMENT_FORMATS } from "../options/choices.ts";
import { splitLines } from "../util/text-file.ts";

export type DocumentFormat = (typeof DOCUMENT_FORMATS)[number];

/** A document as found, and where: "line 3", "documents[2]". `line` is the 1-based one where the format tells it. */
export type Found = { value: unknown; position: string; line?: number };

type Line = { text: string; position: string; line: number };

const STRING = String.raw`"(?:[^"\\\n]|\\.)*"`;
const OBJECT = String.raw`\{\s*(?:$|${STRING}\s*:)`;
/** How JSON begins: an object with a key, or a list of strings or objects. `{{cite}}`, `{\bf x}` and `[1] note` do not. */
const LIKE_JSON = new RegExp(String.raw`^\s*(?:${OBJECT}|\[\s*(?:$|${STRING}\s*(?:[,\]"]|$)|${OBJECT}))`);
/** Ends of JSON values that are tried when text may follow one. */
const MOST_ENDS = 50;

/**
 * The documents of a file, by the rules of `parseDocuments`.
 *
 * @throws InputError `INVALID_INPUT` for what is not what the format says, or what looks like JSON and is none.
 */
export function findDocuments(content: string, sourceName: string, format: DocumentFormat): Found[] {
  const lines = splitLines(content)
    .map((text, index): Line => ({ text, position: `line ${index + 1}`, line: index + 1 }))
    .filter(({ text }) => text.trim() !== "");
  const known = format === "auto" ? detectFormat(content, lines) : format;
  if (lines.length === 0 || known === "text") {
    return lines.map(({ text, position, line }) => ({ value: text, position, line }));
  }
  return known === "json" ? inJson(content, sourceName) : inLines(lines, sourceName);
}

function inJson(content: string, sourceName: string): Found[] {
  const isArray = content.trimStart().startsWith("[");
  const what = isArray ? "begins like a JSON array but is not valid JSON" : "is not valid JSON";
  const value = parse(content, "", sourceName, what);
  if (!Array.isArray(value)) return [{ value, position: "", line: 1 }];
  return value.map((one, index) => ({ value: one, position: `documents[${index}]` }));
}

function inLines(lines: readonly Line[], sourceName: string): Found[] {
  return lines.map(({ text, position, line }) => ({
    value: parse(text, position, sourceName, "is not valid JSON"),
    position,
    line,
  }));
}

function parse(json: string, position: string, sourceName: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    const subject = [sourceName, position].filter(Boolean).join(", ");
    throw new InputError(
      "INVALID_INPUT",
      `${subject} ${what} (${(error as Error).message}): write one document per line, or a JSON array, or name the format text`,
    );
  }
}

/** JSON with a mistake must not be read as text: only a file that looks like JSON nowhere is text. */
function detectFormat(content: string, lines: readonly Line[]): Exclude<DocumentFormat, "auto"> {
  const first = lines[0]?.text.trimStart() ?? "";
  const hasJsonLine = () => lines.some(({ text }) => /^\s*["{]/.test(text) && isJson(text));
  if (first.startsWith('"')) return hasJsonLine() ? "jsonl" : "text";
  if (!/^[[{]/.test(first)) return "text";
  if (first.startsWith("{") && isJson(first)) return "jsonl";
  if (isJson(content)) return "json";
  const isMeantAsJson = LIKE_JSON.test(content) && !isFollowedByProse(first);
  if (first.startsWith("[")) return isMeantAsJson ? "json" : "text";
  return isMeantAsJson || hasJsonLine() ? "jsonl" : "text";
}

/** Whether a line begins with a whole JSON value and goes on with words, as in `{"a": 1} is an object.` */
function isFollowedByProse(line: string): boolean {
  let end = 0;
  for (let tries = 0; tries < MOST_ENDS; tries++) {
    const found = line.slice(end).search(/[}\]]/);
    if (found === -1) return false;
    end += found + 1;
    if (isJson(line.slice(0, end))) return /^\s*[^\s,{}[\]"]/.test(line.slice(end));
  }
  return false;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
