import type { LoadedModel } from "../model/model.ts";
import type { CellState, NativeAttention, NativeContext } from "../native/addon-types.ts";
import { bytesPerToken } from "../native/cache-size.ts";
import { callNative } from "../native/call.ts";
import type { LoadOptions } from "../options.ts";
import type { PromptDocument, PromptPiece } from "../prompt/build.ts";
import {
  type IndependentLayout,
  joinIndependent,
  type LoneDocument,
  layOutLoneDocument,
} from "../prompt/independent.ts";
import { type PromptLayout, sameTokens, tokensNeeded } from "../prompt/layout.ts";
import { overflowOf } from "../prompt/overflow.ts";
import type { PromptProfile } from "../prompt/profiles.ts";
import type { Head } from "../types.ts";
import type { CorpusReader } from "./corpus/corpus.ts";
import { type DocumentStore, documentKey } from "./document-store.ts";
import {
  type CallOptions,
  contextOptions,
  meterProcessors,
  type Observed,
  otherCells,
  type Restore,
} from "./session.ts";

/** Contexts grow in steps, so that calls of similar length share one. */
const CONTEXT_STEP = 1024;
/** Room for a short query's padding. */
const PADDED_ROWS = 64;

/** Bytes of laid-out documents that are remembered: their tokens do not depend on the query. */
const MAX_LAID_OUT_BYTES = 64 * 2 ** 20;

/** What the context holds: documents by their keys, in their order, and what the null query attended to over them. */
type Resident = { keys: string[]; null?: { tokens: Int32Array; perHead: boolean; attention: NativeAttention } };

/**
 * Reads documents independently: each behind the same prefix in a sequence of its own, then a query that attends to all.
 *
 * Every document is numbered 1 and begins at the same position, so that its K and V depend on nothing but itself and
 * documents can be combined freely. They lie in the cache in the order of their hashes: what order a call gives them in
 * changes nothing. The query begins behind the longest. With one document this is the listwise prompt.
 */
export class IndependentSession implements CorpusReader {
  readonly layout = "independent";
  readonly #model: LoadedModel;
  readonly #heads: readonly Head[];
  readonly #profile: PromptProfile;
  readonly #options: LoadOptions;
  readonly #store: DocumentStore;
  /** Least recently used first. */
  readonly #laidOut = new Map<string, LoneDocument>();
  #laidOutBytes = 0;
  readonly truncate: CorpusReader["truncate"];
  restore: Restore | undefined;
  /** Cells that have been put into the context. */
  readonly #put = new WeakSet<CellState>();
  #context: NativeContext | undefined;
  #threads = 0;
  #resident: Resident | undefined;
  /** Of the documents that were read last, whether the cache still holds them or not. */
  #keys: string[] = [];

  constructor({ model, heads, profile, options }: Parts, store: DocumentStore, truncate: CorpusReader["truncate"]) {
    this.#model = model;
    this.#heads = heads;
    this.#profile = profile;
    this.#options = options;
    this.#store = store;
    this.truncate = truncate;
  }

  /** Bytes of the KV cache and of the documents' tokens; 0 while there are none. */
  get bytes(): number {
    return (this.#context?.contextSize ?? 0) * bytesPerToken(this.#model.info, this.#options) + this.#laidOutBytes;
  }

  async layOut(
    documents: readonly PromptDocument[],
    query: string,
    nullQuery: string | null,
    signal?: AbortSignal,
  ): Promise<IndependentLayout> {
    const { library, native } = this.#model;
    const tokenize = (pieces: PromptPiece[]) =>
      callNative(library.addon, signal, (cancellation) => native.tokenize(pieces, cancellation));
    const lone: { document: LoneDocument; key: string; source: PromptDocument }[] = [];
    for (const source of documents) {
      const document = await this.#layOutLone(tokenize, source);
      lone.push({ document, key: documentKey(document), source });
    }
    // In the cache documents stand by their keys; spans are handed back in the order given.
    const order = lone.map((_, index) => index).sort((a, b) => compare(lone[a]!.key, lone[b]!.key) || a - b);
    const joined = await joinIndependent(
      tokenize,
      this.#profile,
      order.map((index) => lone[index]!.document),
      lone[order[0]!]!.source,
      query,
      nullQuery,
    );
    const place = new Map(order.map((index, position) => [index, position]));
    const given = <T>(spans: readonly T[]): T[] => lone.map((_, index) => spans[place.get(index)!]!);
    return {
      ...joined,
      sources: documents,
      documentSpans: given(joined.documentSpans),
      prompt: { ...joined.prompt, documentSpans: given(joined.prompt.documentSpans) },
    };
  }

  async observe(layout: PromptLayout, perHead: boolean, { signal, onProgress }: CallOptions): Promise<Observed> {
    const { addon } = this.#model.library;
    const timings = { prefillMs: 0, nullMs: 0, queryMs: 0 };
    const [begin] = layout.querySpan;
    const meter = meterProcessors(this.#model, this.#options, () => this.#threads);
    const start = performance.now();
    const wasResident = this.#holds(layout as IndependentLayout);
    const resident = await this.#read(layout as IndependentLayout, { signal, onProgress });
    if (!wasResident) timings.prefillMs = performance.now() - start;
    const context = this.#context!;
    const look = async (phase: "null" | "query", tokens: Int32Array) => {
      const began = performance.now();
      onProgress?.({ phase, done: 0, total: tokens.length });
      const rows = perHead ? "heads" : "sum";
      const [attention] = await callNative(addon, signal, (cancellation) =>
        context.observe([tokens], { rows }, cancellation),
      );
      timings[`${phase}Ms`] = performance.now() - began;
      onProgress?.({ phase, done: tokens.length, total: tokens.length });
      return attention!;
    };
    let calibration: NativeAttention | null = null;
    if (layout.nullTokens) {
      const known = resident.null;
      const fits = known && known.perHead === perHead && sameTokens(known.tokens, layout.nullTokens);
      calibration = fits ? known.attention : await look("null", layout.nullTokens);
      resident.null = { tokens: layout.nullTokens, perHead, attention: calibration };
    }
    return {
      query: await look("query", layout.tokens.subarray(begin)),
      null: calibration,
      timings: { ...timings, ...meter() },
    };
  }

  async prefill(layout: PromptLayout, options: CallOptions): Promise<void> {
    await this.#read(layout as IndependentLayout, options);
  }

  /**
   * The cells of each different document, in the order of their keys: from where they were saved, else from memory, else
   * read. Where the context does not hold the documents, what is read is handed over and not kept.
   */
  async *saveCells(layout: PromptLayout, options: CallOptions): AsyncGenerator<CellState> {
    const holds = this.#holds(layout as IndependentLayout);
    const restored = await this.restore?.(layout.tokens.slice(0, layout.querySpan[0]), options.signal);
    if (restored) {
      yield* restored;
      return;
    }
    for await (const state of this.#store.read(differentOf(layout as IndependentLayout), options, holds)) {
      // Read again since: the last digits may differ, and those that are saved are the ones to go on with.
      if (!this.#put.has(state)) this.#resident = undefined;
      yield state;
    }
  }

  async dispose(): Promise<void> {
    this.#laidOut.clear();
    this.#laidOutBytes = 0;
    await this.#disposeContext();
  }

  /** Also lets go of what memory holds of the documents read last. */
  async forget(): Promise<void> {
    this.#store.forget(this.#keys);
    this.#keys = [];
    await this.dispose();
  }

  async #disposeContext(): Promise<void> {
    const context = this.#context;
    this.#context = undefined;
    this.#resident = undefined;
    await context?.dispose();
  }

  async #layOutLone(
    tokenize: (pieces: PromptPiece[]) => Promise<{ tokens: Int32Array; offsets: Uint32Array }>,
    source: PromptDocument,
  ) {
    const name = JSON.stringify([source.title ?? null, source.text]);
    const known = this.#laidOut.get(name);
    const document = known ?? (await layOutLoneDocument(tokenize, this.#profile, source));
    if (known) this.#laidOut.delete(name);
    else this.#laidOutBytes += bytesOf(name, document);
    this.#laidOut.set(name, document);
    for (const [oldest, unused] of this.#laidOut) {
      if (this.#laidOutBytes <= MAX_LAID_OUT_BYTES) break;
      this.#laidOut.delete(oldest);
      this.#laidOutBytes -= bytesOf(oldest, unused);
    }
    return document;
  }

  #holds({ documents }: IndependentLayout): boolean {
    const keys = this.#resident?.keys;
    return keys?.length === documents.length && documents.every((document, i) => documentKey(document) === keys[i]);
  }

  /** Makes the cache hold these documents and nothing else. */
  async #read(layout: IndependentLayout, options: CallOptions): Promise<Resident> {
    const { documents } = layout;
    this.#assertFits(layout);
    const context = await this.#contextFor(tokensNeeded(layout), options.signal);
    if (this.#resident && this.#holds(layout)) return this.#resident;
    this.#resident = undefined;
    const keys = documents.map(documentKey);
    this.#keys = keys;
    await this.#fill(context, layout, options);
    this.#resident = { keys };
    return this.#resident;
  }

  /** Positions are bounded by what the model was trained for, cells by the context size that was asked for. */
  #assertFits(layout: IndependentLayout): void {
    const trained = this.#model.info.trainContextSize || Number.POSITIVE_INFINITY;
    const longest = layout.documents.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
    const cells = tokensNeeded(layout);
    const positions = layout.prefix.length + longest + cells - layout.querySpan[0];
    if (positions > trained) throw overflowOf(layout, { held: trained, trained }, "independent");
    const { contextSize: held } = this.#options;
    if (held !== undefined && cells > held) {
      throw overflowOf(layout, { held, trained: Number.POSITIVE_INFINITY }, "independent");
    }
  }

  /** Cells go into the cache as they come: beyond those that memory keeps anyway, they are not held twice. */
  async #fill(context: NativeContext, layout: IndependentLayout, options: CallOptions): Promise<void> {
    const { addon } = this.#model.library;
    const { signal } = options;
    await callNative(addon, signal, (cancellation) => {
      context.rollback(0);
      return context.prefill(layout.prefix, cancellation);
    });
    const different = differentOf(layout);
    const copies = new Map<string, number>();
    for (const key of layout.documents.map(documentKey)) copies.set(key, (copies.get(key) ?? 0) + 1);
    const saved = await this.restore?.(layout.tokens.slice(0, layout.querySpan[0]), signal);
    const waiting = [...different];
    for await (const state of saved ?? this.#store.read(different, options)) {
      const [key, { tokens }] = waiting.shift() ?? ["", { tokens: [] }];
      if (state.cells !== tokens.length) throw otherCells();
      await callNative(addon, signal, () => context.putDocuments(Array(copies.get(key)).fill(state)));
      this.#put.add(state);
    }
    if (waiting.length > 0) throw otherCells();
  }

  async #contextFor(cells: number, signal: AbortSignal | undefined): Promise<NativeContext> {
    if (this.#context && this.#context.contextSize >= cells) return this.#context;
    await this.#disposeContext();
    const { contextSize: limit = Number.POSITIVE_INFINITY } = this.#options;
    const grown = Math.ceil((cells + PADDED_ROWS) / CONTEXT_STEP) * CONTEXT_STEP;
    const native = { ...contextOptions(this.#options, this.#heads, Math.min(limit, grown)), sequences: 2 };
    this.#context = await callNative(this.#model.library.addon, signal, (cancellation) =>
      this.#model.native.createContext(native, cancellation),
    );
    this.#threads = native.threads;
    return this.#context;
  }
}

/** By their keys, in the order of these. */
function differentOf({ documents }: IndependentLayout): Map<string, LoneDocument> {
  return new Map(documents.map((document) => [documentKey(document), document]));
}

type Parts = { model: LoadedModel; heads: readonly Head[]; profile: PromptProfile; options: LoadOptions };

/** About what a laid-out document takes: two bytes a character of its name, and its tokens with their places. */
function bytesOf(name: string, document: LoneDocument): number {
  const arrays = Object.values(document).filter((value) => ArrayBuffer.isView(value));
  return arrays.reduce((sum, array) => sum + array.byteLength, 2 * name.length);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
