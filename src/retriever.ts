import PQueue from "p-queue";
import { Corpus, type CorpusHost } from "./corpus/corpus.ts";
import { DocumentStore } from "./corpus/document-store.ts";
import { IndependentSession } from "./corpus/independent-session.ts";
import { type CorpusOptions, parseCorpusOptions } from "./corpus/options.ts";
import { Pool } from "./corpus/pool.ts";
import { assertQuery, type BatchOptions, type BatchResult, rankBatch } from "./corpus/rank-many.ts";
import { type DocumentInput, normalizeDocuments } from "./documents.ts";
import { QRHeadError } from "./errors.ts";
import { readHeadFile } from "./head-file.ts";
import { type ResolvedHeads, resolveHeads } from "./heads/spec.ts";
import { type LoadedModel, loadModel } from "./model.ts";
import { callNative } from "./native/call.ts";
import {
  DEFAULT_NULL_QUERY,
  defaultCorpusMemory,
  type LoadOptions,
  parseLoadOptions,
  parseRankOptions,
  type RankOptions,
} from "./options.ts";
import { type PromptProfile, selectProfile } from "./prompt/profiles.ts";
import { describeTokens, type RankedDocument, type RankResult } from "./results.ts";
import { scoreDocuments } from "./scoring/documents.ts";
import { rankDocuments } from "./scoring/ranking.ts";
import { type Reader, Session } from "./session.ts";
import type { Head, ModelIdentity, RankDocument } from "./types.ts";

/**
 * Ranks documents by the attention that a query's tokens pay to them through a model's retrieval heads: QRRetriever of
 * *Query-Focused Retrieval Heads Improve Long-Context Reasoning and Re-ranking* (EMNLP 2025), section 3.
 *
 * Calls run one after another in the order made. `dispose()`, or `await using`, frees the model.
 */
export class QRRetriever implements AsyncDisposable {
  readonly #model: LoadedModel;
  readonly #heads: ResolvedHeads;
  readonly #profile: PromptProfile;
  readonly #options: LoadOptions;
  readonly #weights: Float32Array | null;
  readonly #session: Session;
  readonly #store: DocumentStore;
  readonly #independent: IndependentSession;
  readonly #corpora: CorpusHost;
  readonly #queue = new PQueue({ concurrency: 1 });
  #disposal: Promise<void> | undefined;

  private constructor(model: LoadedModel, heads: ResolvedHeads, profile: PromptProfile, options: LoadOptions) {
    this.#model = model;
    this.#heads = heads;
    this.#profile = profile;
    this.#options = options;
    this.#weights = heads.weights ? Float32Array.from(heads.weights) : null;
    this.#session = new Session(model, heads.heads, profile, options);
    const corpusMemory = options.corpusMemory ?? defaultCorpusMemory();
    this.#store = new DocumentStore(model, heads.heads, options, corpusMemory);
    const parts = { model, heads: heads.heads, profile, options };
    const independent = () => new IndependentSession(parts, this.#store, (...args) => this.#session.truncate(...args));
    this.#independent = independent();
    this.#corpora = {
      ...parts,
      nullQuery: options.nullQuery ?? heads.nullQuery ?? DEFAULT_NULL_QUERY,
      pool: new Pool(corpusMemory),
      run: (work, signal) => this.#run(work, signal),
      rank: (query, documents, rankOptions, reader) => this.#rank(query, documents, rankOptions, reader),
      createReader: (layout) =>
        layout === "independent" ? independent() : new Session(model, heads.heads, profile, options),
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
    const model = await loadModel(parsed);
    try {
      const heads = resolveHeads(parsed.heads ?? "auto", model.identity, readHeadFile);
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
   * @throws ContextOverflowError when the prompt does not fit.
   * @throws QRHeadError `ATTENTION_INVALID` rather than a ranking that cannot be trusted, `DISPOSED`.
   */
  async rank(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<RankResult> {
    const parsed = parseRankOptions(options);
    assertQuery(query);
    const normalized = normalizeDocuments(documents);
    return this.#run(() => this.#rank(query, normalized, parsed), parsed.signal);
  }

  /**
   * Ranks the same documents for many queries, one after another, and reports how fast. The documents are read once.
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
    const work = () => rankBatch(queries, (query) => this.#rank(query, normalized, parsed), onResult);
    return this.#run(work, parsed.signal);
  }

  /**
   * Reads documents once, for queries over them that then cost the query only.
   *
   * @throws InputError and ContextOverflowError as `rank`; InputError for options that belong to a query.
   */
  async corpus(
    documents: readonly DocumentInput[],
    options: CorpusOptions & Pick<RankOptions, "signal" | "onProgress"> = {},
  ): Promise<Corpus> {
    const { signal, onProgress, ...rest } = parseCorpusOptions(options);
    const { order, maxDocumentTokens, layout } = this.#options;
    const settings = {
      ...(order && { order }),
      ...(maxDocumentTokens && { maxDocumentTokens }),
      ...(layout && { layout }),
    };
    const corpus = new Corpus(this.#corpora, normalizeDocuments(documents), { ...settings, ...rest });
    return this.#filled(corpus, () => corpus.prefill({ signal, onProgress }));
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

  /** Frees the model after the running call; calls still waiting are rejected. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#queue.onIdle().then(async () => {
      await this.#corpora.pool.clear();
      await this.#independent.dispose();
      await this.#store.dispose();
      await this.#session.dispose();
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
    const began = performance.now();
    const settings = { ...this.#options, ...options };
    const reader = own ?? (settings.layout === "independent" ? this.#independent : this.#session);
    const nullQuery = settings.nullQuery ?? this.#heads.nullQuery ?? DEFAULT_NULL_QUERY;
    const mask = settings.mask ?? true;

    const shortened = await reader.truncate(documents, settings.maxDocumentTokens, options.signal);
    const order = documents.map((_, index) => index);
    if (settings.order === "reverse") order.reverse();
    const positionOf = (index: number) => (settings.order === "reverse" ? documents.length - 1 - index : index);
    const layout = await reader.layOut(
      order.map((index) => shortened[index]!),
      query,
      (settings.calibration ?? true) ? nullQuery : null,
      options.signal,
    );

    const weights = (settings.weights ?? true) ? this.#weights : null;
    // Heads that do not count alike cannot be summed while they are captured.
    const observed = await reader.observe(layout, options.headScores === true || weights !== null, options);
    const tokenScores = observed.query.sumOverHeads(observed.null, layout.querySpan[0], weights);
    const scores = scoreDocuments(tokenScores, layout.documentSpans, { mask });
    const headScores = options.headScores
      ? await callNative(this.#model.library.addon, options.signal, () =>
          observed.query.documentScores({
            baseline: observed.null,
            spans: Uint32Array.from(layout.documentSpans.flat()),
            mask: mask ? "shared" : "none",
            weights,
          }),
        )
      : undefined;
    const bytes = options.tokenScores ? Buffer.from(layout.prompt.text, "utf8") : undefined;

    const describe = (index: number): RankedDocument => {
      const position = positionOf(index);
      return {
        index,
        id: documents[index]!.id,
        score: scores[position]!,
        ...(shortened[index]!.truncated && { truncated: true }),
        ...(headScores && {
          headScores: this.#heads.heads.map((_, row) => headScores[row * documents.length + position]!),
        }),
        ...(bytes && { tokenScores: describeTokens(layout, bytes, tokenScores, position, mask) }),
      };
    };
    const byIndex = documents.map((_, index) => scores[positionOf(index)]!);
    const lengths = layout.documentSpans.map(([begin, end]) => end - begin);
    return {
      query,
      heads: this.heads,
      ...(weights && { weights: [...this.#heads.weights!] }),
      results: rankDocuments(byIndex, options.topK).map(describe),
      usage: {
        promptTokens: layout.tokens.length,
        queryTokens: layout.querySpan[1] - layout.querySpan[0],
        documentTokens: documents.map((_, index) => lengths[positionOf(index)]!),
      },
      timings: { loadMs: this.#model.loadMs, ...observed.timings, totalMs: performance.now() - began },
      warnings: this.#warnings(),
    };
  }

  #warnings(): string[] {
    const { warning, prompt, name } = this.#heads;
    const warnings = warning ? [warning] : [];
    if (prompt && prompt !== "auto" && prompt !== this.#profile.name) {
      warnings.push(
        `Heads ${name} were found with the ${prompt} prompt, and rank with the ${this.#profile.name} prompt here`,
      );
    }
    return warnings;
  }

  #assertUsable(): void {
    if (this.#disposal) throw new QRHeadError("DISPOSED", "The retriever has been disposed");
  }
}
