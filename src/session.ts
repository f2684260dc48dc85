import { ContextOverflowError } from "./errors.ts";
import type { LoadedModel } from "./model.ts";
import type { NativeAttention, NativeContext, Tokenization } from "./native/addon-types.ts";
import { callNative, reporter } from "./native/call.ts";
import { defaultThreads, type LoadOptions, type Progress } from "./options.ts";
import { layOutPrompt, type PromptLayout, sameTokens } from "./prompt/layout.ts";
import type { PromptProfile } from "./prompt/profiles.ts";
import { truncateDocument } from "./prompt/truncate.ts";
import type { Head, RankDocument } from "./types.ts";

/** Contexts grow in steps, so that calls of similar length share one. */
const CONTEXT_STEP = 1024;

/** Short queries are padded to this many rows, where there is room: flash attention on the CPU is much faster from there on. */
const PADDED_ROWS = 64;

/** What the context holds: the documents of the last call, and what the null query attended to over them. */
type Cached = { documents: Int32Array; null?: { tokens: Int32Array; perHead: boolean; attention: NativeAttention } };

/** Attention of the query's tokens and, where there is a null query, of that one's. Milliseconds of each pass. */
export type Observed = {
  query: NativeAttention;
  null: NativeAttention | null;
  timings: { prefillMs: number; nullMs: number; queryMs: number };
};

type CallOptions = { signal?: AbortSignal | undefined; onProgress?: ((progress: Progress) => void) | undefined };

/**
 * A model, the heads to look through and the documents that it has read last. Not for two calls at a time.
 *
 * Documents are prefilled once for the null query and the query, and stay for the next query over the same ones. Only a
 * whole match is reused: taking up a part would cut the ubatches elsewhere, and scores would depend on earlier calls in
 * their last digits.
 */
export class Session {
  readonly #model: LoadedModel;
  readonly #heads: readonly Head[];
  readonly #profile: PromptProfile;
  readonly #options: LoadOptions;
  #context: NativeContext | undefined;
  #cached: Cached | undefined;

  constructor(model: LoadedModel, heads: readonly Head[], profile: PromptProfile, options: LoadOptions) {
    this.#model = model;
    this.#heads = heads;
    this.#profile = profile;
    this.#options = options;
  }

  /** The tokenized prompt; documents in the order that they are to stand in. */
  layOut(
    documents: readonly { title?: string; text: string }[],
    query: string,
    nullQuery: string | null,
    signal?: AbortSignal,
  ): Promise<PromptLayout> {
    const { library, native } = this.#model;
    return layOutPrompt(
      (pieces) => callNative(library.addon, signal, () => native.tokenize(pieces)),
      this.#profile,
      documents,
      query,
      nullQuery,
    );
  }

  /** A text's tokens; special tokens are not recognised in it. */
  tokenize(text: string, signal?: AbortSignal): Promise<Tokenization> {
    const { library, native } = this.#model;
    return callNative(library.addon, signal, () => native.tokenize([{ text, special: false }]));
  }

  /** Cuts each document's text after `limit` tokens. */
  async truncate(documents: readonly RankDocument[], limit: number | undefined, signal?: AbortSignal) {
    if (limit === undefined) return documents.map((document) => ({ ...document, truncated: false }));
    const shortened: (RankDocument & { truncated: boolean })[] = [];
    for (const document of documents) {
      const { offsets } = await this.tokenize(document.text, signal);
      shortened.push({ ...document, ...truncateDocument(document.text, limit, offsets) });
    }
    return shortened;
  }

  /** @throws ContextOverflowError when a prompt does not fit, which `observe` would find. */
  assertFits(layout: PromptLayout): void {
    const tokens = tokensOf(layout);
    if (tokens > this.limit) throw new ContextOverflowError(tokens, this.limit);
  }

  /**
   * Lets the null query and the query look at the documents.
   *
   * @param perHead Keep a row per head, which takes `heads × tokens × 4` bytes, twice; false sums the heads meanwhile.
   * @throws ContextOverflowError when the prompt does not fit.
   * @throws QRHeadError `ATTENTION_INVALID` when the attention is none, `CONTEXT_FAILED`.
   */
  async observe(layout: PromptLayout, perHead: boolean, { signal, onProgress }: CallOptions): Promise<Observed> {
    const { addon } = this.#model.library;
    const [begin] = layout.querySpan;
    const query = layout.tokens.subarray(begin);
    this.assertFits(layout);
    const context = await this.#contextFor(tokensOf(layout), signal);
    const timings = { prefillMs: 0, nullMs: 0, queryMs: 0 };
    const timed = async <T>(name: keyof typeof timings, work: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      const value = await work();
      timings[name] = performance.now() - start;
      return value;
    };
    const look = async (phase: "null" | "query", tokens: Int32Array) => {
      onProgress?.({ phase, done: 0, total: tokens.length });
      const attention = await timed(`${phase}Ms`, () =>
        callNative(addon, signal, (cancellation) => {
          context.rollback(begin);
          return context.observe(tokens, { perHead }, cancellation);
        }),
      );
      onProgress?.({ phase, done: tokens.length, total: tokens.length });
      return attention;
    };

    const documents = layout.tokens.slice(0, begin);
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
    return { query: await look("query", query), null: calibration, timings };
  }

  async dispose(): Promise<void> {
    await this.#context?.dispose();
    this.#context = undefined;
    this.#cached = undefined;
  }

  /** Tokens that a prompt may have. */
  get limit(): number {
    return this.#options.contextSize ?? (this.#model.info.trainContextSize || Number.POSITIVE_INFINITY);
  }

  /** A context that holds this many tokens: the one there is, or a larger one in its place. */
  async #contextFor(tokens: number, signal: AbortSignal | undefined): Promise<NativeContext> {
    const options = this.#options;
    if (this.#context && this.#context.contextSize >= tokens) return this.#context;
    await this.dispose();
    const grown = Math.ceil((tokens + PADDED_ROWS) / CONTEXT_STEP) * CONTEXT_STEP;
    this.#context = await callNative(this.#model.library.addon, signal, () =>
      this.#model.native.createContext({
        contextSize: options.contextSize ?? Math.min(this.limit, grown),
        batchSize: options.batchSize ?? 512,
        threads: options.threads ?? defaultThreads(),
        cacheTypeK: options.cacheTypeK ?? "f16",
        cacheTypeV: options.cacheTypeV ?? "f16",
        flashAttention: options.flashAttention ?? true,
        offloadKqv: options.gpu !== false && options.gpuLayers !== 0,
        heads: Int32Array.from(this.#heads.flat()),
        earlyStop: options.earlyStop ?? true,
      }),
    );
    return this.#context;
  }
}

/** Tokens that must fit at once: the documents, and behind them the longer of the query and the null query. */
function tokensOf({ tokens, querySpan: [begin], nullTokens }: PromptLayout): number {
  return Math.max(tokens.length, begin + (nullTokens?.length ?? 0));
}
