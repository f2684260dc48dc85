import PQueue from "p-queue";
import { type DocumentInput, normalizeDocuments } from "./documents.ts";
import { ContextOverflowError, invalidArgument, QRHeadError } from "./errors.ts";
import { readHeadFile } from "./head-file.ts";
import { type ResolvedHeads, resolveHeads } from "./heads/spec.ts";
import { type LoadedModel, loadModel } from "./model.ts";
import type { NativeAttention, NativeContext } from "./native/addon-types.ts";
import { callNative, reporter } from "./native/call.ts";
import {
  DEFAULT_NULL_QUERY,
  defaultThreads,
  type LoadOptions,
  parseLoadOptions,
  parseRankOptions,
  type RankOptions,
} from "./options.ts";
import { layOutPrompt, type PromptLayout, sameTokens } from "./prompt/layout.ts";
import { type PromptProfile, selectProfile } from "./prompt/profiles.ts";
import { truncateDocument } from "./prompt/truncate.ts";
import { describeTokens, type RankedDocument, type RankResult } from "./results.ts";
import { scoreDocuments } from "./scoring/documents.ts";
import { rankDocuments } from "./scoring/ranking.ts";
import type { Head, ModelIdentity, RankDocument } from "./types.ts";

/** Contexts grow in steps, so that calls of similar length share one. */
const CONTEXT_STEP = 1024;

/** Short queries are padded to this many rows, where there is room: flash attention on the CPU is much faster from there on. */
const PADDED_ROWS = 64;

/** What the context holds: the documents of the last call, and what the null query attended to over them. */
type Cached = { documents: Int32Array; null?: { tokens: Int32Array; perHead: boolean; attention: NativeAttention } };

type Observed = { query: NativeAttention; null: NativeAttention | null; timings: RankResult["timings"] };

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
  readonly #queue = new PQueue({ concurrency: 1 });
  #context: NativeContext | undefined;
  #cached: Cached | undefined;
  #disposal: Promise<void> | undefined;

  private constructor(model: LoadedModel, heads: ResolvedHeads, profile: PromptProfile, options: LoadOptions) {
    this.#model = model;
    this.#heads = heads;
    this.#profile = profile;
    this.#options = options;
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

  /** Frees the model after the running call; calls still waiting are rejected. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#queue.onIdle().then(async () => {
      await this.#context?.dispose();
      await this.#model.native.dispose();
      this.#cached = undefined;
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
    this.#assertUsable();
    const began = performance.now();
    const settings = { ...this.#options, ...options };
    const nullQuery = settings.nullQuery ?? this.#heads.nullQuery ?? DEFAULT_NULL_QUERY;
    const mask = settings.mask ?? true;

    const shortened = await this.#truncate(documents, settings.maxDocumentTokens, options.signal);
    const order = documents.map((_, index) => index);
    if (settings.order === "reverse") order.reverse();
    const layout = await layOutPrompt(
      (pieces) => callNative(this.#model.library.addon, options.signal, () => this.#model.native.tokenize(pieces)),
      this.#profile,
      order.map((index) => shortened[index]!),
      query,
      (settings.calibration ?? true) ? nullQuery : null,
    );

    const observed = await this.#observe(layout, options.headScores ?? false, options);
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
      const position = order.indexOf(index);
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
    const byIndex = documents.map((_, index) => scores[order.indexOf(index)]!);
    const lengths = layout.documentSpans.map(([begin, end]) => end - begin);
    return {
      query,
      heads: this.heads,
      results: rankDocuments(byIndex, options.topK).map(describe),
      usage: {
        promptTokens: layout.tokens.length,
        queryTokens: layout.querySpan[1] - layout.querySpan[0],
        documentTokens: documents.map((_, index) => lengths[order.indexOf(index)]!),
      },
      timings: { ...observed.timings, totalMs: performance.now() - began },
      warnings: this.#warnings(),
    };
  }

  /** Prefills the documents unless they are there already, then lets the null query and the query look at them. */
  async #observe(layout: PromptLayout, perHead: boolean, { signal, onProgress }: RankOptions): Promise<Observed> {
    const { addon } = this.#model.library;
    const begin = layout.querySpan[0];
    const longest = begin + Math.max(layout.tokens.length - begin, layout.nullTokens?.length ?? 0);
    const context = await this.#contextFor(longest, signal);
    const documents = layout.tokens.slice(0, begin);
    const timings = { loadMs: this.#model.loadMs, prefillMs: 0, nullMs: 0, queryMs: 0, totalMs: 0 };
    const timed = async <T>(name: "prefillMs" | "nullMs" | "queryMs", work: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      const value = await work();
      timings[name] = performance.now() - start;
      return value;
    };
    const look = (phase: "null" | "query", tokens: Int32Array) =>
      timed(`${phase}Ms`, async () => {
        onProgress?.({ phase, done: 0, total: tokens.length });
        const attention = await callNative(addon, signal, (cancellation) => {
          context.rollback(begin);
          return context.observe(tokens, { perHead }, cancellation);
        });
        onProgress?.({ phase, done: tokens.length, total: tokens.length });
        return attention;
      });

    if (!this.#cached || !sameTokens(this.#cached.documents, documents)) {
      this.#cached = undefined;
      const { report, finish } = reporter(onProgress, "prefill", begin);
      await timed("prefillMs", () =>
        callNative(addon, signal, (cancellation, guard) => {
          context.rollback(0);
          return context.prefill(documents, cancellation, onProgress && guard(report));
        }),
      );
      finish();
      this.#cached = { documents };
    }
    let calibration: NativeAttention | null = null;
    if (layout.nullTokens) {
      const known = this.#cached.null;
      const fits = known && known.perHead === perHead && sameTokens(known.tokens, layout.nullTokens);
      calibration = fits ? known.attention : await look("null", layout.nullTokens);
      this.#cached.null = { tokens: layout.nullTokens, perHead, attention: calibration };
    }
    return { query: await look("query", layout.tokens.subarray(begin)), null: calibration, timings };
  }

  async #contextFor(tokens: number, signal: AbortSignal | undefined): Promise<NativeContext> {
    const { contextSize } = this.#options;
    const limit = contextSize ?? (this.#model.info.trainContextSize || Number.POSITIVE_INFINITY);
    if (tokens > limit) throw new ContextOverflowError(tokens, limit);
    if (this.#context && this.#context.contextSize >= tokens) return this.#context;
    await this.#context?.dispose();
    this.#context = undefined;
    this.#cached = undefined;
    const options = this.#options;
    this.#context = await callNative(this.#model.library.addon, signal, () =>
      this.#model.native.createContext({
        contextSize: contextSize ?? Math.min(limit, Math.ceil((tokens + PADDED_ROWS) / CONTEXT_STEP) * CONTEXT_STEP),
        batchSize: options.batchSize ?? 512,
        threads: options.threads ?? defaultThreads(),
        cacheTypeK: options.cacheTypeK ?? "f16",
        cacheTypeV: options.cacheTypeV ?? "f16",
        flashAttention: options.flashAttention ?? true,
        offloadKqv: options.gpu !== false && options.gpuLayers !== 0,
        heads: Int32Array.from(this.#heads.heads.flat()),
        earlyStop: options.earlyStop ?? true,
      }),
    );
    return this.#context;
  }

  async #truncate(documents: RankDocument[], limit: number | undefined, signal: AbortSignal | undefined) {
    if (limit === undefined) return documents.map((document) => ({ ...document, truncated: false }));
    const shortened = [];
    for (const document of documents) {
      const { offsets } = await callNative(this.#model.library.addon, signal, () =>
        this.#model.native.tokenize([{ text: document.text, special: false }]),
      );
      shortened.push({ ...document, ...truncateDocument(document.text, limit, offsets) });
    }
    return shortened;
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
