import { InputError } from "../errors.ts";
import { decodeText } from "../util/text-file.ts";
import { wrongOption } from "./failure.ts";
import { nameOf, readInput } from "./input.ts";

/**
 * The query of `--query`, or of the file of `--query-file` without the space around it.
 *
 * @throws InputError unless exactly one is given, or when it is blank.
 */
export async function queryOf(flags: { query?: string; queryFile?: string }, signal: AbortSignal): Promise<string> {
  const { query, queryFile } = flags;
  if (query !== undefined && queryFile !== undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected --query or --query-file but received both");
  }
  if (query !== undefined) return query;
  if (queryFile === undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected a query: pass --query TEXT or --query-file FILE");
  }
  const bytes = await readInput(queryFile, "Query file", signal);
  const text = decodeText(bytes, nameOf(queryFile)).trim();
  if (text === "") throw wrongOption("--query-file", "a file with a text that is not blank", queryFile);
  return text;
}
