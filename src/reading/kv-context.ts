import type { Cancellation, CellState, NativeContext } from "../native/addon-types.ts";
import { bytesPerToken } from "../native/cache-size.ts";
import { callNative } from "../native/call.ts";
import { type PromptLayout, type Trunk, tokensNeeded } from "../prompt/layout.ts";
import {
  batchSizeOf,
  type CallOptions,
  contextOptions,
  type Engine,
  givesCells,
  meterProcessors,
  type Processors,
} from "./engine.ts";
import type { Kept } from "./kept.ts";
import type { FillOptions, Layout, SavedCells } from "./layout.ts";
import { QueryPasses, type Rows, type Seen } from "./query-passes.ts";

/** Contexts are made for whole steps of tokens, so that calls of similar length share one. */
const CONTEXT_STEP = 1024;
/** Short queries are padded to this many rows, where there is room. */
const PADDED_ROWS = 64;
/** A context that is too small for a query over what it holds grows by this factor at least. */
const GROWTH = 1.5;
/** Queries that look at the documents in one pass, the null query among them. */
const MOST_BRANCHES = 16;

/** Of a query and, where there is one, of the null query. Of a pass that they share each has its share of milliseconds. */
export type Observed<How extends Rows = Rows> = {
  query: Seen<How>;
  null: Seen<How> | null;
  timings: { prefillMs: number; nullMs: number; queryMs: number } & Partial<Processors>;
};

/** Prompts with one trunk; all are calibrated by the null query of the first. */
export type Prompts = readonly [PromptLayout, ...PromptLayout[]];

/**
 * A KV cache that holds one trunk, and queries that look at it as branches. Not for two calls at a time.
 *
 * The trunk stays for the next call, as does what queries keep for the next one: see `QueryPasses`.
 */
export class KvContext {
  readonly layout: Layout;
  readonly #engine: Engine;
  readonly #passes: QueryPasses;
  #context: NativeContext | undefined;
  #held: Trunk | undefined;
  #threads = 0;

  constructor(engine: Engine, layout: Layout) {
    this.#engine = engine;
    this.#passes = new QueryPasses(engine);
    this.layout = layout;
  }

  /** Bytes of the KV cache and of attention that is kept beside it; 0 while there is none. */
  get bytes(): number {
    const { model, options } = this.#engine;
    return (this.#context?.contextSize ?? 0) * bytesPerToken(model.info, options) + this.#passes.bytes;
  }

  /**
   * Lets queries look at their trunk, as many in a pass as fit, and hands over what each attends to, in their order.
   *
   * @throws ContextOverflowError when a prompt does not fit.
   * @throws QRHeadError `ATTENTION_INVALID` when the attention is none, `CONTEXT_FAILED`.
   */
  async *observe<How extends Rows>(
    prompts: Prompts,
    how: How,
    options: CallOptions,
    saved?: SavedCells,
  ): AsyncGenerator<Observed<How>> {
    let meter = meterProcessors(this.#engine);
    let prefillMs = await this.hold(prompts, options, saved);
    const [{ trunk, nullQuery }] = prompts;
    const most = MOST_BRANCHES - (nullQuery ? 1 : 0);
    for (let begin = 0; begin < prompts.length; begin += most) {
      const some = prompts.slice(begin, begin + most);
      const looked = await this.#passes.look(this.#context!, trunk, some, how, options);
      const processors = meter(this.#threads, 1 / some.length);
      for (const { query, null: baseline, nullMs, queryMs } of looked) {
        yield { query, null: baseline, timings: { prefillMs, nullMs, queryMs, ...processors } };
        prefillMs = 0;
      }
      meter = meterProcessors(this.#engine);
    }
  }

  /** `observe` for one query. */
  async observeOne<How extends Rows>(prompt: PromptLayout, how: How, options: CallOptions): Promise<Observed<How>> {
    for await (const observed of this.observe([prompt], how, options)) return observed;
    throw new Error("A query without attention");
  }

  /**
   * Makes the cache hold a trunk, with room for queries. A trunk that it holds moves where these need more room.
   *
   * @returns Milliseconds of reading; 0 where the documents were in the cache. Throws as `observe`.
   */
  async hold(prompts: Prompts, options: CallOptions, saved?: SavedCells): Promise<number> {
    const [{ trunk }] = prompts;
    for (const prompt of prompts) {
      const overflow = this.layout.overflow(prompt, options.use);
      if (overflow) throw overflow;
    }
    const isHeld = this.#held?.key === trunk.key;
    const needed = this.#needed(prompts);
    const size = this.#context?.contextSize ?? 0;
    if (isHeld && size >= needed) return 0;
    const began = performance.now();
    const kept = isHeld ? await this.#passes.copy(this.#context!, trunk, options.signal) : undefined;
    const cells = isHeld ? await this.#copy(options.signal) : undefined;
    await this.#makeRoom(needed, isHeld, options.signal);
    if (!cells) await this.#fill(trunk, { ...options, saved });
    else {
      await this.#native(options.signal, () => this.#context!.loadCells(cells));
      this.#held = trunk;
      this.#passes.restore(kept);
    }
    return isHeld ? 0 : performance.now() - began;
  }

  /**
   * Makes the cache hold a trunk, and writes the cells that it then has: those of independent documents as they are put into
   * it, also where it held them, so that it goes on with what was written.
   *
   * @param prompt The null query after the trunk.
   * @returns What queries can go on from, that are calibrated by it and seen as `how` says.
   */
  async save(
    prompt: PromptLayout & { nullQuery: Int32Array },
    how: Rows,
    options: CallOptions,
    saved: SavedCells | undefined,
    write: (state: CellState) => Promise<void>,
  ): Promise<Kept | undefined> {
    if (this.layout.name === "independent") {
      const overflow = this.layout.overflow(prompt, "corpus");
      if (overflow) throw overflow;
      await this.#makeRoom(this.#needed([prompt]), false, options.signal);
      await this.#fill(prompt.trunk, { ...options, saved, write });
    } else {
      await this.hold([prompt], { ...options, use: "corpus" }, saved);
      const cells = await this.#copy(options.signal);
      if (cells) await write(cells);
    }
    return this.#passes.prepare(this.#context!, prompt, how, options.signal);
  }

  /** Frees the cache. */
  async dispose(): Promise<void> {
    const context = this.#context;
    this.#context = undefined;
    this.#held = undefined;
    this.#passes.forget();
    await context?.dispose();
  }

  /** A copy of all cells; undefined where llama.cpp gives none. */
  async #copy(signal: AbortSignal | undefined): Promise<CellState | undefined> {
    if (!givesCells(this.#engine)) return undefined;
    await this.#passes.close(this.#context!, this.#held!, signal);
    return this.#native(signal, () => this.#context!.saveCells());
  }

  #native<T>(signal: AbortSignal | undefined, work: (cancellation: Cancellation) => Promise<T>): Promise<T> {
    return callNative(this.#engine.model.library.addon, signal, work);
  }

  async #fill(trunk: Trunk, options: FillOptions): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    this.#passes.forget();
    await this.layout.fill(this.#context!, trunk, { ...options, held });
    this.#held = trunk;
    this.#passes.restore(options.saved?.takeKept(trunk));
  }

  /** Tokens that a context must hold for these prompts: as many queries as make a pass, where there is room, and a tile. */
  #needed(prompts: Prompts): number {
    const lengths = prompts.map(({ query, nullQuery }) => query.length + (nullQuery?.length ?? 0));
    const longest = prompts.reduce((most, prompt) => Math.max(most, tokensNeeded(prompt)), 0);
    const all = lengths.reduce((sum, length) => sum + length, prompts[0].trunk.tokens.length);
    const pass = prompts[0].trunk.tokens.length + Math.max(batchSizeOf(this.#engine.options), PADDED_ROWS);
    return Math.min(this.layout.limit, Math.max(longest, Math.min(all, pass)) + PADDED_ROWS);
  }

  /** A context of this size in place of the one there is, unless that is as large. */
  async #makeRoom(needed: number, grow: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { model, heads, options } = this.#engine;
    const size = this.#context?.contextSize ?? 0;
    if (size >= needed) return;
    await this.dispose();
    const steps = Math.max(needed / CONTEXT_STEP, grow ? (GROWTH * size) / CONTEXT_STEP : 0);
    const native = {
      ...contextOptions(options, heads.heads, Math.min(this.layout.limit, Math.ceil(steps) * CONTEXT_STEP)),
      sequences: MOST_BRANCHES,
    };
    this.#context = await this.#native(signal, (cancellation) => model.native.createContext(native, cancellation));
    this.#threads = native.threads;
  }
}
