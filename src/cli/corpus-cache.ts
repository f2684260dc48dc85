import { stat } from "node:fs/promises";
import { type Corpus, InputError, type QRRetriever } from "../index.ts";
import type { RankOptions } from "../options.ts";
import type { RankDocument } from "../types.ts";
import { type LockHolder, lockFile } from "../util/lock.ts";
import { assertWritable } from "../util/output-file.ts";
import { note, oneLine } from "./output.ts";

type Call = Pick<RankOptions, "signal" | "onProgress">;
/** Options that a corpus is read with. */
type Settings = Pick<RankOptions, "order" | "maxDocumentTokens" | "layout">;

/**
 * The corpus of `--cache FILE`: loaded where the file has these documents, else read and saved there.
 *
 * A file of other documents, another model or other settings is replaced, and a note says so. One that is damaged or no
 * corpus is an error: it may be something else that the user would miss.
 *
 * @param documents None to take those of the file.
 * @param flag What a user passes documents with.
 * @throws InputError when there is neither a file nor documents, and for a file that is no corpus.
 */
export async function openCorpus(
  retriever: QRRetriever,
  file: string,
  documents: RankDocument[] | undefined,
  settings: Settings,
  { signal, onProgress, quiet, flag = "files or --docs FILE" }: Call & { quiet: boolean; flag?: string },
): Promise<Corpus> {
  const found = await stat(file).catch(() => undefined);
  if (!found && !documents) {
    throw new InputError("INVALID_INPUT", `Cache ${file} does not exist: pass ${flag} to make it`);
  }
  if (found) {
    const reason = await tryLoad();
    if (typeof reason !== "string") return reason;
    if (!quiet) note(`qrhead: making ${oneLine(file)} again: ${reason}`);
  }
  await assertWritable(file, true);
  const onWait = ({ pid, host }: LockHolder) =>
    quiet || note(`qrhead: waiting for process ${pid} on ${host}, which is making ${file}`);
  const unlock = await lockFile(file, { wait: true, onWait, signal });
  try {
    const now = await stat(file).catch(() => undefined);
    // Another process may have written it in the meantime.
    const made = now && (now.ino !== found?.ino || now.mtimeMs !== found.mtimeMs) ? await tryLoad() : "";
    if (typeof made !== "string") return made;
    return await retriever.corpus(documents!, { ...settings, saveTo: file, force: true, signal, onProgress });
  } finally {
    unlock();
  }

  /** The corpus, or why it cannot be used. */
  async function tryLoad(): Promise<Corpus | string> {
    let corpus: Corpus;
    try {
      corpus = await retriever.loadCorpus(file, { signal, onProgress });
    } catch (error) {
      if (error instanceof InputError && error.code === "CORPUS_MISMATCH" && documents) return oneLine(error.message);
      throw error;
    }
    if (!documents) return corpus;
    const sameSettings =
      (settings.order ?? "given") === corpus.order &&
      (settings.layout ?? retriever.layout) === corpus.layout &&
      settings.maxDocumentTokens === corpus.maxDocumentTokens;
    if (sameSettings && sameDocuments(documents, corpus.documents)) return corpus;
    await corpus.dispose();
    return sameSettings ? "the documents have changed" : "the options have changed";
  }
}

function sameDocuments(a: readonly RankDocument[], b: readonly RankDocument[]): boolean {
  const fields = (document: RankDocument) => JSON.stringify([document.id, document.title ?? "", document.text]);
  return a.length === b.length && a.every((document, index) => fields(document) === fields(b[index]!));
}
