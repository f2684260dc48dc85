import type { NativeAttention, NativeContext } from "../native/addon-types.ts";
import { callNative } from "../native/call.ts";
import { behindOpening, type PromptLayout, sameTokens, type Trunk, tokensDigest } from "../prompt/layout.ts";
import { type CallOptions, type Engine, givesCells } from "./engine.ts";
import { type Kept, nameOfOpening } from "./kept.ts";
import { otherCells } from "./layout.ts";

/** Whether heads are kept apart, or summed by their weights (null for 1 everywhere) while they are captured. */
export type Rows = { rows: "heads" } | { rows: "sum"; weights: Float32Array | null };

/** What a query's tokens attend to, averaged over them: a row a head, or one number for each token of the documents. */
export type Seen<How extends Rows = Rows> = How extends { rows: "heads" } ? NativeAttention : Float32Array;

/** Of a query and, where there is one, of the null query. Milliseconds of passes are shared among their queries. */
export type Looked<How extends Rows = Rows> = {
  query: Seen<How>;
  null: Seen<How> | null;
  nullMs: number;
  queryMs: number;
};

/**
 * How a query goes through the model. `behind`: the tokens that all queries begin with stay in the cache, and the null query's
 * attention in memory, so that a further query costs its own tokens. `tiles` and `rows`: the whole query beside the null query,
 * each time. A tile costs the same for few rows as for many; `rows` is for queries that change the tokens that they begin with.
 */
type Way = "behind" | "tiles" | "rows";

/** Queries that go one way. */
type Pass<How extends Rows> = {
  context: NativeContext;
  trunk: Trunk;
  queries: readonly Int32Array[];
  nullQuery: Int32Array | null;
  how: How;
  signal: AbortSignal | undefined;
  onNull: () => void;
};

/**
 * The forward passes in which queries look at a trunk, and what stays of them for the next query. Which way a query goes
 * depends on documents, query and null query alone, whatever was asked before, and so does its score, to the last bit.
 */
export class QueryPasses {
  readonly #engine: Engine;
  /** The rows that all that is kept was read with. */
  #how = "";
  #isOpen = false;
  #baseline: { name: string; seen: Seen } | undefined;
  /** Tokens of the trunk that it is kept for. */
  #cells = 0;
  /** Of an earlier context: what the next query may go on from. */
  #kept: Kept | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Bytes of the attention that is kept. */
  get bytes(): number {
    const rows = this.#how === "heads" ? this.#engine.heads.heads.length : 1;
    const { cells, sums } = this.#kept?.opening ?? {};
    const waiting = (cells?.bytes ?? 0) + 2 * (sums?.byteLength ?? 0);
    return waiting + 4 * rows * this.#cells * (Number(this.#isOpen) + Number(this.#baseline !== undefined));
  }

  /** Forgets what is kept, because the cache gets other content. */
  forget(): void {
    this.#isOpen = false;
    this.#baseline = undefined;
    this.#kept = undefined;
  }

  /** Continues from a copy out of a context that held the same trunk. */
  restore(kept: Kept | undefined): void {
    this.#kept = kept;
  }

  /** A copy of what is kept, where there is something and llama.cpp gives it out. */
  async copy(context: NativeContext, trunk: Trunk, signal: AbortSignal | undefined): Promise<Kept | undefined> {
    if (!this.#isOpen || !givesCells(this.#engine)) return this.#kept;
    const opening = await callNative(this.#engine.model.library.addon, signal, () => context.saveOpening());
    const { name, seen } = this.#baseline ?? {};
    const baseline = seen && { name: tokensDigest([Int32Array.from(name!.split(","), Number)]), seen };
    return { name: this.#nameOf(trunk), opening, baseline };
  }

  /** What queries after a trunk can continue from, read if it is not there; undefined if even short queries go whole. */
  async prepare<How extends Rows>(
    context: NativeContext,
    prompt: PromptLayout & { nullQuery: Int32Array },
    how: How,
    signal: AbortSignal | undefined,
  ): Promise<Kept | undefined> {
    if (!givesCells(this.#engine) || wayOf(context, prompt) !== "behind") return undefined;
    await this.look(context, prompt.trunk, [prompt], how, { signal });
    return this.copy(context, prompt.trunk, signal);
  }

  /** Makes the cache hold the trunk alone. What followed it is copied, for later. */
  async close(context: NativeContext, trunk: Trunk, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#isOpen) return;
    this.#kept = await this.copy(context, trunk, signal);
    context.rollback(trunk.tokens.length);
    this.#isOpen = false;
  }

  /** What queries see, in their order: those that go the same way in one pass, or in several where these have fewer tokens. */
  async look<How extends Rows>(
    context: NativeContext,
    trunk: Trunk,
    prompts: readonly PromptLayout[],
    how: How,
    { signal, onProgress }: CallOptions,
  ): Promise<Looked<How>[]> {
    const name = how.rows === "heads" ? "heads" : `sum ${how.weights?.join() ?? ""}`;
    if (name !== this.#how) {
      await this.close(context, trunk, signal);
      this.#baseline = undefined;
    }
    this.#how = name;
    this.#cells = trunk.tokens.length;
    const byWay = new Map<Way, number[]>();
    for (const [index, prompt] of prompts.entries()) {
      const way = wayOf(context, prompt);
      byWay.set(way, [...(byWay.get(way) ?? []), index]);
    }

    // One phase after another, although they may share a pass.
    const nullQuery = prompts[0]!.nullQuery;
    const isBehind = byWay.size === 1 && byWay.has("behind");
    if (isBehind) await this.#goOn(context, trunk, nullQuery, how, signal);
    const isKnown = isBehind && this.#baseline?.name === nullQuery?.join();
    const queryRows = prompts.reduce((sum, { query }) => sum + query.length, 0);
    const report = (phase: "null" | "query", share: 0 | 1, total: number) =>
      onProgress?.({ phase, done: share * total, total });
    let isAsked = nullQuery === null || isKnown;
    const onNull = () => {
      if (isAsked) return;
      isAsked = true;
      report("null", 1, nullQuery!.length);
      report("query", 0, queryRows);
    };
    if (isAsked) report("query", 0, queryRows);
    else report("null", 0, nullQuery!.length);

    const looked = new Array<Looked<How>>(prompts.length);
    for (const [way, indexes] of byWay) {
      const queries = indexes.map((index) => prompts[index]!.query);
      const pass = { context, trunk, queries, nullQuery, how, signal, onNull };
      const found = way === "behind" ? await this.#behind(pass) : await this.#beside(pass, way === "tiles");
      for (const [at, index] of indexes.entries()) looked[index] = found[at]!;
    }
    report("query", 1, queryRows);
    return looked;
  }

  async #behind<How extends Rows>(pass: Pass<How>): Promise<Looked<How>[]> {
    const { context, trunk, queries, nullQuery, how, signal, onNull } = pass;
    const began = performance.now();
    await this.#goOn(context, trunk, nullQuery, how, signal);
    if (!this.#isOpen) {
      const { opening } = trunk.joint;
      await callNative(this.#engine.model.library.addon, signal, (cancellation) =>
        context.readOpening(opening, how, cancellation),
      );
      this.#isOpen = true;
    }
    const opened = performance.now();
    const name = nullQuery?.join();
    if (nullQuery && this.#baseline?.name !== name) {
      const [seen] = await this.#observe(pass, [behindOpening(trunk, nullQuery)!], false);
      this.#baseline = { name: name!, seen: seen! };
    }
    const asked = performance.now();
    onNull();
    const baseline = nullQuery && (this.#baseline!.seen as Seen<How>);
    // Equal ones once: a query that is the null query scores exactly 0.
    const different = new Map(queries.map((query) => [query.join(), query]));
    if (baseline) different.delete(name!);
    const own = [...different.values()].map((query) => behindOpening(trunk, query)!);
    const found = own.length > 0 ? await this.#observe(pass, own, false) : [];
    const seen = new Map<string, Seen<How>>([...different.keys()].map((key, index) => [key, found[index]!]));
    const share = 1 / queries.length;
    const times = { nullMs: (asked - opened) * share, queryMs: (opened - began + performance.now() - asked) * share };
    return queries.map((query) => ({ query: seen.get(query.join()) ?? baseline!, null: baseline, ...times }));
  }

  /** Takes up what was copied out of another context, if it is of these heads, and the null query's if it is of this one. */
  async #goOn(
    context: NativeContext,
    trunk: Trunk,
    nullQuery: Int32Array | null,
    how: Rows,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const kept = this.#kept;
    if (this.#isOpen || kept?.name !== this.#nameOf(trunk)) return;
    this.#kept = undefined;
    const { opening, baseline } = kept;
    const isOfTrunk = !(baseline?.seen instanceof Float32Array) || baseline.seen.length === trunk.tokens.length;
    if (!isOfTrunk) throw otherCells();
    await callNative(this.#engine.model.library.addon, signal, () => context.loadOpening(opening, how));
    this.#isOpen = true;
    if (baseline && nullQuery && baseline.name === tokensDigest([nullQuery])) {
      this.#baseline = { name: nullQuery.join(), seen: baseline.seen };
    }
  }

  #nameOf({ joint }: Trunk): string {
    return nameOfOpening(this.#engine.heads.heads, this.#how, joint.opening);
  }

  async #beside<How extends Rows>(pass: Pass<How>, tiles: boolean): Promise<Looked<How>[]> {
    const { context, trunk, queries, nullQuery, signal, onNull } = pass;
    await this.close(context, trunk, signal);
    const began = performance.now();
    const different = new Map([...queries, ...(nullQuery ? [nullQuery] : [])].map((tokens) => [tokens.join(), tokens]));
    const found = await this.#observe(pass, [...different.values()], tiles);
    const rows = queries.reduce((sum, { length }) => sum + length, nullQuery?.length ?? 0);
    const rowMs = (performance.now() - began) / rows;
    onNull();
    const seen = new Map<string, Seen<How>>([...different.keys()].map((key, index) => [key, found[index]!]));
    const baseline = nullQuery && seen.get(nullQuery.join())!;
    const nullMs = ((nullQuery?.length ?? 0) * rowMs) / queries.length;
    const queryMs = (rows * rowMs) / queries.length - nullMs;
    return queries.map((query) => ({ query: seen.get(query.join())!, null: baseline, nullMs, queryMs }));
  }

  async #observe<How extends Rows>(
    { context, trunk, how, signal }: Pass<How>,
    branches: Int32Array[],
    tiles: boolean,
  ): Promise<Seen<How>[]> {
    const found = await callNative(this.#engine.model.library.addon, signal, (cancellation) =>
      context.observe(branches, { ...how, tiles }, cancellation),
    );
    const seenBy = (one: NativeAttention) => (how.rows === "heads" ? one : one.row(0).subarray(0, trunk.tokens.length));
    return found.map(seenBy) as Seen<How>[];
  }
}

function wayOf(context: NativeContext, { trunk, query, nullQuery }: PromptLayout): Way {
  const own = behindOpening(trunk, query);
  const nullOwn = nullQuery && behindOpening(trunk, nullQuery);
  const further = own ?? query;
  const beside = nullQuery && !sameTokens(query, nullQuery) ? (nullOwn ?? nullQuery).length : 0;
  const opening = query.length - further.length;
  const all = opening + further.length + beside;
  if (context.tilesPay({ cells: trunk.tokens.length, all, further: further.length })) return "tiles";
  return own && (nullOwn || !nullQuery) ? "behind" : "rows";
}
