import PQueue from "p-queue";
import { type Chunk, type ChunkOptions, chunkText } from "./chunking/chunk.ts";
import { TokenMap } from "./chunking/token-map.ts";
import { type DocumentInput, normalizeDocuments } from "./documents/documents.ts";
import { ContextOverflowError, InputError, invalidArgument, QRHeadError } from "./errors.ts";
import { readHeadFile } from "./heads/head-file.ts";
import { type ResolvedHeads, resolveHeads } from "./heads/spec.ts";
import { describeAttention, type Inspection } from "./inspect/attention.ts";
import { type LoadedModel, loadModel } from "./model/model.ts";
import type { Tokenization } from "./native/addon-types.ts";
import {
  DEFAULT_NULL_QUERY,
  defaultCorpusMemory,
  type LoadOptions,
  parseLoadOptions,
  parseRankOptions,
  type RankOptions,
} from "./options.ts";
import { type PromptProfile, selectProfile } from "./prompt/profiles.ts";
import type { PruneOptions } from "./pruning/options.ts";
import { type PruneHost, type PruneResult, prune } from "./pruning/prune.ts";
import { Ranker } from "./ranking/rank.ts";
import { assertQuery, type BatchOptions, type BatchResult, rankBatch, withWait } from "./ranking/rank-many.ts";
import type { RankResult } from "./ranking/results.ts";
import type { Retriever } from "./ranking/retriever.ts";
import { Corpus, type CorpusHost } from "./reading/corpus/corpus.ts";
import { type MakeCorpusOptions, parseCorpusOptions } from "./reading/corpus/options.ts";
import { DocumentStore } from "./reading/document-store.ts";
import { IndependentSession } from "./reading/independent-session.ts";
import { Pool } from "./reading/pool.ts";
import { type Reader, Session } from "./reading/session.ts";
import type { ChatMessage, Head, ModelIdentity, RankDocument } from "./types.ts";
import { ownSignal } from "./util/abort-signal.ts";
import { watchProcessors } from "./util/threads.ts";
import { type GenerateOptions, parseGenerateOptions, parseMessages, type TextStream } from "./writing/options.ts";
import { streamOf } from "./writing/stream.ts";
import { TextWriter } from "./writing/writer.ts";

/**
 * Ranks documents by the attention that a query's tokens pay to them through a model's retrieval heads: QRRetriever of
 * *Query-Focused Retrieval Heads Improve Long-Context Reasoning and Re-ranking* (EMNLP 2025), section 3.
 *
 * Calls run one after another in the order made. `dispose()`, or `await using`, frees the model.
 */
export class QRRetriever implements Retriever {
  readonly #model: LoadedModel;
  readonly #heads: ResolvedHeads;
  readonly #profile: PromptProfile;
  readonly #options: LoadOptions;
  readonly #ranker: Ranker;
  readonly #session: Session;
  readonly #store: DocumentStore;
  readonly #independent: IndependentSession;
  readonly #corpora: CorpusHost;
  readonly #writer: TextWriter;
  readonly #queue = new PQueue({ concurrency: 1 });
  /** What is written, or waits, ends with it. */
  readonly #end = new AbortController();
  #disposal: Promise<void> | undefined;

  private constructor(model: LoadedModel, heads: ResolvedHeads, profile: PromptProfile, options: LoadOptions) {
    this.#model = model;
    this.#heads = heads;
    this.#profile = profile;
    this.#options = options;
    this.#ranker = new Ranker(model, heads, profile, options);
    this.#session = new Session(model, heads.heads, profile, options);
    this.#writer = new TextWriter(model, options);
    const pool = new Pool(options.corpusMemory ?? defaultCorpusMemory());
    this.#store = new DocumentStore(model, heads.heads, options, pool);
    const parts = { model, heads: heads.heads, profile, options };
    const independent = () => new IndependentSession(parts, this.#store, (...args) => this.#session.truncate(...args));
    this.#independent = independent();
    this.#corpora = {
      ...parts,
      nullQuery: options.nullQuery ?? heads.nullQuery ?? DEFAULT_NULL_QUERY,
      pool,
      living: new Set(),
      run: (work, signal) => this.#run(work, signal),
      release: (work) => this.#queue.add(work),
      rank: (query, documents, rankOptions, reader) => this.#rank(query, documents, rankOptions, reader),
      createReader: (layout) =>
        layout === "independent" ? independent() : new Session(model, heads.heads, profile, options, "corpus"),
    };
  }

  /**
   * Loads a model and its heads.
   *
   * @throws InputError for wrong options, a missing file, or heads that the model does not have.
   * @throws QRHeadError `MODEL_LOAD_FAILED`, `MODEL_UNSUPPORTED`, `LIBRARY_NOT_FOUND`, `CHAT_TEMPLATE`.
   */
  static async load(options: LoadOptions = {}): Promise<QRRetriever> {
    const parsed = parseLoadOptions(options);
    watchProcessors();
    const headsOf = (identity: ModelIdentity) => resolveHeads(parsed.heads ?? "auto", identity, readHeadFile);
    const model = await loadModel(parsed, (identity) => headsOf(identity).heads);
    try {
      const heads = headsOf(model.identity);
      const identity = { ...model.identity, bosText: model.info.bosText, eosText: model.info.eosText };
      return new QRRetriever(model, heads, selectProfile(parsed.prompt ?? "auto", identity), parsed);
    } catch (error) {
      await model.native.dispose();
      throw error;
    }
  }

  /** The loaded model, as head sets are matched against it. */
  get model(): ModelIdentity & { path: string } {
    return { ...this.#model.identity, path: this.#model.path };
  }

  /** The heads that rank, as `[layer, head]`. */
  get heads(): Head[] {
    return [...this.#heads.heads];
  }

  /** Published name, file, or specification that the heads came from. */
  get headSet(): string {
    return this.#heads.name;
  }

  /** The prompt format in use. */
  get prompt(): PromptProfile["name"] {
    return this.#profile.name;
  }

  get loadMs(): number {
    return this.#model.loadMs;
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /**
   * Ranks documents for a query.
   *
   * @param documents Texts, or objects with `text` and optionally `title` and `id`.
   * @throws InputError for an empty query, no documents, duplicate ids or wrong options.
   * @throws ContextOverflowError when the prompt does not fit and `windows` is `"never"`, or the query alone does not fit.
   * @throws QRHeadError `ATTENTION_INVALID` rather than a ranking that cannot be trusted, `DISPOSED`.
   */
  async rank(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<RankResult> {
    const parsed = parseRankOptions(options);
    assertQuery(query);
    const normalized = normalizeDocuments(documents);
    return withWait(
      (work) => this.#run(work, parsed.signal),
      () => this.#rank(query, normalized, parsed),
    );
  }

  /**
   * Ranks the same documents for many queries, one after another, and reports how fast. The documents are read once where
   * one prompt holds them, and with `layout: "independent"`; windows read them again for every query, with a warning.
   *
   * @throws What `rank` throws; the results before a failure went to `onResult`.
   */
  async rankMany(
    queries: readonly string[],
    documents: readonly DocumentInput[],
    options: BatchOptions = {},
  ): Promise<BatchResult> {
    const { onResult, ...rest } = options;
    const parsed = parseRankOptions(rest);
    const normalized = normalizeDocuments(documents);
    const { onProgress } = parsed;
    const work = () =>
      rankBatch(queries, (query, report) => this.#rank(query, normalized, { ...parsed, onProgress: report }), {
        ...{ onResult, onProgress },
      });
    return this.#run(work, parsed.signal);
  }

  /**
   * Reads documents once, for queries over them that then cost the query only.
   *
   * @throws InputError and ContextOverflowError as `rank`; InputError for options that belong to a query, and as `Corpus.save`.
   */
  async corpus(documents: readonly DocumentInput[], options: MakeCorpusOptions = {}): Promise<Corpus> {
    const { saveTo, force, ...others } = options;
    const { signal, onProgress, ...rest } = parseCorpusOptions(others);
    const { order, maxDocumentTokens, layout } = this.#options;
    const settings = {
      ...(order && { order }),
      ...(maxDocumentTokens && { maxDocumentTokens }),
      ...(layout && { layout }),
    };
    const corpus = Corpus.create(this.#corpora, normalizeDocuments(documents), { ...settings, ...rest });
    return this.#filled(corpus, async () => {
      if (saveTo !== undefined) await corpus.save(saveTo, { force, signal, onProgress });
      await corpus.prefill({ signal, onProgress });
    });
  }

  /**
   * A corpus that `Corpus.save` wrote, ready for queries. Its scores are those of the corpus that was saved, to the last bit.
   *
   * @throws InputError `CORPUS_INVALID` for a file that is no corpus, is cut short or damaged; `CORPUS_MISMATCH` for one of
   * another model, prompt, null query, cache type or llama.cpp release, or with heads in layers that were not read.
   */
  async loadCorpus(file: string, options: Pick<RankOptions, "signal" | "onProgress"> = {}): Promise<Corpus> {
    const { signal, onProgress } = parseRankOptions(options);
    this.#assertUsable();
    return Corpus.load(this.#corpora, file, { signal, onProgress });
  }

  /**
   * The tokens of a text, and `[begin, end)` of each in bytes of its UTF-8, two numbers a token. Special tokens are not
   * recognised and none is added, so that counts agree with those of `chunk`.
   */
  async tokenize(text: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Tokenization> {
    if (typeof text !== "string") throw invalidArgument("text", "a string", text);
    const signal = ownSignal(options.signal);
    const { tokens, offsets } = await this.#run(() => this.#session.tokenize(text, signal), signal);
    // A begin token, which the vocabulary adds, shows no text.
    const added = offsets.length > 1 && offsets[0] === offsets[1] ? 1 : 0;
    return { tokens: tokens.subarray(added), offsets: offsets.subarray(2 * added) };
  }

  /**
   * Cuts a text into chunks, with sizes in tokens of this model; see `ChunkOptions`.
   *
   * @throws InputError `INVALID_ARGUMENT` for a wrong size or overlap, and the signal's reason when it is aborted.
   */
  async chunk(text: string, options: ChunkOptions & { signal?: AbortSignal | undefined } = {}): Promise<Chunk[]> {
    const { signal, ...rest } = options;
    const { offsets } = await this.tokenize(text, signal && { signal });
    return chunkText(text, new TokenMap(text, offsets), rest, signal);
  }

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
   */
  async prune(query: string, input: string | readonly DocumentInput[], options: PruneOptions): Promise<PruneResult> {
    assertQuery(query);
    const host: PruneHost = {
      rank: (asked, documents, rankOptions) => {
        const parsed = { ...parseRankOptions(rankOptions), maxDocumentTokens: undefined };
        return this.#run(() => this.#rank(asked, [...documents], parsed), parsed.signal);
      },
      chunk: (text, chunkOptions) => this.chunk(text, chunkOptions),
      tokenize: (text, signal) => this.tokenize(text, signal && { signal }),
    };
    return prune(host, query, input, options);
  }

  /**
   * What every token of the documents receives from the query, head by head, in the order of the prompt: what
   * `qrhead inspect` shows.
   *
   * @throws ContextOverflowError when the prompt does not fit; InputError for independent documents.
   */
  async inspect(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<Inspection> {
    const parsed = parseRankOptions(options);
    assertQuery(query);
    const normalized = normalizeDocuments(documents);
    return this.#run(async () => {
      const settings = { ...this.#options, ...parsed };
      if (settings.layout === "independent") {
        throw new InputError(
          "INVALID_ARGUMENT",
          "inspect shows one prompt of all documents: layout independent has no use",
        );
      }
      const shortened = await this.#session.truncate(normalized, settings.maxDocumentTokens, parsed.signal);
      if (settings.order === "reverse") shortened.reverse();
      const layout = await this.#session.layOut(shortened, query, this.#ranker.nullQuery(parsed), parsed.signal);
      const observed = await this.#session.observe(layout, true, { ...parsed, use: "inspect" });
      const { mask = true, weights = true } = settings;
      return describeAttention(
        query,
        shortened,
        layout,
        observed,
        this.#heads.heads,
        mask,
        weights ? this.#ranker.weights : null,
      );
    }, parsed.signal);
  }

  /**
   * Writes the answer to a conversation with the loaded model itself: `for await (const piece of retriever.generate(…))`.
   * What the iterator returns at its end says why the text ended. Breaking off ends the writing.
   *
   * @param messages `{ role, content }`, the last one the user's. Their text is never read as special tokens.
   * @throws InputError for wrong options or messages; when iterated, ContextOverflowError where they leave no room, InputError
   * for a slim file, and QRHeadError `MODEL_UNSUPPORTED` or `CHAT_TEMPLATE` for a model that is none to chat with, `DISPOSED`.
   */
  generate(messages: readonly ChatMessage[], options: GenerateOptions = {}): TextStream {
    const [turns, parsed] = [parseMessages(messages), parseGenerateOptions(options)];
    const work = (onText: (text: string) => void, signal: AbortSignal) =>
      this.#run(() => this.#writer.write(turns, { ...parsed, signal }, onText), signal);
    return streamOf(work, [parsed.signal, this.#end.signal]);
  }

  /** Tokens of messages in the model's chat template, as `generate` reads them. Throws as that. */
  async countTokens(messages: readonly ChatMessage[], options: Pick<GenerateOptions, "signal"> = {}): Promise<number> {
    const [turns, { signal }] = [parseMessages(messages), parseGenerateOptions(options)];
    return (await this.#run(() => this.#writer.tokensOf(turns, signal), signal)).length;
  }

  async #filled(corpus: Corpus, fill: () => Promise<unknown>): Promise<Corpus> {
    try {
      await fill();
      return corpus;
    } catch (error) {
      await corpus.dispose();
      throw error;
    }
  }

  async #run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    this.#assertUsable();
    try {
      return await this.#enqueue(() => {
        this.#assertUsable();
        return work();
      }, signal);
    } finally {
      signal?.throwIfAborted();
    }
  }

  /**
   * Frees the model, and the caches of all its corpora, after the running call; calls still waiting are rejected, and a text
   * that is being written ends with `DISPOSED`. Corpora may be disposed of before, after or meanwhile. Idempotent.
   */
  dispose(): Promise<void> {
    this.#end.abort(new QRHeadError("DISPOSED", "The retriever has been disposed"));
    this.#disposal ??= this.#queue.onIdle().then(async () => {
      for (const corpus of this.#corpora.living) await corpus.dispose();
      await this.#independent.dispose();
      await this.#store.dispose();
      await this.#corpora.pool.clear();
      await this.#session.dispose();
      await this.#writer.dispose();
      await this.#model.native.dispose();
    });
    return this.#disposal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Runs work when all before it is done. The signal ends the wait only: the next call must not begin inside this one. */
  async #enqueue<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const waiting = new AbortController();
    const onAbort = () => waiting.abort(signal?.reason);
    const stopListening = () => signal?.removeEventListener("abort", onAbort);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#queue.add(
        () => {
          stopListening();
          return work();
        },
        { signal: waiting.signal },
      );
    } finally {
      stopListening();
    }
  }

  async #rank(query: string, documents: RankDocument[], options: RankOptions, own?: Reader): Promise<RankResult> {
    const { windows = "auto", layout } = { ...this.#options, ...options };
    if (own || layout === "independent") {
      // Those of `load` are for calls that can have windows.
      if (typeof options.windows === "object") {
        throw new InputError("INVALID_ARGUMENT", "Windows have no use for a corpus or for independent documents");
      }
      return this.#ranker.rank(own ?? this.#independent, query, documents, options);
    }
    // One prompt where that is possible: scores of one prompt need no merging.
    if (typeof windows === "string") {
      try {
        return await this.#ranker.rank(this.#session, query, documents, options);
      } catch (error) {
        if (windows === "never" || !(error instanceof ContextOverflowError)) throw error;
      }
    }
    return this.#ranker.rankInWindows(this.#session, query, documents, windows === "auto" ? {} : windows, options);
  }

  #assertUsable(): void {
    this.#end.signal.throwIfAborted();
  }
}
