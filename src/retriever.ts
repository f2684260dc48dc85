import type { RetrieveFrom } from "./answering/passages.ts";
import { type RetrieveOptions, type RetrieveResult, retrieve } from "./answering/retrieve.ts";
import { type Chunk, type ChunkOptions, chunkText } from "./chunking/chunk.ts";
import { TokenMap } from "./chunking/token-map.ts";
import { type DocumentInput, normalizeDocuments } from "./documents/documents.ts";
import { InputError, invalidArgument, QRHeadError } from "./errors.ts";
import { readHeadFile } from "./heads/head-file.ts";
import { resolveHeads } from "./heads/spec.ts";
import { describeAttention, type Inspection } from "./inspect/attention.ts";
import { loadModel } from "./model/model.ts";
import type { Tokenization } from "./native/addon-types.ts";
import {
  defaultCorpusMemory,
  type LoadOptions,
  parseLoadOptions,
  parseRankOptions,
  type RankOptions,
} from "./options.ts";
import { type PromptProfile, selectProfile } from "./prompt/profiles.ts";
import type { PruneOptions } from "./pruning/options.ts";
import { type PruneHost, type PruneResult, prune } from "./pruning/prune.ts";
import { Corpus, type CorpusHost } from "./ranking/corpus.ts";
import { planRank, type RankPlan } from "./ranking/plan.ts";
import { assertQuery, type BatchOptions, type BatchResult, rankAll, rankMany, rankOne } from "./ranking/rank-many.ts";
import type { RankResult } from "./ranking/results.ts";
import type { Retriever } from "./ranking/retriever.ts";
import { type MakeCorpusOptions, parseCorpusOptions } from "./reading/corpus/options.ts";
import { DocumentStore } from "./reading/document-store.ts";
import { layOutDocuments, layOutPrompt } from "./reading/documents.ts";
import { type Engine, tokenize } from "./reading/engine.ts";
import { IndependentLayout } from "./reading/independent.ts";
import { KvContext } from "./reading/kv-context.ts";
import { ListwiseLayout } from "./reading/listwise.ts";
import { Pool } from "./reading/pool.ts";
import type { ChatMessage, Head, ModelIdentity, RankDocument } from "./types.ts";
import { ownSignal } from "./util/abort-signal.ts";
import { CallQueue } from "./util/call-queue.ts";
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
  readonly #engine: Engine;
  readonly #store: DocumentStore;
  readonly #corpora: CorpusHost;
  /** What `rank` reads into, by layout. */
  readonly #contexts: Readonly<Record<"listwise" | "independent", KvContext>>;
  readonly #writer: TextWriter;
  readonly #queue = new CallQueue("retriever");
  /** A text that is being written ends with it. */
  readonly #end = new AbortController();

  private constructor(engine: Engine) {
    this.#engine = engine;
    const pool = new Pool(engine.options.corpusMemory ?? defaultCorpusMemory());
    this.#store = new DocumentStore(engine, pool);
    const layouts = {
      listwise: new ListwiseLayout(engine),
      independent: new IndependentLayout(engine, this.#store),
    };
    this.#contexts = {
      listwise: new KvContext(engine, layouts.listwise),
      independent: new KvContext(engine, layouts.independent),
    };
    this.#writer = new TextWriter(engine.model, engine.options);
    this.#corpora = { engine, layouts, pool, queue: this.#queue, living: new Set() };
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
      const profile = selectProfile(parsed.prompt ?? "auto", identity);
      return new QRRetriever({ model, heads, profile, options: parsed });
    } catch (error) {
      await model.native.dispose();
      throw error;
    }
  }

  /** The loaded model, as head sets are matched against it. */
  get model(): ModelIdentity & { path: string } {
    const { identity, path } = this.#engine.model;
    return { ...identity, path };
  }

  /** The heads that rank, as `[layer, head]`. */
  get heads(): Head[] {
    return [...this.#engine.heads.heads];
  }

  /** Published name, file, or specification that the heads came from. */
  get headSet(): string {
    return this.#engine.heads.name;
  }

  /** The prompt format in use. */
  get prompt(): PromptProfile["name"] {
    return this.#engine.profile.name;
  }

  get loadMs(): number {
    return this.#engine.model.loadMs;
  }

  get disposed(): boolean {
    return this.#queue.closed;
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
    const plan = this.#plan(parseRankOptions(options));
    assertQuery(query);
    const normalized = normalizeDocuments(documents);
    return rankOne(
      (work) => this.#queue.run(work, plan.signal),
      () => this.#rank([query], normalized, plan),
    );
  }

  /**
   * Ranks the same documents for many queries and reports how fast. The documents are read once where one prompt holds them,
   * and with `layout: "independent"`, and as many queries look at them in one forward pass as fit; windows read them again
   * for every query, with a warning.
   *
   * @throws What `rank` throws; the results before a failure went to `onResult`.
   */
  async rankMany(
    queries: readonly string[],
    documents: readonly DocumentInput[],
    options: BatchOptions = {},
  ): Promise<BatchResult> {
    const { onResult, ...rest } = options;
    const plan = this.#plan(parseRankOptions(rest));
    const normalized = normalizeDocuments(documents);
    const rank = (onProgress: RankOptions["onProgress"]) => this.#rank(queries, normalized, { ...plan, onProgress });
    return this.#queue.run(() => rankMany(queries, rank, { onResult, onProgress: plan.onProgress }), plan.signal);
  }

  /**
   * Reads documents once, for queries over them that then cost the query only.
   *
   * @throws InputError and ContextOverflowError as `rank`; InputError for options that belong to a query, and as `Corpus.save`.
   */
  async corpus(documents: readonly DocumentInput[], options: MakeCorpusOptions = {}): Promise<Corpus> {
    const { saveTo, force, ...others } = options;
    const { signal, onProgress, ...rest } = parseCorpusOptions(others);
    const { order, maxDocumentTokens, layout } = this.#engine.options;
    const settings = {
      ...(order && { order }),
      ...(maxDocumentTokens && { maxDocumentTokens }),
      ...(layout && { layout }),
    };
    return Corpus.create(
      this.#corpora,
      normalizeDocuments(documents),
      { ...settings, ...rest },
      { signal, onProgress },
      saveTo === undefined ? undefined : { file: saveTo, force },
    );
  }

  /**
   * A corpus that `Corpus.save` wrote, ready for queries. Its scores are those of the corpus that was saved, to the last bit.
   *
   * @throws InputError `CORPUS_INVALID` for a file that is no corpus, is cut short or damaged; `CORPUS_MISMATCH` for one of
   * another model, prompt, null query, cache type or llama.cpp release, or with heads in layers that were not read.
   */
  async loadCorpus(file: string, options: Pick<RankOptions, "signal" | "onProgress"> = {}): Promise<Corpus> {
    const { signal, onProgress } = parseRankOptions(options);
    this.#queue.assertOpen();
    return Corpus.load(this.#corpora, file, { signal, onProgress });
  }

  /**
   * The tokens of a text, and `[begin, end)` of each in bytes of its UTF-8, two numbers a token. Special tokens are not
   * recognised and none is added, so that counts agree with those of `chunk`.
   */
  async tokenize(text: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Tokenization> {
    if (typeof text !== "string") throw invalidArgument("text", "a string", text);
    const signal = ownSignal(options.signal);
    const { tokens, offsets } = await this.#queue.run(
      () => tokenize(this.#engine, [{ text, special: false }], signal),
      signal,
    );
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
        const plan = { ...this.#plan(parseRankOptions(rankOptions)), maxDocumentTokens: undefined };
        return rankOne(
          (work) => this.#queue.run(work, plan.signal),
          () => this.#rank([asked], documents, plan),
        );
      },
      chunk: (text, chunkOptions) => this.chunk(text, chunkOptions),
      tokenize: (text, signal) => this.tokenize(text, signal && { signal }),
    };
    return prune(host, query, input, options);
  }

  /**
   * Finds what a question is to be answered from: see `RetrieveOptions`.
   *
   * @param from Documents, which are cut into chunks; a corpus or an index, which have chunks; or `{ paths }` of files and folders.
   * @example
   * const { text, sources, messages } = await retriever.retrieve("Who keeps the keys?", { paths: ["notes/"] }, { budgetTokens: 2000 });
   *
   * @throws InputError for no documents, wrong options, or a budget that no chunk fits; what `rank` throws.
   */
  retrieve(query: string, from: RetrieveFrom, options: RetrieveOptions = {}): Promise<RetrieveResult> {
    return retrieve(this, query, from, options);
  }

  /**
   * What every token of the documents receives from the query, head by head, in the order of the prompt: what
   * `qrhead inspect` shows.
   *
   * @throws ContextOverflowError when the prompt does not fit; InputError for independent documents.
   */
  async inspect(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<Inspection> {
    const plan: RankPlan = { ...this.#plan(parseRankOptions(options)), how: { rows: "heads" }, use: "inspect" };
    assertQuery(query);
    const normalized = normalizeDocuments(documents);
    if (plan.layout === "independent") {
      throw new InputError(
        "INVALID_ARGUMENT",
        "inspect shows one prompt of all documents: layout independent has no use",
      );
    }
    return this.#queue.run(async () => {
      const context = this.#contexts.listwise;
      const laid = await layOutDocuments(this.#engine, context.layout, normalized, plan);
      const prompt = await layOutPrompt(this.#engine, laid.trunk, query, plan.nullQuery, plan.signal);
      const observed = await context.observeOne(prompt, { rows: "heads" }, plan);
      return describeAttention(this.#engine, query, laid, prompt, observed, plan);
    }, plan.signal);
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
      this.#queue.run(() => this.#writer.write(turns, { ...parsed, signal }, onText), signal);
    return streamOf(work, [parsed.signal, this.#end.signal]);
  }

  /** Tokens of messages in the model's chat template, as `generate` reads them. Throws as that. */
  async countTokens(messages: readonly ChatMessage[], options: Pick<GenerateOptions, "signal"> = {}): Promise<number> {
    const [turns, { signal }] = [parseMessages(messages), parseGenerateOptions(options)];
    return (await this.#queue.run(() => this.#writer.tokensOf(turns, signal), signal)).length;
  }

  /**
   * Frees the model, and the caches of all its corpora, after the running call; calls still waiting are rejected, and a text
   * that is being written ends with `DISPOSED`. Corpora may be disposed of before, after or meanwhile. Idempotent.
   */
  dispose(): Promise<void> {
    this.#end.abort(new QRHeadError("DISPOSED", "The retriever has been disposed"));
    return this.#queue.close(async () => {
      for (const corpus of this.#corpora.living) await corpus.dispose();
      for (const context of Object.values(this.#contexts)) await context.dispose();
      await this.#store.dispose();
      await this.#corpora.pool.clear();
      await this.#writer.dispose();
      await this.#engine.model.native.dispose();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #plan(options: RankOptions): RankPlan {
    const plan = planRank(this.#engine, options);
    // Those of `load` are for calls that can have windows.
    if (plan.layout === "independent" && typeof options.windows === "object") {
      throw new InputError("INVALID_ARGUMENT", "Windows have no use for a corpus or for independent documents");
    }
    return plan;
  }

  #rank(queries: readonly string[], documents: readonly RankDocument[], plan: RankPlan): AsyncGenerator<RankResult> {
    return rankAll({ engine: this.#engine, context: this.#contexts[plan.layout] }, documents, queries, plan);
  }
}
