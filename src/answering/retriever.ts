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
 * Every verb of a retriever, so that another thing may stand in for one: a proxy, a pool, a test. `QRRetriever` and
 * `IsolatedRetriever` have it.
 */
export interface Retriever extends Ranker {
  /** The prompt format in use. */
  readonly prompt: PromptProfile["name"];
  /** Milliseconds of loading the model. */
  readonly loadMs: number;
  readonly disposed: boolean;
  /** Calls that wait for the running one, those of retrievers on the same model included. */
  readonly pending: number;

  /**
   * A retriever with other heads on the same loaded model: nothing is loaded again. Each has KV caches and corpora of its own;
   * their calls wait for each other. Either may be disposed of first, and the last one frees the model.
   *
   * @param heads As `heads` of `load`. Layers that those of `load` do not reach have no memory of a GPU, unless the model was
   * loaded with `generates`; the CPU computes them.
   * @throws InputError for heads that the model does not have, QRHeadError `DISPOSED`.
   * @example
   * await using all = retriever.withHeads("all");
   */
  withHeads(heads: NonNullable<LoadOptions["heads"]>): Retriever;

  /**
   * Ranks the same documents for many queries and reports how fast. The documents are read once where one prompt holds them,
   * and with `layout: "independent"`, and as many queries look at them in one forward pass as fit; windows read them again
   * for every query, with a warning.
   *
   * @returns `await` it for all results, or go through them with `for await` as they come; leaving the loop stops the rest.
   * @throws What `rank` throws, when it is awaited or gone through.
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
   * Reads documents once, for queries over them that then cost the query only.
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
   * @throws InputError `CORPUS_INVALID` for a file that is no corpus, is cut short or damaged; `CORPUS_MISMATCH` for one of
   * another model, prompt, null query, cache type or llama.cpp release, or with heads in layers that were not read.
   * @example
   * await using corpus = await retriever.loadCorpus("notes.corpus");
   */
  loadCorpus(
    file: string,
    options?: Pick<RankOptions, "signal" | "onProgress">,
  ): Promise<RetrieverCorpus<RankDocument>>;

  /**
   * Finds what a question is to be answered from: the best chunks that fit a budget, in their own order, as one text and as
   * messages. BM25 chooses `candidates` where there are more chunks, and the heads rank these.
   *
   * @param from Documents, which are cut into chunks; a corpus or an index, which have chunks; or `{ paths }` of files and
   * folders.
   * @returns Of an empty list of documents nothing, and `abstained`.
   * @throws InputError for a blank question, documents that are all blank, wrong options, or a budget that no chunk fits; what `rank` throws.
   * @example
   * const found = await retriever.retrieve("Who keeps the keys?", { paths: ["notes/"] }, { budgetTokens: 2000 });
   * for (const { file, line, relevance } of found.sources) console.log(`${file}:${line}`, relevance);
   */
  retrieve(query: string, from: RetrieveFrom, options?: RetrieveOptions): Promise<RetrieveResult>;

  /**
   * Keeps of a text, or of several, the sentences or chunks that the query attends to: verbatim and in their order, with a
   * marker where something was left out. One forward pass prices all sentences of a window.
   *
   * Texts are read whole: `maxDocumentTokens` of `load` does not count here. Of fenced code and tables lines stay or go, with
   * the fences and the header.
   *
   * @param options Exactly one of `budgetTokens`, `threshold` (attention a token) and `topK`, or `relative`; the others are
   * optional.
   * @throws InputError for an empty text, wrong options, or a budget smaller than what is protected or than a word.
   * @example
   * const { text } = await retriever.prune("Who wrote it?", "Ada wrote it. It rained.", { budgetTokens: 100 });
   */
  prune(query: string, input: string | readonly DocumentInput[], options: PruneOptions): Promise<PruneResult>;

  /**
   * What every token of the documents receives from the query, head by head, in the order of the prompt: what
   * `qrhead inspect` shows.
   *
   * @throws ContextOverflowError when the prompt does not fit; InputError for independent documents.
   * @example
   * const { documents } = await retriever.inspect("Who wrote it?", ["Ada wrote it."]);
   */
  inspect(query: string, documents: readonly DocumentInput[], options?: RankOptions): Promise<Inspection>;

  /**
   * Writes the answer to a conversation with the loaded model itself: `for await (const piece of retriever.generate(…))`.
   * What the iterator returns at its end says why the text ended. Breaking off ends the writing.
   *
   * @param messages `{ role, content }`, the last one the user's. Their text is never read as special tokens.
   * @throws InputError for wrong options or messages; when iterated, ContextOverflowError where they leave no room, InputError
   * for a slim file, and QRHeadError `MODEL_UNSUPPORTED` or `CHAT_TEMPLATE` for a model that is none to chat with, `DISPOSED`.
   * @example
   * for await (const piece of retriever.generate([{ role: "user", content: "Hello" }], { maxTokens: 50 })) {
   *   process.stdout.write(piece);
   * }
   */
  generate(messages: readonly ChatMessage[], options?: GenerateOptions): TextStream;

  /**
   * Tokens of messages in the model's chat template, as `generate` reads them. Throws as that.
   * @example
   * const tokens = await retriever.countTokens([{ role: "user", content: "Hello" }]);
   */
  countTokens(messages: readonly ChatMessage[], options?: Pick<GenerateOptions, "signal">): Promise<number>;
}
