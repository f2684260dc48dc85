import { existsSync, fstatSync } from "node:fs";
import { InputError } from "../errors.ts";
import { decodeText } from "../util/text-file.ts";
import { wrongOption } from "./failure.ts";
import { nameOf, readInput } from "./input.ts";

/** The bits of a file's mode that say what it is, and those of a pipe. */
const [TYPE_BITS, PIPE] = [0o170000, 0o010000];

export type QueryFlags = { query?: string; queryFile?: string; queries?: string; docs?: string[] };
/** What can replace files. */
export type KeptFlags = { cache?: string; index?: string };

/** What a command was asked, and of which files. */
export type Asked = { query?: string; files: string[] };

/**
 * Which arguments are the question and which are files: `QUESTION FILE…`, or files alone where a flag has the question.
 * Standard input is read where no file is named and something is piped in.
 *
 * @throws InputError for a question twice, no files, standard input for two things, or an index beside files or a cache.
 */
export function askedOf(words: readonly string[], flags: QueryFlags & KeptFlags): Asked {
  const { query, queryFile, queries, docs = [], cache, index } = flags;
  const isOptional = cache !== undefined || index !== undefined;
  const isFlagged = query !== undefined || queryFile !== undefined || queries !== undefined;
  const [first, ...rest] = words;
  const named = [...(isFlagged ? words : rest), ...docs];
  if (index !== undefined && (cache !== undefined || named.length > 0)) {
    const other = cache === undefined ? named[0] : "--cache";
    throw new InputError("INVALID_ARGUMENT", `Expected files or --index but received both --index and ${other}`);
  }
  const piped = [...named, queryFile, queries].includes("-") ? false : isPiped();
  if (named.length === 0 && !isOptional && !piped) {
    const forgot = !isFlagged && first !== undefined && existsSync(first) ? `: ${first} is taken for the question` : "";
    throw new InputError(
      "INVALID_ARGUMENT",
      `Expected files after the question, --docs FILE, or text on standard input${forgot}`,
    );
  }
  const files = named.length > 0 || isOptional ? named : ["-"];
  const readers = [...files, queryFile, queries].filter((name) => name === "-");
  if (readers.length > 1) {
    const what = queries === "-" ? "--queries" : queryFile === "-" ? "--query-file" : "a second file";
    throw new InputError(
      "INVALID_ARGUMENT",
      `Expected standard input for ${what} or for the files (--docs) but received - for both`,
    );
  }
  return { files, ...(!isFlagged && first !== undefined && { query: first }) };
}

/** Whether another program or a file feeds standard input; a terminal and /dev/null do not. */
export function isPiped(): boolean {
  try {
    const found = fstatSync(0);
    // Of a pipe on Windows `isFIFO()` is false.
    return (found.mode & TYPE_BITS) === PIPE || found.isFile() || found.isSocket();
  } catch {
    return false;
  }
}

/**
 * The question: the argument, that of `--query`, or the file of `--query-file` without the space around it.
 *
 * @throws InputError unless exactly one is given, or when it is blank.
 */
export async function queryOf(flags: QueryFlags, signal: AbortSignal, asked?: string): Promise<string> {
  const { queryFile } = flags;
  const query = flags.query ?? asked;
  if (query !== undefined && queryFile !== undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected --query or --query-file but received both");
  }
  if (query?.trim() === "") throw wrongOption("the question", "a text that is not blank", query);
  if (query !== undefined) return query;
  if (queryFile === undefined) {
    const ways = "pass it first, or with --query TEXT or --query-file FILE";
    throw new InputError("INVALID_ARGUMENT", `Expected a question: ${ways}`);
  }
  const bytes = await readInput(queryFile, "Query file", signal);
  const text = decodeText(bytes, nameOf(queryFile)).trim();
  if (text === "") throw wrongOption("--query-file", "a file with a text that is not blank", queryFile);
  return text;
}
