// Written by `npm run options` from registry.ts: change it there.
import type { UtilityProcessModule } from "../../types.ts";
import type { Progress } from "../progress.ts";
import type { LoadOptions, RankOptions } from "./ranking.ts";

/** What `corpus.save` takes. */
export type SaveOptions = {
  /** Replace the file if it exists. Defaults to `false`. */
  force?: boolean | undefined;
  /** Stops the call within one forward pass; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called as the work goes on. */
  onProgress?: ((progress: Progress) => void) | undefined;
};

/** Where `retriever.corpus` keeps what it reads. */
export type CorpusFileOptions = {
  /**
   * Save the corpus to this file as it is read, as `Corpus.save` does; independent documents are then held once.
   * Defaults to none.
   */
  saveTo?: string | undefined;
  /** Replace the file if it exists. Defaults to `false`. */
  force?: boolean | undefined;
};

/** What `corpus.rank` and `corpus.rankMany` take. */
export type CorpusRankOptions = RankOptions & {
  /** Ids of the documents to rank, of independent ones; the others are as if they were not there. Defaults to all. */
  only?: readonly string[] | undefined;
};

/** What `parseDocuments` takes. */
export type ParseDocumentsOptions = {
  /** How the file is written. Defaults to `"auto"`: as it looks. */
  format?: "auto" | "text" | "json" | "jsonl" | undefined;
};

/** What `IsolatedRetriever.load` takes. */
export type IsolatedLoadOptions = LoadOptions & {
  /**
   * Electron's `utilityProcess`. Defaults to that of Electron's main process; elsewhere the process is one of
   * `child_process.fork`.
   */
  utilityProcess?: UtilityProcessModule | undefined;
  /**
   * Time that an aborted call may take to stop before its process is ended. An integer of at least 1, in
   * milliseconds. Defaults to `60000`.
   */
  abortTimeout?: number | undefined;
};
