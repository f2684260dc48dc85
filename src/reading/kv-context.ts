import type { CellState, NativeAttention, NativeContext } from "../native/addon-types.ts";
import { bytesPerToken } from "../native/cache-size.ts";
import { callNative } from "../native/call.ts";
import { type PromptLayout, type Trunk, tokensNeeded } from "../prompt/layout.ts";
import {
  batchSizeOf,
  type CallOptions,
  contextOptions,
  type Engine,
  meterProcessors,
  type Processors,
} from "./engine.ts";
import type { FillOptions, Layout, SavedCells } from "./layout.ts";

/** Contexts are made for whole steps of tokens, so that calls of similar length share one. */
const CONTEXT_STEP = 1024;
/** Short queries are padded to this many rows, where there is room. */
const PADDED_ROWS = 64;
/** A context that is too small for a query over what it holds grows by this factor at least. */
const GROWTH = 1.5;
/** Queries that look at the documents in one pass. */
const MOST_BRANCHES = 31;
/** Null queries that are remembered: one with other weights, or with a row a head, is another. */
const REMEMBERED = 4;

/** Whether heads are kept apart, or summed by their weights (null for 1 everywhere) while they are captured. */
export type Rows = { rows: "heads" } | { rows: "sum"; weights: Float32Array | null };

/** What a query's tokens attend to, averaged over them: a row a head, or one number for each token of the documents. */
export type Seen<How extends Rows = Rows> = How extends { rows: "heads" } ? NativeAttention : Float32Array;

/** Of a query and, where there is one, of the null query. Milliseconds of each pass. */
export type Observed<How extends Rows = Rows> = {
  query: Seen<How>;
  null: Seen<How> | null;
  timings: { prefillMs: number; nullMs: number; queryMs: number } & Partial<Processors>;
};

/** Prompts with one trunk; all are calibrated by the null query of the first. */
export type Prompts = readonly [PromptLayout, ...PromptLayout[]];

/** Tokens that look at the trunk in one pass. */
type Pass = { queries: Int32Array[]; null: Int32Array | null };

/**
 * A KV cache that holds one trunk, and queries that look at it as branches. Not for two calls at a time.
 *
 * The trunk stays for the next call, and with it what null queries attended to.
 */
export class KvContext {
  readonly layout: Layout;
  readonly #engine: Engine;
  #context: NativeContext | undefined;
  #held: Trunk | undefined;
  /** Of the trunk with this key, most recently used last. */
  #nulls = { key: "", seen: new Map<string, Seen>() };
  #threads = 0;

  constructor(engine: Engine, layout: Layout) {
    this.#engine = engine;
    this.layout = layout;
  }

  /** Bytes of the KV cache; 0 while there is none. */
  get bytes(): number {
    const { model, options } = this.#engine;
    return (this.#context?.contextSize ?? 0) * bytesPerToken(model.info, options);
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
    let known = nullQuery && this.#recall(nullQuery, how);
    for (const pass of this.#passes(prompts, known ? null : nullQuery)) {
      const { seen, nullMs, queryMs } = await this.#look(trunk, pass, how, options);
      if (pass.null) known = this.#remember(pass.null, how, seen.pop()!);
      const share = 1 / Math.max(1, pass.queries.length);
      const processors = meter(this.#threads, share);
      for (const query of seen) {
        yield { query, null: known ?? null, timings: { prefillMs, nullMs, queryMs: queryMs * share, ...processors } };
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

  /** What the null query attends to, which is asked if it is not known. */
  async calibrate<How extends Rows>(prompt: PromptLayout, how: How, options: CallOptions): Promise<Seen<How>> {
    const tokens = prompt.nullQuery!;
    await this.hold([prompt], options);
    const known = this.#recall(tokens, how);
    if (known) return known;
    const { seen } = await this.#look(prompt.trunk, { queries: [], null: tokens }, how, options);
    return this.#remember(tokens, how, seen[0]!);
  }

  /** Takes over what a null query attended to when the trunk that it holds was held before. */
  remember(nullQuery: Int32Array, how: Rows, seen: Seen): void {
    this.#remember(nullQuery, how, seen);
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
    const cells = isHeld ? await this.layout.copy(this.#context!, options.signal) : undefined;
    await this.#makeRoom(needed, isHeld, options.signal);
    if (!cells) await this.#fill(trunk, { ...options, saved });
    else {
      await callNative(this.#engine.model.library.addon, options.signal, () => this.#context!.loadCells(cells));
      this.#held = trunk;
    }
    return isHeld ? 0 : performance.now() - began;
  }

  /**
   * Makes the cache hold a trunk, and writes the cells that it then has: those of independent documents as they are put into
   * it, also where it held them, so that it goes on with what was written.
   */
  async save(
    prompt: PromptLayout,
    options: CallOptions,
    saved: SavedCells | undefined,
    write: (state: CellState) => Promise<void>,
  ): Promise<void> {
    if (this.layout.name === "independent") {
      const overflow = this.layout.overflow(prompt);
      if (overflow) throw overflow;
      await this.#makeRoom(this.#needed([prompt]), false, options.signal);
      return this.#fill(prompt.trunk, { ...options, saved, write });
    }
    await this.hold([prompt], options, saved);
    const cells = await this.layout.copy(this.#context!, options.signal);
    if (cells) await write(cells);
  }

  /** Frees the cache. What null queries attended to stays known. */
  async dispose(): Promise<void> {
    const context = this.#context;
    this.#context = undefined;
    this.#held = undefined;
    await context?.dispose();
  }

  async #fill(trunk: Trunk, options: FillOptions): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    await this.layout.fill(this.#context!, trunk, { ...options, held });
    this.#held = trunk;
    if (this.#nulls.key !== trunk.key) this.#nulls = { key: trunk.key, seen: new Map() };
  }

  /** Tokens that a context must hold for these prompts: as many queries as make a pass, where there is room. */
  #needed(prompts: Prompts): number {
    const lengths = prompts.map(({ query, nullQuery }) => query.length + (nullQuery?.length ?? 0));
    const longest = prompts.reduce((most, prompt) => Math.max(most, tokensNeeded(prompt)), 0);
    const all = lengths.reduce((sum, length) => sum + length, prompts[0].trunk.tokens.length);
    const pass = prompts[0].trunk.tokens.length + Math.max(batchSizeOf(this.#engine.options), PADDED_ROWS);
    return Math.min(this.layout.limit, Math.max(longest, Math.min(all, pass)));
  }

  /** A context of this size in place of the one there is, unless that is as large. */
  async #makeRoom(needed: number, grow: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { model, heads, options } = this.#engine;
    const size = this.#context?.contextSize ?? 0;
    if (size >= needed) return;
    await this.dispose();
    const steps = Math.max((needed + PADDED_ROWS) / CONTEXT_STEP, grow ? (GROWTH * size) / CONTEXT_STEP : 0);
    const native = {
      ...contextOptions(options, heads.heads, Math.min(this.layout.limit, Math.ceil(steps) * CONTEXT_STEP)),
      sequences: MOST_BRANCHES + 1,
    };
    this.#context = await callNative(model.library.addon, signal, (cancellation) =>
      model.native.createContext(native, cancellation),
    );
    this.#threads = native.threads;
  }

  /** Queries with the null query, where that is to be asked, in as few passes as hold them. */
  #passes(prompts: Prompts, nullQuery: Int32Array | null): Pass[] {
    const room = Math.min(
      batchSizeOf(this.#engine.options),
      this.#context!.contextSize - prompts[0].trunk.tokens.length,
    );
    const passes: Pass[] = nullQuery ? [{ queries: [], null: nullQuery }] : [];
    let rows = nullQuery?.length ?? Number.POSITIVE_INFINITY;
    for (const { query } of prompts) {
      const last = passes.at(-1);
      if (last && rows + query.length <= room && last.queries.length < MOST_BRANCHES) last.queries.push(query);
      else {
        passes.push({ queries: [query], null: null });
        rows = 0;
      }
      rows += query.length;
    }
    return passes;
  }

  /** One pass. The query comes first, so that what it attends to does not depend on the null query being there. */
  async #look<How extends Rows>(trunk: Trunk, pass: Pass, how: How, { signal, onProgress }: CallOptions) {
    const queryRows = pass.queries.reduce((sum, { length }) => sum + length, 0);
    const nullRows = pass.null?.length ?? 0;
    const report = (share: 0 | 1) => {
      if (nullRows > 0) onProgress?.({ phase: "null", done: share * nullRows, total: nullRows });
      if (queryRows > 0) onProgress?.({ phase: "query", done: share * queryRows, total: queryRows });
    };
    report(0);
    const began = performance.now();
    const branches = pass.null ? [...pass.queries, pass.null] : pass.queries;
    const seen = await this.#observe(branches, trunk.tokens.length, how, signal);
    const rowMs = (performance.now() - began) / (queryRows + nullRows);
    report(1);
    return { seen, nullMs: rowMs * nullRows, queryMs: rowMs * queryRows };
  }

  async #observe<How extends Rows>(
    branches: Int32Array[],
    end: number,
    how: How,
    signal: AbortSignal | undefined,
  ): Promise<Seen<How>[]> {
    const context = this.#context!;
    const attention = await callNative(this.#engine.model.library.addon, signal, (cancellation) =>
      context.observe(branches, how, cancellation),
    );
    return attention.map((one) => (how.rows === "heads" ? one : one.row(0).subarray(0, end))) as Seen<How>[];
  }

  #recall<How extends Rows>(nullQuery: Int32Array, how: How): Seen<How> | undefined {
    return this.#nulls.seen.get(nameOf(nullQuery, how)) as Seen<How> | undefined;
  }

  #remember<How extends Rows>(nullQuery: Int32Array, how: How, seen: Seen<How>): Seen<How> {
    const name = nameOf(nullQuery, how);
    const known = this.#nulls.seen;
    known.delete(name);
    known.set(name, seen);
    for (const oldest of known.keys()) if (known.size > REMEMBERED) known.delete(oldest);
    return seen;
  }
}

function nameOf(nullQuery: Int32Array, how: Rows): string {
  return `${how.rows} ${how.rows === "sum" ? how.weights?.join() : ""} ${nullQuery.join()}`;
}
