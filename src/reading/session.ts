import { InputError } from "../errors.ts";
import type { LoadedModel } from "../model/model.ts";
import type {
  CellState,
  NativeAttention,
  NativeContext,
  NativeContextOptions,
  Tokenization,
} from "../native/addon-types.ts";
import { bytesPerToken } from "../native/cache-size.ts";
import { callNative, reporter } from "../native/call.ts";
import { hasGpu } from "../native/library.ts";
import type { LoadOptions, Progress } from "../options.ts";
import type { PromptDocument } from "../prompt/build.ts";
import { layOutPrompt, type PromptLayout, sameTokens, tokensNeeded } from "../prompt/layout.ts";
import { overflowOf, type PromptUse } from "../prompt/overflow.ts";
import type { PromptProfile } from "../prompt/profiles.ts";
import { truncateDocument } from "../prompt/truncate.ts";
import type { Head, RankDocument } from "../types.ts";
import { defaultThreads } from "../util/threads.ts";

/** Contexts grow in steps, so that calls of similar length share one. */
const CONTEXT_STEP = 1024;

/** A title is cut after no fewer tokens than this: it says what the text is about. */
const SHORTEST_TITLE = 32;

/** Short queries are padded to this many rows, where there is room: flash attention on the CPU is much faster from there on. */
const PADDED_ROWS = 64;

/** What the context holds: the documents of the last call, and what the null query attended to over them. */
type Cached = { documents: Int32Array; null?: { tokens: Int32Array; perHead: boolean; attention: NativeAttention } };

/** Attention of the query's tokens and, where there is a null query, of that one's. Milliseconds of each pass. */
export type Observed = {
  query: NativeAttention;
  null: NativeAttention | null;
  timings: { prefillMs: number; nullMs: number; queryMs: number } & Partial<Processors>;
};

export type CallOptions = {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** What the prompt is for, where it is not what the reader is for. */
  use?: PromptUse | undefined;
};

/** Cells of documents that would otherwise be read, from where they were saved; undefined for none. */
export type Restore = (
  documents: Int32Array,
  signal: AbortSignal | undefined,
) => Promise<AsyncIterable<CellState> | undefined>;

/** Turns documents and a query into a prompt, and a prompt into attention. */
export type Reader = Pick<Session, "truncate" | "layOut" | "observe"> & { readonly layout: "listwise" | "independent" };

/**
 * A model, the heads to look through and the documents that it has read last. Not for two calls at a time.
 *
 * Documents are prefilled once for the null query and the query, and stay for the next query over the same ones. Only a
 * whole match is reused: taking up a part would cut the ubatches elsewhere, and scores would depend on earlier calls in
 * their last digits.
 */
export class Session {
  readonly layout = "listwise";
  readonly #model: LoadedModel;
  readonly #heads: readonly Head[];
  readonly #profile: PromptProfile;
  readonly #options: LoadOptions;
  #context: NativeContext | undefined;
  #cached: Cached | undefined;
  readonly #use: PromptUse;
  #threads = 0;
  restore: Restore | undefined;

  /** @param use What its prompts are for: what an error then advises. */
  constructor(
    model: LoadedModel,
    heads: readonly Head[],
    profile: PromptProfile,
    options: LoadOptions,
    use: PromptUse = "rank",
  ) {
    this.#use = use;
    this.#model = model;
    this.#heads = heads;
    this.#profile = profile;
    this.#options = options;
  }

  /** The tokenized prompt; documents in the order that they are to stand in. */
  layOut(
    documents: readonly PromptDocument[],
    query: string,
    nullQuery: string | null,
    signal?: AbortSignal,
  ): Promise<PromptLayout> {
    const { library, native } = this.#model;
    return layOutPrompt(
      (pieces) => callNative(library.addon, signal, (cancellation) => native.tokenize(pieces, cancellation)),
      this.#profile,
      documents,
      query,
      nullQuery,
    );
  }

  /** A text's tokens; special tokens are not recognised in it. */
  tokenize(text: string, signal?: AbortSignal): Promise<Tokenization> {
    const { library, native } = this.#model;
    return callNative(library.addon, signal, (cancellation) =>
      native.tokenize([{ text, special: false }], cancellation),
    );
  }

  /** Cuts each document's text after `limit` tokens, and so its title. */
  async truncate(documents: readonly RankDocument[], limit: number | undefined, signal?: AbortSignal) {
    if (limit === undefined) return documents.map((document) => ({ ...document, truncated: false }));
    const shortened: (RankDocument & { truncated: boolean })[] = [];
    for (const document of documents) {
      const cut = async (text: string, after: number) =>
        truncateDocument(text, after, (await this.tokenize(text, signal)).offsets);
      const text = await cut(document.text, limit);
      const title = document.title ? await cut(document.title, Math.max(limit, SHORTEST_TITLE)) : undefined;
      shortened.push({
        ...document,
        ...(title && { title: title.text }),
        text: text.text,
        truncated: text.truncated || (title?.truncated ?? false),
      });
    }
    return shortened;
  }

  /** @throws ContextOverflowError when a prompt does not fit, which `observe` would find. */
  assertFits(layout: PromptLayout, use = this.#use): void {
    const trained = this.#model.info.trainContextSize || Number.POSITIVE_INFINITY;
    if (tokensNeeded(layout) > this.limit) throw overflowOf(layout, { held: this.limit, trained }, use);
  }

  /**
   * Lets the null query and the query look at the documents.
   *
   * @param perHead Keep a row per head, which takes `heads × tokens × 4` bytes, twice; false sums the heads meanwhile.
   * @throws ContextOverflowError when the prompt does not fit.
   * @throws QRHeadError `ATTENTION_INVALID` when the attention is none, `CONTEXT_FAILED`.
   */
  async observe(layout: PromptLayout, perHead: boolean, { signal, onProgress, use }: CallOptions): Promise<Observed> {
    const { addon } = this.#model.library;
    const [begin] = layout.querySpan;
    const query = layout.tokens.subarray(begin);
    this.assertFits(layout, use);
    const meter = meterProcessors(this.#model, this.#options, () => this.#threads);
    const context = await this.#contextFor(tokensNeeded(layout), signal);
    const timings = { prefillMs: 0, nullMs: 0, queryMs: 0 };
    const timed = async <T>(name: keyof typeof timings, work: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      const value = await work();
      timings[name] = performance.now() - start;
      return value;
    };
    const look = async (phase: "null" | "query", tokens: Int32Array) => {
      onProgress?.({ phase, done: 0, total: tokens.length });
      const rows = perHead ? "heads" : "sum";
      const [attention] = await timed(`${phase}Ms`, () =>
        callNative(addon, signal, (cancellation) => context.observe([tokens], { rows }, cancellation)),
      );
      onProgress?.({ phase, done: tokens.length, total: tokens.length });
      return attention!;
    };

    const documents = layout.tokens.slice(0, begin);
    const read = () => this.#read(context, documents, { signal, onProgress });
    const cached = this.#holds(documents) ?? (await timed("prefillMs", read));
    let calibration: NativeAttention | null = null;
    if (layout.nullTokens) {
      const known = cached.null;
      const fits = known && known.perHead === perHead && sameTokens(known.tokens, layout.nullTokens);
      calibration = fits ? known.attention : await look("null", layout.nullTokens);
      cached.null = { tokens: layout.nullTokens, perHead, attention: calibration };
    }
    return { query: await look("query", query), null: calibration, timings: { ...timings, ...meter() } };
  }

  /** Reads the documents, so that the next `observe` over them costs the query only. Throws as that does. */
  async prefill(layout: PromptLayout, options: CallOptions): Promise<void> {
    this.assertFits(layout, options.use);
    const context = await this.#contextFor(tokensNeeded(layout), options.signal);
    const documents = layout.tokens.slice(0, layout.querySpan[0]);
    if (!this.#holds(documents)) await this.#read(context, documents, options);
  }

  #holds(documents: Int32Array): Cached | undefined {
    return this.#cached && sameTokens(this.#cached.documents, documents) ? this.#cached : undefined;
  }

  /** Bytes of the KV cache; 0 while there is none. */
  get bytes(): number {
    return (this.#context?.contextSize ?? 0) * bytesPerToken(this.#model.info, this.#options);
  }

  /**
   * A copy of the cells of these documents, which are read first if they have not been. None for models with a sliding
   * window: llama.cpp does not give out the cells behind it.
   */
  async *saveCells(layout: PromptLayout, options: CallOptions): AsyncGenerator<CellState> {
    if (this.#model.info.slidingWindow > 0) return;
    await this.prefill(layout, options);
    yield await callNative(this.#model.library.addon, options.signal, () => this.#context!.saveCells());
  }

  /** Fills the cache with these documents alone. */
  async #read(context: NativeContext, documents: Int32Array, { signal, onProgress }: CallOptions): Promise<Cached> {
    const { addon } = this.#model.library;
    this.#cached = undefined;
    let restored = false;
    for await (const state of (await this.restore?.(documents, signal)) ?? []) {
      if (state.cells !== documents.length || restored) throw otherCells();
      await callNative(addon, signal, () => context.loadCells(state));
      restored = true;
    }
    if (!restored) {
      const { report, finish } = reporter(onProgress, "prefill", documents.length);
      await callNative(addon, signal, (cancellation, guard) => {
        context.rollback(0);
        return context.prefill(documents, cancellation, onProgress && guard(report));
      });
      finish();
    }
    this.#cached = { documents };
    return this.#cached;
  }

  async dispose(): Promise<void> {
    const context = this.#context;
    this.#context = undefined;
    this.#cached = undefined;
    await context?.dispose();
  }

  async forget(): Promise<void> {
    await this.dispose();
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
    const contextSize = Math.min(this.limit, grown);
    const native = contextOptions(options, this.#heads, contextSize);
    this.#context = await callNative(this.#model.library.addon, signal, (cancellation) =>
      this.#model.native.createContext(native, cancellation),
    );
    this.#threads = native.threads;
    return this.#context;
  }
}

/** Cells that the digest vouches for and that are not of these documents: nothing that this version wrote. */
export function otherCells(): InputError {
  return new InputError("CORPUS_INVALID", "The saved cells are not those of the corpus's documents: save it again");
}

/** Threads of the passes, and the processor time that this process used meanwhile, in milliseconds. */
export type Processors = { threads: number; cpuMs: number };

/** Begins to measure; what it returns ends that, and gives nothing where a GPU computes. */
export function meterProcessors(
  { library }: LoadedModel,
  { gpu, gpuLayers }: LoadOptions,
  threads: () => number,
): () => Partial<Processors> {
  const began = process.cpuUsage();
  const isGpu = gpu !== false && gpuLayers !== 0 && hasGpu(library.info);
  return () => {
    const { user, system } = process.cpuUsage(began);
    return isGpu ? {} : { threads: threads(), cpuMs: (user + system) / 1000 };
  };
}

/** What the addon makes a context from. */
export function contextOptions(
  options: LoadOptions,
  heads: readonly Head[],
  contextSize: number,
): NativeContextOptions {
  return {
    contextSize,
    batchSize: options.batchSize ?? 512,
    threads: options.threads ?? defaultThreads(),
    cacheTypeK: options.cacheTypeK ?? "f16",
    cacheTypeV: options.cacheTypeV ?? "f16",
    flashAttention: options.flashAttention ?? true,
    offloadKqv: options.gpu !== false && options.gpuLayers !== 0,
    heads: Int32Array.from(heads.flat()),
    earlyStop: options.earlyStop ?? true,
  };
}
