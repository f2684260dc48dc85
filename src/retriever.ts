import type { RetrieveFrom } from "./answering/passages.ts";
import { type RetrieveOptions, type RetrieveResult, retrieve } from "./answering/retrieve.ts";
import type { Retriever } from "./answering/retriever.ts";
import { loadEnglish } from "./bm25/english.ts";
import { type Chunk, type ChunkOptions, chunkText } from "./chunking/chunk.ts";
import { TokenMap } from "./chunking/token-map.ts";
import { type DocumentInput, normalizeDocuments, someDocuments, type Widened } from "./documents/documents.ts";
import { InputError, invalidArgument, QRHeadError } from "./errors.ts";
import { readHeadFile } from "./heads/head-file.ts";
import { resolveHeads } from "./heads/spec.ts";
import { describeAttention, type Inspection } from "./inspect/attention.ts";
import { loadModel } from "./model/model.ts";
import type { Tokenization } from "./native/addon-types.ts";
import { KEEPING } from "./options/corpora.ts";
import { optionsOf, parseOptions, splitOptions } from "./options/parse.ts";
import { TOKENIZING } from "./options/texts.ts";
import type { CorpusFileOptions } from "./options/types/corpora.ts";
import {
  defaultCorpusMemory,
  defaultRankMemory,
  type LoadOptions,
  parseLoadOptions,
  parseRankOptions,
  type RankOptions,
} from "./options.ts";
import { type PromptProfile, selectProfile } from "./prompt/profiles.ts";
import type { PruneOptions } from "./pruning/options.ts";
import { type PruneHost, type PruneResult, prune } from "./pruning/prune.ts";
import { batchOf, type RankBatch, withDocuments } from "./ranking/batch.ts";
import { Corpus, type CorpusHost } from "./ranking/corpus.ts";
import { defaultLayout, planRank, type RankPlan } from "./ranking/plan.ts";
import { assertQueries, assertQuery, rankAll, rankEach, rankOne } from "./ranking/rank-many.ts";
import type { Ranking, RankResult } from "./ranking/results.ts";
import type { Ranker } from "./ranking/retriever.ts";
import { type MakeCorpusOptions, parseCorpusOptions } from "./reading/corpus/options.ts";
import { DocumentStore } from "./reading/document-store.ts";
import { layOutDocuments, layOutPrompt } from "./reading/documents.ts";
import { type Engine, tokenize } from "./reading/engine.ts";
import { IndependentLayout } from "./reading/independent.ts";
import { KvContext } from "./reading/kv-context.ts";
import { ListwiseLayout } from "./reading/listwise.ts";
import { Pool } from "./reading/pool.ts";
import type { ChatMessage, Head, ModelIdentity, RankDocument } from "./types.ts";
import { underSignals } from "./util/abort-signal.ts";
import { CallQueue } from "./util/call-queue.ts";
import { watchProcessors } from "./util/threads.ts";
import { type GenerateOptions, parseGenerateOptions, parseMessages, type TextStream } from "./writing/options.ts";
import { SharedModel } from "./writing/shared-model.ts";
import { streamOf } from "./writing/stream.ts";

/**
 * Ranks documents by the attention that a query's tokens pay to them through a model's retrieval heads: QRRetriever of
 * *Query-Focused Retrieval Heads Improve Long-Context Reasoning and Re-ranking* (EMNLP 2025), section 3.
 *
 * Calls run one after another in the order made. `dispose()`, or `await using`, frees the model. `Retriever` says what each
 * method does.
 */
export class QRRetriever implements Retriever {
  readonly #engine: Engine;
  /** Independent documents that `rank` read, and those that corpora did. */
  readonly #stores: readonly DocumentStore[];
  readonly #corpora: CorpusHost;
  /** What `rank` reads into, by layout. */
  readonly #contexts: Readonly<Record<"listwise" | "independent", KvContext>>;
  readonly #shared: SharedModel;
  readonly #queue: CallQueue;
  /** Aborts a text that is being written. */
  readonly #end = new AbortController();

  private constructor(engine: Engine, shared: SharedModel, beside?: CallQueue) {
    this.#engine = engine;
    this.#shared = shared.enter();
    this.#queue = new CallQueue("retriever", beside);
    const { corpusMemory } = engine.options;
    const pool = new Pool(corpusMemory ?? defaultCorpusMemory());
    const listwise = new ListwiseLayout(engine);
    const [ranked, ofCorpora] = [
      new DocumentStore(engine, new Pool(corpusMemory ?? defaultRankMemory())),
      new DocumentStore(engine, pool),
    ];
    this.#stores = [ranked, ofCorpora];
    this.#contexts = {
      listwise: new KvContext(engine, listwise),
      independent: new KvContext(engine, new IndependentLayout(engine, ranked)),
    };
    const layouts = { listwise, independent: new IndependentLayout(engine, ofCorpora) };
    this.#corpora = { engine, layouts, pool, queue: this.#queue, living: new Set() };
  }

  /**
   * Loads a model and its heads.
   *
   * @throws InputError for wrong options, a missing file, or heads that the model does not have.
   * @throws QRHeadError `MODEL_LOAD_FAILED`, `MODEL_UNSUPPORTED`, `LIBRARY_NOT_FOUND`, `CHAT_TEMPLATE`.
   * @example
   * await using retriever = await QRRetriever.load({ model: "model.gguf", heads: "auto" });
   */
  static async load(options: LoadOptions = {}): Promise<QRRetriever> {
    const parsed = parseLoadOptions(options);
    watchProcessors();
    const headsOf = (identity: ModelIdentity) => resolveHeads(parsed.heads ?? "auto", identity, readHeadFile);
    await loadEnglish();
    const model = await loadModel(parsed, (identity) => headsOf(identity).heads);
    try {
      const heads = headsOf(model.identity);
      const identity = { ...model.identity, bosText: model.info.bosText, eosText: model.info.eosText };
      const profile = selectProfile(parsed.prompt ?? "auto", identity);
      return new QRRetriever({ model, heads, profile, options: parsed }, new SharedModel(model, parsed));
    } catch (error) {
      await model.native.dispose();
      throw error;
    }
  }

  get model(): ModelIdentity & { path: string } {
    const { identity, path } = this.#engine.model;
    return { ...identity, path };
  }

  get heads(): Head[] {
    return [...this.#engine.heads.heads];
  }

  get headSet(): string {
    return this.#engine.heads.name;
  }

  get fuse(): Ranker["fuse"] {
    const { fuse: weight } = this.#engine.heads;
    return weight === undefined ? "none" : { weight };
  }

  get layout(): Ranker["layout"] {
    return defaultLayout(this.#engine);
  }

  get prompt(): PromptProfile["name"] {
    return this.#engine.profile.name;
  }

  get loadMs(): number {
    return this.#engine.model.loadMs;
  }

  get disposed(): boolean {
    return this.#queue.closed;
  }

  get pending(): number {
    return this.#queue.pending;
  }

  withHeads(heads: NonNullable<LoadOptions["heads"]>): QRRetriever {
    this.#queue.assertOpen();
    const resolved = resolveHeads(heads, this.#engine.model.identity, readHeadFile);
    return new QRRetriever({ ...this.#engine, heads: resolved }, this.#shared, this.#queue);
  }

  async rank<T extends DocumentInput>(
    query: string,
    documents: readonly T[],
    options: RankOptions = {},
  ): Promise<RankResult<T>> {
    const plan = this.#plan(parseRankOptions(options));
    assertQuery(query);
    const [normalized, given] = [normalizeDocuments(documents), [...documents]];
    return withDocuments(await this.#rankOne(query, normalized, plan), (index) => given[index]!);
  }

  rankMany<T extends DocumentInput>(
    queries: readonly string[],
    documents: readonly T[],
    options: RankOptions = {},
  ): RankBatch<T> {
    return batchOf<T>(async (onResult, stop) => {
      const asked = performance.now();
      const plan = this.#plan(parseRankOptions(options));
      assertQueries(queries);
      const [normalized, given] = [normalizeDocuments(documents), [...documents]];
      const onRanking = (ranking: Ranking) => onResult(withDocuments(ranking, (index) => given[index]!));
      return underSignals([plan.signal, stop], (signal) => {
        const rank = (onProgress: RankOptions["onProgress"]) =>
          this.#rank(queries, normalized, { ...plan, signal, onProgress });
        return this.#queue.run(
          () => rankEach(queries, rank, { asked, onProgress: plan.onProgress }, onRanking),
          signal,
        );
      });
    });
  }

  async corpus<T extends DocumentInput>(
    documents: readonly T[],
    options: MakeCorpusOptions = {},
  ): Promise<Corpus<Widened<T>>> {
    const [own, others] = splitOptions(KEEPING, options);
    const { saveTo, force } = parseOptions(KEEPING, own) as CorpusFileOptions;
    const { signal, onProgress, ...rest } = parseCorpusOptions(others);
    // A corpus has no windows, so its layout is the one that the heads rank best in.
    const { order, maxDocumentTokens, layout } = this.#engine.options;
    const settings = {
      ...(order && { order }),
      ...(maxDocumentTokens && { maxDocumentTokens }),
    };
    return Corpus.create(
      this.#corpora,
      documents as readonly DocumentInput[] as readonly Widened<T>[],
      { ...settings, ...rest, layout: rest.layout ?? layout ?? this.#engine.heads.layout ?? "listwise" },
      { signal, onProgress },
      saveTo === undefined ? undefined : { file: saveTo, force },
    );
  }

  async loadCorpus<T extends DocumentInput = RankDocument>(
    file: string,
    options: Pick<RankOptions, "signal" | "onProgress"> = {},
  ): Promise<Corpus<T | RankDocument>> {
    const { signal, onProgress } = parseRankOptions(options);
    if (typeof file !== "string" || file === "") throw invalidArgument("file", "the path of a file", file);
    this.#queue.assertOpen();
    return Corpus.load<T>(this.#corpora, file, { signal, onProgress });
  }

  async tokenize(text: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Tokenization> {
    if (typeof text !== "string") throw invalidArgument("text", "a string", text);
    const { signal } = parseOptions(TOKENIZING, options) as { signal?: AbortSignal | undefined };
    const { tokens, offsets } = await this.#queue.run(
      () => tokenize(this.#engine, [{ text, special: false }], signal),
      signal,
    );
    // The vocabulary may add a begin token, which shows no text.
    const added = offsets.length > 1 && offsets[0] === offsets[1] ? 1 : 0;
    return { tokens: tokens.subarray(added), offsets: offsets.subarray(2 * added) };
  }

  async chunk(text: string, options: ChunkOptions & { signal?: AbortSignal | undefined } = {}): Promise<Chunk[]> {
    const { signal, ...rest } = optionsOf(options);
    const { offsets } = await this.tokenize(text, signal && { signal });
    return chunkText(text, new TokenMap(text, offsets), rest, signal);
  }

  async prune(query: string, input: string | readonly DocumentInput[], options: PruneOptions): Promise<PruneResult> {
    assertQuery(query);
    const host: PruneHost = {
      rank: (asked, documents, rankOptions) => {
        const plan = { ...this.#plan(parseRankOptions(rankOptions)), maxDocumentTokens: undefined };
        return this.#rankOne(asked, documents, plan);
      },
      chunk: (text, chunkOptions) => this.chunk(text, chunkOptions),
      tokenize: (text, signal) => this.tokenize(text, signal && { signal }),
    };
    return prune(host, query, input, options);
  }

  retrieve(query: string, from: RetrieveFrom, options: RetrieveOptions = {}): Promise<RetrieveResult> {
    return retrieve(this, query, from, options);
  }

  async inspect(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<Inspection> {
    const { layout: chosen = this.#engine.options.layout, ...parsed } = parseRankOptions(options);
    if (chosen === "independent") {
      throw new InputError("INVALID_ARGUMENT", 'inspect shows one prompt of all documents: use layout: "listwise"');
    }
    const plan: RankPlan = {
      ...this.#plan({ ...parsed, layout: "listwise" }),
      ...{ how: { rows: "heads" }, use: "inspect", isChosen: chosen !== undefined },
    };
    assertQuery(query);
    const normalized = someDocuments(documents);
    return this.#queue.run(async () => {
      const context = this.#contexts.listwise;
      const laid = await layOutDocuments(this.#engine, context.layout, normalized, plan);
      const prompt = await layOutPrompt(this.#engine, laid.trunk, query, plan.nullQuery, plan.signal);
      const observed = await context.observeOne(prompt, { rows: "heads" }, plan);
      return describeAttention(this.#engine, query, laid, prompt, observed, plan);
    }, plan.signal);
  }

  generate(messages: readonly ChatMessage[], options: GenerateOptions = {}): TextStream {
    const [turns, parsed] = [parseMessages(messages), parseGenerateOptions(options)];
    const work = (onText: (text: string) => void, signal: AbortSignal) => {
      const asked = performance.now();
      return this.#queue.run(async () => {
        const waitMs = performance.now() - asked;
        const written = await this.#shared.writer.write(turns, { ...parsed, signal }, onText);
        return { ...written, timings: { waitMs, ...written.timings } };
      }, signal);
    };
    return streamOf(work, [parsed.signal, this.#end.signal]);
  }

  async countTokens(messages: readonly ChatMessage[], options: Pick<GenerateOptions, "signal"> = {}): Promise<number> {
    const [turns, { signal }] = [parseMessages(messages), parseGenerateOptions(options)];
    return (await this.#queue.run(() => this.#shared.writer.tokensOf(turns, signal), signal)).length;
  }

  dispose(): Promise<void> {
    this.#end.abort(new QRHeadError("DISPOSED", "The retriever has been disposed"));
    return this.#queue.close(async () => {
      for (const corpus of this.#corpora.living) await corpus.dispose();
      await this.#queue.release(async () => {
        for (const context of Object.values(this.#contexts)) await context.dispose();
        for (const store of this.#stores) await store.dispose();
        await this.#corpora.pool.clear();
        await this.#shared.leave();
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #plan(options: RankOptions): RankPlan {
    const plan = planRank(this.#engine, options);
    // The windows of `load` are for calls that can have windows.
    if (plan.layout === "independent" && typeof options.windows === "object") {
      throw new InputError("INVALID_ARGUMENT", "Option windows does not apply to a corpus or to independent documents");
    }
    return plan;
  }

  #rankOne(query: string, documents: readonly RankDocument[], plan: RankPlan): Promise<Ranking> {
    return rankOne(
      (work) => this.#queue.run(work, plan.signal),
      () => this.#rank([query], documents, plan),
    );
  }

  #rank(queries: readonly string[], documents: readonly RankDocument[], plan: RankPlan): AsyncGenerator<Ranking> {
    const { listwise } = this.#contexts;
    return rankAll({ engine: this.#engine, context: this.#contexts[plan.layout], listwise }, documents, queries, plan);
  }
}
