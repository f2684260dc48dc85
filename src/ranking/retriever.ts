import type { Chunk, ChunkOptions } from "../chunking/chunk.ts";
import type { DocumentInput } from "../documents/documents.ts";
import type { Tokenization } from "../native/addon-types.ts";
import type { RankOptions } from "../options.ts";
import type { CorpusRankOptions, SaveOptions } from "../reading/corpus/options.ts";
import type { Fuse, Head, ModelIdentity, RankDocument } from "../types.ts";
import type { RankBatch } from "./batch.ts";
import type { RankResult } from "./results.ts";

/** Ranks and cuts texts with one loaded model: the part of a retriever that ranking needs. */
export interface Ranker extends AsyncDisposable {
  /** The loaded model, as head sets are matched against it. */
  readonly model: ModelIdentity & { path: string };
  /** The heads that rank, as `[layer, head]`. */
  readonly heads: Head[];
  /** Where the heads come from: a published name, a file, or a specification. */
  readonly headSet: string;
  /** What a call with neither `prior` nor `fuse` does: `"none"`, or the head set's weight beside BM25. */
  readonly fuse: Exclude<Fuse, "rrf">;
  /**
   * The layout of a call that names none: that of `load`; else `"listwise"` if `load` got windows; else the head set's.
   */
  readonly layout: "listwise" | "independent";

  /**
   * Ranks documents for a query.
   *
   * @param documents Texts, or objects with `text` and optionally `title` and `id`, whose other fields stay with the results.
   * No documents give no results.
   * @throws InputError for an empty query, duplicate ids or wrong options.
   * @throws ContextOverflowError when the prompt does not fit and `windows` is `"never"`, or the query alone does not fit.
   * @throws QRHeadError `ATTENTION_INVALID` rather than a ranking that cannot be trusted, `DISPOSED`.
   * @example
   * const { results, abstained } = await retriever.rank("Who wrote it?", [{ text: "Ada wrote it.", page: 3 }]);
   * if (!abstained) console.log(results[0]?.document.page, results[0]?.relevance);
   */
  rank<T extends DocumentInput>(query: string, documents: readonly T[], options?: RankOptions): Promise<RankResult<T>>;

  /**
   * The tokens of a text, and `[begin, end)` of each in bytes of its UTF-8, two numbers per token. Special tokens are neither
   * recognised nor added, so counts agree with those of `chunk`.
   * @example
   * const { tokens } = await retriever.tokenize("How many tokens is this?");
   */
  tokenize(text: string, options?: { signal?: AbortSignal | undefined }): Promise<Tokenization>;

  /**
   * Cuts a text into chunks, with sizes in tokens of this model; see `ChunkOptions`.
   *
   * @throws InputError `INVALID_ARGUMENT` for a wrong size or overlap, and the signal's reason when it is aborted.
   * @example
   * const chunks = await retriever.chunk("# Notes\n\nAda wrote it.", { by: "markdown", size: 200 });
   */
  chunk(text: string, options?: ChunkOptions & { signal?: AbortSignal | undefined }): Promise<Chunk[]>;

  /**
   * Waits for the running call, then frees the caches of all its corpora, and the model if no other retriever uses it. Waiting
   * calls, and a text that is being written, reject with `DISPOSED`. Dispose of corpora before or after. Idempotent.
   */
  dispose(): Promise<void>;
}

/** Documents that stay in a KV cache: a `Corpus`, or an `IsolatedCorpus`. */
export interface RetrieverCorpus<T extends DocumentInput = DocumentInput> extends AsyncDisposable {
  /** The documents, in the order passed. */
  readonly documents: RankDocument[];
  /** Documents in one prompt, or each by itself. */
  readonly layout: "listwise" | "independent";
  /** Order of the documents in the prompt. */
  readonly order: "given" | "reverse";
  /** Each document was cut after this many tokens, if it is set. */
  readonly maxDocumentTokens: number | undefined;
  /** Bytes of its KV cache and of the documents' tokens; 0 while it has none. */
  readonly bytes: number;
  readonly disposed: boolean;

  /**
   * Ranks the documents for a query.
   *
   * @throws What `QRRetriever.rank` throws, and InputError for options that belong to the corpus as a whole.
   * @example
   * const { results } = await corpus.rank("Who wrote it?", { topK: 3 });
   */
  rank(query: string, options?: CorpusRankOptions): Promise<RankResult<T>>;

  /**
   * Ranks the documents for many queries, as many in one forward pass as fit, and reports how fast.
   *
   * @returns `await` it for all results, or go through them with `for await` as they come; leaving the loop stops the rest.
   * @throws What `rank` throws, when it is awaited or gone through.
   * @example
   * for await (const { results } of corpus.rankMany(["Who?", "When?"])) console.log(results[0]?.id);
   */
  rankMany(queries: readonly string[], options?: CorpusRankOptions): RankBatch<T>;

  /**
   * Adds documents at the end. Only these are read; cells of the others are copied from memory or the corpus's file. For
   * independent documents. The file does not change until the corpus is saved again.
   *
   * @param documents As for `QRRetriever.corpus`; one without an id gets the number of earlier documents as its id.
   * @throws InputError for listwise corpora, whose documents see each other, and for ids that exist.
   * @example
   * await using corpus = await retriever.corpus(["Ada wrote it."], { layout: "independent" });
   * await corpus.add(["It rained."]);
   */
  add(documents: readonly T[], options?: Pick<RankOptions, "signal" | "onProgress">): Promise<void>;

  /**
   * Removes documents.
   *
   * @throws InputError for listwise corpora, for unknown ids, and if no document would be left.
   * @example
   * await corpus.remove(["3"]);
   */
  remove(ids: readonly string[]): Promise<void>;

  /**
   * Saves the documents with the cells of the KV cache, for `QRRetriever.loadCorpus`. About as large as the cache in use.
   * Listwise corpora of models with a sliding window, whose cells llama.cpp does not give out, are saved without and read
   * again when loaded. Of a document `id`, `title` and `text` are saved.
   *
   * Independent documents are written one by one. Those that neither the file that they came from nor memory holds are read
   * for it, and what was saved is what the corpus ranks with from then on.
   *
   * @throws InputError `INVALID_INPUT` when the file exists, or cannot be written; nothing is left of it then.
   * @example
   * await corpus.save("notes.corpus");
   */
  save(file: string, options?: SaveOptions): Promise<void>;

  /**
   * Frees its KV cache, after the running call; the file that it was saved to stays. The retriever may have been disposed of
   * before, or be so meanwhile. Idempotent.
   */
  dispose(): Promise<void>;
}
