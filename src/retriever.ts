import PQueue from "p-queue";
import { type Chunk, type ChunkOptions, chunkText } from "./chunking/chunk.ts";
import { TokenMap } from "./chunking/token-map.ts";
import { type DocumentInput, normalizeDocuments } from "./documents.ts";
import { ContextOverflowError, invalidArgument, QRHeadError } from "./errors.ts";
import { readHeadFile } from "./head-file.ts";
import { type ResolvedHeads, resolveHeads } from "./heads/spec.ts";
import { describeAttention, type Inspection } from "./inspect/attention.ts";
import { type LoadedModel, loadModel } from "./model.ts";
import type { Tokenization } from "./native/addon-types.ts";
import { callNative } from "./native/call.ts";
import {
  DEFAULT_NULL_QUERY,
  type LoadOptions,
  parseLoadOptions,
  parseRankOptions,
  type RankOptions,
} from "./options.ts";
import { type PromptProfile, selectProfile } from "./prompt/profiles.ts";
import { type PruneOptions, type PruneResult, prune } from "./prune.ts";
import { describeTokens, type RankedDocument, type RankResult } from "./results.ts";
import { scoreDocuments } from "./scoring/documents.ts";
import { rankDocuments } from "./scoring/ranking.ts";
import { Session } from "./session.ts";
import type { Head, ModelIdentity, RankDocument } from "./types.ts";
import { rankInWindows } from "./windows/rank.ts";

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
  readonly #session: Session;
  readonly #queue = new PQueue({ concurrency: 1 });
  #disposal: Promise<void> | undefined;

  private constructor(model: LoadedModel, heads: ResolvedHeads, profile: PromptProfile, options: LoadOptions) {
    this.#model = model;
    this.#heads = heads;
    this.#profile = profile;
    this.#options = options;
    this.#session = new Session(model, heads.heads, profile, options);
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
   * @throws ContextOverflowError when the prompt does not fit and `windows` is `"never"`, or the query alone does not fit.
   * @throws QRHeadError `ATTENTION_INVALID` rather than a ranking that cannot be trusted, `DISPOSED`.
   */
  async rank(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<RankResult> {
    const parsed = parseRankOptions(options);
    if (typeof query !== "string" || query.trim() === "") {
      throw invalidArgument("query", "a text that is not blank", query);
    }
    const normalized = normalizeDocuments(documents);
    parsed.signal?.throwIfAborted();
    this.#assertUsable();
    try {
      return await this.#enqueue(() => this.#rank(query, normalized, parsed), parsed.signal);
    } finally {
      parsed.signal?.throwIfAborted();
    }
  }

  /**
   * The tokens of a text, and `[begin, end)` of each in bytes of its UTF-8, two numbers a token. Special tokens are not
   * recognised.
   */
  async tokenize(text: string, options: { signal?: AbortSignal } = {}): Promise<Tokenization> {
    if (typeof text !== "string") throw invalidArgument("text", "a string", text);
    this.#assertUsable();
    return this.#enqueue(() => this.#session.tokenize(text, options.signal), options.signal);
  }

  /** Cuts a text into chunks, with sizes in tokens of this model; see `ChunkOptions`. */
  async chunk(text: string, options: ChunkOptions = {}): Promise<Chunk[]> {
    const { offsets } = await this.tokenize(text);
    return chunkText(text, new TokenMap(text, offsets), options);
  }

  /**
   * Keeps of a text, or of several, the sentences or chunks that the query attends to: verbatim and in their order, with a
   * marker where something was left out. One forward pass prices all sentences of a window.
   *
   * @param options Exactly one of `budgetTokens`, `threshold` (attention a token) and `topK`; the others are optional.
   * @throws InputError for an empty text, wrong options, or a budget smaller than what is protected.
   */
  async prune(query: string, input: string | readonly DocumentInput[], options: PruneOptions): Promise<PruneResult> {
    return prune(this, query, input, options);
  }

  /** What every token of the documents receives from the query, head by head: what `qrhead inspect` shows. */
  async inspect(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<Inspection> {
    const parsed = parseRankOptions(options);
    if (typeof query !== "string" || query.trim() === "") {
      throw invalidArgument("query", "a text that is not blank", query);
    }
    const normalized = normalizeDocuments(documents);
    this.#assertUsable();
    return this.#enqueue(async () => {
      this.#assertUsable();
      const settings = { ...this.#options, ...parsed };
      const nullQuery = (settings.calibration ?? true) ? this.#nullQuery(parsed) : null;
      const shortened = await this.#session.truncate(normalized, settings.maxDocumentTokens, parsed.signal);
      const layout = await this.#session.layOut(shortened, query, nullQuery, parsed.signal);
      const observed = await this.#session.observe(layout, true, parsed);
      return describeAttention(query, shortened, layout, observed, this.#heads.heads, settings.mask ?? true);
    }, parsed.signal);
  }

  /** Frees the model after the running call; calls still waiting are rejected. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#queue.onIdle().then(async () => {
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

  async #rank(query: string, documents: RankDocument[], options: RankOptions): Promise<RankResult> {
    const { windows = "auto", ...settings } = { ...this.#options, ...options };
    // One prompt where that is possible: scores of one prompt need no merging.
    if (windows === "auto" || windows === "never") {
      try {
        return await this.#rankOnce(query, documents, options);
      } catch (error) {
        if (windows === "never" || !(error instanceof ContextOverflowError)) throw error;
      }
    }
    const { signal } = options;
    const nullQuery = (settings.calibration ?? true) ? this.#nullQuery(options) : null;
    const single: RankOptions = { ...options, topK: undefined, maxDocumentTokens: undefined };
    return rankInWindows(
      {
        limit: this.#session.limit,
        truncate: (texts) => this.#session.truncate(texts, settings.maxDocumentTokens, signal),
        layOut: (texts) => this.#session.layOut(texts, query, nullQuery, signal),
        tokenize: async (text) => (await this.#session.tokenize(text, signal)).offsets,
        rank: (texts, onProgress) => this.#rankOnce(query, texts, { ...single, onProgress }),
      },
      documents,
      windows === "auto" ? {} : windows,
      options,
    );
  }

  #nullQuery(options: RankOptions): string {
    return options.nullQuery ?? this.#options.nullQuery ?? this.#heads.nullQuery ?? DEFAULT_NULL_QUERY;
  }

  async #rankOnce(query: string, documents: readonly RankDocument[], options: RankOptions): Promise<RankResult> {
    this.#assertUsable();
    const began = performance.now();
    const settings = { ...this.#options, ...options };
    const nullQuery = this.#nullQuery(options);
    const mask = settings.mask ?? true;

    const shortened = await this.#session.truncate(documents, settings.maxDocumentTokens, options.signal);
    const order = documents.map((_, index) => index);
    if (settings.order === "reverse") order.reverse();
    const positionOf = (index: number) => (settings.order === "reverse" ? documents.length - 1 - index : index);
    const layout = await this.#session.layOut(
      order.map((index) => shortened[index]!),
      query,
      (settings.calibration ?? true) ? nullQuery : null,
      options.signal,
    );

    const observed = await this.#session.observe(layout, options.headScores ?? false, options);
    const tokenScores = observed.query.sumOverHeads(observed.null, layout.querySpan[0]);
    const scores = scoreDocuments(tokenScores, layout.documentSpans, { mask });
    const headScores = options.headScores
      ? await callNative(this.#model.library.addon, options.signal, () =>
          observed.query.documentScores({
            baseline: observed.null,
            spans: Uint32Array.from(layout.documentSpans.flat()),
            mask: mask ? "shared" : "none",
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
