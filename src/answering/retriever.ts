import type { DocumentInput, Widened } from "../documents/documents.ts";
import type { Inspection } from "../inspect/attention.ts";
import type { LoadOptions, RankOptions } from "../options.ts";
import type { PromptProfile } from "../prompt/profiles.ts";
import type { PruneOptions } from "../pruning/options.ts";
import type { PruneResult } from "../pruning/prune.ts";
import type { RankBatch } from "../ranking/batch.ts";
import type { Ranker, RetrieverCorpus } from "../ranking/retriever.ts";
import type { MakeCorpusOptions } from "../reading/corpus/options.ts";
import type { ChatMessage, RankDocument } from "../types.ts";
import type { GenerateOptions, TextStream } from "../writing/options.ts";
import type { RetrieveFrom } from "./passages.ts";
import type { RetrieveOptions, RetrieveResult } from "./retrieve.ts";

/**
 * Every method of a retriever. `QRRetriever` and `IsolatedRetriever` implement it; a proxy, a pool or a test double can too.
 */
export interface Retriever extends Ranker {
  /** The prompt format in use. */
  readonly prompt: PromptProfile["name"];
  /** Milliseconds that loading the model took. */
  readonly loadMs: number;
  readonly disposed: boolean;
  /** Calls that wait for the running one, including those of other retrievers on the same model. */
  readonly pending: number;

  /**
   * A retriever with other heads on the same loaded model. Nothing is loaded again. Each has its own KV caches and corpora;
   * their calls wait for each other. Dispose of them in any order; the last one frees the model.
   *
   * @param heads As `heads` of `load`. On a GPU, the CPU computes layers deeper than the heads of `load`, unless the model was
   * loaded with `generates`.
   * @throws InputError for heads that the model does not have, QRHeadError `DISPOSED`.
   * @example
   * await using all = retriever.withHeads("all");
   */
  withHeads(heads: NonNullable<LoadOptions["heads"]>): Retriever;

  /**
   * Ranks the same documents for many queries and reports the throughput. If one prompt holds the documents, or with
   * `layout: "independent"`, they are prefilled once, and one forward pass takes as many queries as fit. In windows they are
   * prefilled again for every query, with a warning.
   *
   * @returns `await` it for all results, or iterate with `for await` as they come; leaving the loop stops the rest.
   * @throws What `rank` throws, when it is awaited or iterated.
   * @example
   * for await (const { query, results } of retriever.rankMany(["Who?", "When?"], ["Ada, in 1843."])) {
   *   console.log(query, results[0]?.score);
   * }
   * const { throughput } = await retriever.rankMany(["Who?", "When?"], ["Ada, in 1843."]);
   */
  rankMany<T extends DocumentInput>(
    queries: readonly string[],
    documents: readonly T[],
    options?: RankOptions,
  ): RankBatch<T>;

  /**
   * Prefills documents once. Queries over them then cost only their own tokens.
   *
   * @throws InputError and ContextOverflowError as `rank`; InputError for options that belong to a query, and as `Corpus.save`.
   * @example
   * await using corpus = await retriever.corpus(["Ada wrote it.", "Bread is baked."], { saveTo: "notes.corpus" });
   * const { results } = await corpus.rank("Who wrote it?");
   */
  corpus<T extends DocumentInput>(
    documents: readonly T[],
    options?: MakeCorpusOptions,
  ): Promise<RetrieverCorpus<Widened<T>>>;

  /**
   * A corpus that `Corpus.save` wrote, ready for queries. Its scores are those of the corpus that was saved, to the last bit.
   *
   * @throws InputError `CORPUS_INVALID` for a file that is not a corpus, is cut short or damaged; `CORPUS_MISMATCH` for one of
   * another model, prompt, null query, cache type or llama.cpp release, or if its layers do not reach the heads.
   * @example
   * await using corpus = await retriever.loadCorpus("notes.corpus");
   */
  loadCorpus(
    file: string,
    options?: Pick<RankOptions, "signal" | "onProgress">,
  ): Promise<RetrieverCorpus<RankDocument>>;

  /**
   * Finds the passages to answer a question from: the best chunks that fit a budget, in their own order, as one text and as
   * messages. From more than `candidates` chunks BM25 chooses those that the heads rank.
   *
   * @param from Documents, which are cut into chunks; a corpus or an index, which have chunks; or `{ paths }` of files and
   * folders.
   * @returns No sources and `abstained` for an empty list of documents.
   * @throws InputError for a blank question, documents that are all blank, wrong options, or a budget that no chunk fits; what `rank` throws.
   * @example
   * const found = await retriever.retrieve("Who keeps the keys?", { paths: ["notes/"] }, { budgetTokens: 2000 });
   * for (const { file, line, relevance } of found.sources) console.log(`${file}:${line}`, relevance);
   */
  retrieve(query: string, from: RetrieveFrom, options?: RetrieveOptions): Promise<RetrieveResult>;

  /**
   * Keeps the sentences or chunks of one or more texts that the query attends to: verbatim, in their order, with a marker at
   * each gap. One forward pass prices all sentences of a window.
   *
   * Texts are read whole: `maxDocumentTokens` of `load` has no effect. In fenced code and tables the units are lines; the fences
   * and the header stay with them.
   *
   * @param options Exactly one of `budgetTokens`, `threshold` (attention per token) and `topK`, or `relative`, or both; all
   * others are optional.
   * @throws InputError for an empty text, wrong options, or a budget smaller than what is protected or than a word.
   * @example
   * const { text } = await retriever.prune("Who wrote it?", "Ada wrote it. It rained.", { budgetTokens: 100 });
   */
  prune(query: string, input: string | readonly DocumentInput[], options: PruneOptions): Promise<PruneResult>;

  /**
   * The attention that every token of the documents gets from the query, per head, in the order of the prompt. `qrhead inspect`
   * shows it.
   *
   * @throws ContextOverflowError when the prompt does not fit; InputError for independent documents.
   * @example
   * const { documents } = await retriever.inspect("Who wrote it?", ["Ada wrote it."]);
   */
  inspect(query: string, documents: readonly DocumentInput[], options?: RankOptions): Promise<Inspection>;

  /**
   * Writes the answer to a conversation with the loaded model itself: `for await (const piece of retriever.generate(…))`.
   * The iterator's return value says why the text ended. Leaving the loop ends the writing.
   *
   * @param messages `{ role, content }`, the last one the user's. Their text is never read as special tokens.
   * @throws InputError for wrong options or messages. When iterated: ContextOverflowError if they leave no room, InputError
   * for a slim file, QRHeadError `MODEL_UNSUPPORTED` or `CHAT_TEMPLATE` for a model that cannot chat, `DISPOSED`.
   * @example
   * for await (const piece of retriever.generate([{ role: "user", content: "Hello" }], { maxTokens: 50 })) {
   *   process.stdout.write(piece);
   * }
   */
  generate(messages: readonly ChatMessage[], options?: GenerateOptions): TextStream;

  /**
   * Tokens of messages in the model's chat template, as `generate` reads them. Throws what `generate` throws.
   * @example
   * const tokens = await retriever.countTokens([{ role: "user", content: "Hello" }]);
   */
  countTokens(messages: readonly ChatMessage[], options?: Pick<GenerateOptions, "signal">): Promise<number>;
}
