import { isList } from "../util/kinds.ts";
import { DOCUMENT_FORMATS } from "./choices.ts";
import { onProgress, signal } from "./model.ts";
import { choice, integer, type OptionSet, other, text, toggle } from "./spec.ts";

const isId = (one: unknown) => typeof one === "string";

/** Writing a corpus to a file. */
export const SAVING = {
  force: toggle({ says: "replace the file if it exists", default: "`false`" }),
  signal,
  onProgress,
} as const satisfies OptionSet;

/** Where a corpus goes as it is read. */
export const KEEPING = {
  saveTo: text({
    ...{ expected: "the path of a file", default: "none" },
    says: "save the corpus to this file as it is read, as `Corpus.save` does; independent documents are then held once",
  }),
  force: SAVING.force,
} as const satisfies OptionSet;

/** Which documents of a corpus a query ranks, beside the options of ranking. */
export const RANKING_A_CORPUS = {
  only: other<readonly string[]>({
    ...{ type: "readonly string[]", expected: "a list of ids, at least one" },
    accepts: (value) => isList(value) && value.length > 0 && Array.from(value).every(isId),
    says: "ids of the documents to rank, of independent ones; the others are as if they were not there",
    default: "all",
  }),
} as const satisfies OptionSet;

/** The process of an isolated retriever, beside the options of loading. */
export const ISOLATING = {
  utilityProcess: other({
    ...{ type: "UtilityProcessModule", expected: "Electron's utilityProcess" },
    says: "Electron's `utilityProcess`",
    default: "that of Electron's main process; elsewhere the process is one of `child_process.fork`",
  }),
  abortTimeout: integer({
    ...{ min: 1, unit: "milliseconds", value: 60_000 },
    says: "time that an aborted call may take to stop before its process is ended",
  }),
} as const satisfies OptionSet;

/** Reading a documents file. */
export const PARSING_DOCUMENTS = {
  format: choice({
    ...{ choices: DOCUMENT_FORMATS, says: "how the file is written" },
    default: '`"auto"`: as it looks',
  }),
} as const satisfies OptionSet;
