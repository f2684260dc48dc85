import { invalidArgument } from "../errors.ts";
import { ASKING } from "../options/answering.ts";
import { parseOptions } from "../options/parse.ts";
import type { AnsweringOptions } from "../options/types/texts.ts";
import { parseLoadOptions } from "../options.ts";
import { QRRetriever } from "../retriever.ts";

export type { AskProgress } from "../options/progress.ts";

/** Chunks that an answer is given from by default: more of them make small models lose the thread. */
export const DEFAULT_TOP_K = 5;

export type AskOptions = Omit<AnsweringOptions, "retriever"> & {
  /** What retrieves: loaded, or how to load it. Defaults to the built-in model. A slim file will do. A corpus has its own. */
  retriever?: QRRetriever | AnsweringOptions["retriever"];
};

/** @throws InputError `INVALID_ARGUMENT` for a blank question, no model, an unknown option or a wrong value. */
export function parseAskOptions(query: unknown, options: unknown): AskOptions {
  if (typeof query !== "string" || query.trim() === "")
    throw invalidArgument("query", "a text that is not blank", query);
  const parsed = parseOptions(ASKING, options) as AskOptions;
  const { retriever } = parsed;
  if (retriever === undefined || retriever instanceof QRRetriever) return parsed;
  if (typeof retriever !== "object" || retriever === null || Array.isArray(retriever)) {
    throw invalidArgument("retriever", "a QRRetriever, or options to load one", retriever);
  }
  return { ...parsed, retriever: parseLoadOptions(retriever) };
}
