import { InputError } from "../errors.ts";
import type { CellState, NativeContext } from "../native/addon-types.ts";
import { callNative, reporter } from "../native/call.ts";
import type { LoneDocument } from "../prompt/independent.ts";
import { sameTokens } from "../prompt/layout.ts";
import { batchSizeOf, type CallOptions, canStandAlone, contextOptions, type Engine } from "./engine.ts";
import type { Evictable, Pool } from "./pool.ts";

/** Documents that are read at a time, in sequences of their own. */
const PARALLEL = 32;
/** Rows that a short pass is filled up to. */
const TILE = 64;
/** Cells are kept after this many tokens, so that an aborted call does not lose them. */
const PORTION = 4096;

/**
 * Cells of documents that were read by themselves, in memory, those used last within the bounds of a pool.
 *
 * They are read in a small context of their own, whose attention never looks beyond the documents of one forward pass:
 * reading takes time linear in their number.
 */
export class DocumentStore {
  readonly #engine: Engine;
  readonly #pool: Pool;
  readonly #kept = new Map<string, Evictable & { state: CellState }>();
  #reader: NativeContext | undefined;
  #prefix: Int32Array | undefined;

  constructor(engine: Engine, pool: Pool) {
    this.#engine = engine;
    this.#pool = pool;
  }

  /** Whether it has the cells of all of these. */
  has(keys: Iterable<string>): boolean {
    return [...keys].every((key) => this.#kept.has(key));
  }

  /**
   * The cells of documents behind one prefix, one after another in the order given; those that it does not have are read a
   * portion at a time, so that no more than a portion need be held at once.
   *
   * @param keep Whether what is read is kept for the next call.
   * @throws InputError `INVALID_INPUT` for a document as long as the model's sliding window or longer.
   */
  async *read(
    documents: ReadonlyMap<string, LoneDocument>,
    options: CallOptions,
    keep = true,
  ): AsyncGenerator<CellState> {
    this.#assertWithinWindow([...documents.values()]);
    // One context for all of them, including those that are evicted meanwhile.
    let longest = 0;
    for (const { tokens } of documents.values()) longest = Math.max(longest, tokens.length);
    const missing = [...documents].filter(([key]) => !this.#kept.has(key));
    const total = missing.reduce((sum, [, { tokens }]) => sum + tokens.length, 0);
    const progress = reporter(options.onProgress, "prefill", total);
    let done = 0;
    for (const portion of this.#portionsOf(documents)) {
      const absent = portion.filter(([key]) => !this.#kept.has(key));
      const found = new Map(portion.map(([key]) => [key, this.#kept.get(key)?.state]));
      if (absent.length > 0) {
        const report = (now: number) => progress.report(Math.min(done + now, total));
        const states = await this.#readPortion(
          absent.map(([, document]) => document),
          longest,
          options,
          report,
        );
        for (const [index, [key, { tokens }]] of absent.entries()) {
          found.set(key, states[index]!);
          done += tokens.length;
        }
      }
      for (const [key, state] of found) if (keep || this.#kept.has(key)) await this.#keep(key, state!);
      for (const [key, state] of found) {
        found.delete(key);
        yield state!;
      }
    }
    if (total > 0) progress.finish();
  }

  /** Lets go of the cells of documents that nobody will ask for. */
  forget(keys: Iterable<string>): void {
    for (const key of keys) {
      const kept = this.#kept.get(key);
      if (!kept) continue;
      this.#kept.delete(key);
      this.#pool.remove(kept);
    }
  }

  async dispose(): Promise<void> {
    this.forget([...this.#kept.keys()]);
    const reader = this.#reader;
    this.#reader = undefined;
    this.#prefix = undefined;
    await reader?.dispose();
  }

  async #keep(key: string, state: CellState): Promise<void> {
    let kept = this.#kept.get(key);
    if (kept?.state !== state) {
      this.forget([key]);
      kept = { state, bytes: state.bytes, evict: () => void this.#kept.delete(key) };
      this.#kept.set(key, kept);
    }
    await this.#pool.use(kept);
    // A document larger than the bound is used once and not kept.
    if (this.#pool.bytes > this.#pool.limit) this.forget([key]);
  }

  /** Portions of the documents, each with about as many missing tokens as one reading takes. */
  *#portionsOf(documents: ReadonlyMap<string, LoneDocument>): Generator<[string, LoneDocument][]> {
    let portion: [string, LoneDocument][] = [];
    let tokens = 0;
    for (const entry of documents) {
      portion.push(entry);
      if (!this.#kept.has(entry[0])) tokens += entry[1].tokens.length;
      if (tokens < PORTION) continue;
      yield portion;
      portion = [];
      tokens = 0;
    }
    if (portion.length > 0) yield portion;
  }

  async #readPortion(
    documents: readonly LoneDocument[],
    longest: number,
    { signal, onProgress }: CallOptions,
    report: (done: number) => void,
  ): Promise<CellState[]> {
    const reader = await this.#readerFor(documents[0]!.prefix, longest, signal);
    return callNative(this.#engine.model.library.addon, signal, (cancellation, guard) =>
      reader.readDocuments(
        documents.map(({ tokens }) => tokens),
        { keep: false, copy: true },
        cancellation,
        onProgress && guard(report),
      ),
    );
  }

  /** A context that holds the prefix and has room for the longest document. */
  async #readerFor(prefix: Int32Array, longest: number, signal: AbortSignal | undefined): Promise<NativeContext> {
    const { addon } = this.#engine.model.library;
    const needed = prefix.length + Math.max(longest, batchSizeOf(this.#engine.options)) + TILE;
    if (!this.#reader || this.#reader.contextSize < needed) {
      const small = this.#reader;
      this.#reader = undefined;
      this.#prefix = undefined;
      await small?.dispose();
      this.#reader = await callNative(addon, signal, (cancellation) =>
        this.#engine.model.native.createContext(
          {
            ...contextOptions(this.#engine.options, this.#engine.heads.heads, needed),
            sequences: PARALLEL + 1,
          },
          cancellation,
        ),
      );
    }
    const reader = this.#reader;
    if (!this.#prefix || !sameTokens(this.#prefix, prefix)) {
      this.#prefix = undefined;
      await callNative(addon, signal, (cancellation) => {
        reader.rollback(0);
        return reader.prefill(prefix, cancellation);
      });
      this.#prefix = prefix;
    }
    return reader;
  }

  #assertWithinWindow(documents: readonly LoneDocument[]): void {
    if (documents.every(({ tokens }) => canStandAlone(this.#engine, tokens.length))) return;
    const { slidingWindow, architecture } = this.#engine.model.info;
    throw new InputError(
      "INVALID_INPUT",
      `Independent documents of ${architecture}, which has a sliding window, may have ${slidingWindow - 1} tokens`,
      { advice: 'cut them with maxDocumentTokens, or use layout: "listwise"' },
    );
  }
}
