import { everyHead } from "../heads/heads.ts";
import type { LoadedModel } from "../model/model.ts";
import type { Cancellation, NativeAttention, NativeContext } from "../native/addon-types.ts";
import type { BENCH_TRIALS } from "../options/choices.ts";
import type { Head } from "../types.ts";
import { defaultThreads } from "../util/threads.ts";

/** Ways to send the same tokens through the model, side by side. */
export const TRIALS = {
  plain: "llama_decode of documents and query, every layer, without capture",
  rerank: "documents, null query, query through the heads, stopped after the deepest of them",
  stopped: "the same tokens, stopped at the same layer, without capture",
  all: "every head of every layer (ICR)",
  detect: "every head of every layer, kept apart and added up by document (detection)",
  softMax: "the same heads read from kq_soft_max with flash attention off and no early stop",
} as const satisfies Record<(typeof BENCH_TRIALS)[number], string>;
export type TrialName = keyof typeof TRIALS;

/** Milliseconds of one trial. `againMs` is one more query over the same documents. */
export type TrialTime = { prefillMs: number; nullMs: number; queryMs: number; totalMs: number; againMs: number };

/** Tokens of the instruction, which null query and query begin with, where both are longer. */
const OPENING_TOKENS = 18;

export type BenchSize = { documentTokens: number; queryTokens: number; nullTokens: number };

/** Arbitrary tokens: the time does not depend on their meaning. */
export function benchTokens(size: BenchSize, vocabularySize: number) {
  const make = (count: number, seed: number) =>
    Int32Array.from({ length: count }, (_, i) => (i * 7919 + seed * 104_729) % Math.min(vocabularySize, 50_000));
  const opening = make(Math.min(OPENING_TOKENS, size.queryTokens - 1, size.nullTokens - 1), 4);
  const behind = (count: number, seed: number) => Int32Array.from([...opening, ...make(count - opening.length, seed)]);
  return {
    documents: make(size.documentTokens, 1),
    opening,
    query: behind(size.queryTokens, 2),
    nullQuery: behind(size.nullTokens, 3),
  };
}

/** Heads for a model without a known set: 16 over the eight layers up to the one at six tenths of the depth. */
export function benchHeads(layers: number, heads: number): Head[] {
  const deepest = Math.min(layers - 1, Math.floor(layers * 0.6));
  const chosen = new Map<string, Head>();
  for (let i = 0; chosen.size < Math.min(16, layers * heads) && i < 1000; i++) {
    const head: Head = [Math.max(0, deepest - (i % 8)), (i * 5) % heads];
    chosen.set(head.join("-"), head);
  }
  return [...chosen.values()];
}

/** One way through the model, with a context of its own. */
export class Trial {
  readonly name: TrialName;
  readonly #context: NativeContext;
  readonly #tokens: ReturnType<typeof benchTokens>;
  readonly #cancellation: Cancellation;
  /** Attention of the null query and of the query. */
  #seen: [NativeAttention | null, NativeAttention | null] = [null, null];

  private constructor(name: TrialName, context: NativeContext, tokens: Trial["tokens"], cancellation: Cancellation) {
    this.name = name;
    this.#context = context;
    this.#tokens = tokens;
    this.#cancellation = cancellation;
  }

  get tokens(): ReturnType<typeof benchTokens> {
    return this.#tokens;
  }

  static async create(
    name: TrialName,
    model: LoadedModel,
    options: BenchSize & { heads: readonly Head[]; threads?: number | undefined; gpu?: boolean },
  ): Promise<Trial> {
    const { layers, heads, vocabularySize } = model.info;
    const wanted =
      name === "plain" ? [] : name === "all" || name === "detect" ? everyHead(layers, heads) : options.heads;
    const context = await model.native.createContext({
      contextSize: options.documentTokens + Math.max(64, options.queryTokens + options.nullTokens),
      batchSize: 512,
      threads: options.threads ?? defaultThreads(),
      cacheTypeK: "f16",
      cacheTypeV: "f16",
      flashAttention: name !== "softMax",
      offloadKqv: options.gpu ?? false,
      heads: Int32Array.from(wanted.flat()),
      earlyStop: name !== "softMax",
      sequences: 3,
    });
    return new Trial(name, context, benchTokens(options, vocabularySize), new model.library.addon.Cancellation());
  }

  async run(): Promise<TrialTime> {
    const { documents, query, nullQuery } = this.tokens;
    this.#context.rollback(0);
    const prefillMs = await timed(() => this.#context.prefill(documents, this.#cancellation));
    // The time of all passes, split by tokens.
    const lookMs = await timed(() => this.#look(true));
    const share = this.name === "plain" ? 0 : nullQuery.length / (nullQuery.length + query.length);
    const nullMs = lookMs * share;
    const queryMs = lookMs - nullMs + (this.name === "detect" ? await this.#addUp() : 0);
    const againMs = await timed(() => this.#look(false));
    return { prefillMs, nullMs, queryMs, totalMs: prefillMs + nullMs + queryMs, againMs };
  }

  dispose(): Promise<void> {
    return this.#context.dispose();
  }

  /** The query and the null query in the passes that a ranking takes: see `QueryPasses`. */
  async #look(isFirst: boolean): Promise<void> {
    const { documents, opening, query, nullQuery } = this.tokens;
    const cancellation = this.#cancellation;
    const context = this.#context;
    const begin = opening.length;
    if (this.name === "plain" || this.name === "stopped") {
      context.rollback(documents.length);
      const others = this.name === "plain" ? [] : nullQuery.subarray(begin);
      return context.prefill(Int32Array.from([...query, ...others]), cancellation);
    }
    const rows = this.name === "detect" ? "heads" : "sum";
    const further = query.length - begin;
    const tiles = context.tilesPay({ cells: documents.length, all: further + nullQuery.length, further });
    if (tiles || begin < 1) {
      const [attention, baseline] = await context.observe([query, nullQuery], { rows, tiles }, cancellation);
      this.#seen = [baseline!, attention!];
      return;
    }
    const observe = async (tokens: Int32Array) =>
      (await context.observe([tokens.subarray(begin)], { rows, tiles }, cancellation))[0]!;
    if (isFirst) await context.readOpening(opening, { rows }, cancellation);
    const baseline = isFirst ? await observe(nullQuery) : this.#seen[0];
    this.#seen = [baseline, await observe(query)];
  }

  /** What detection does with the attention of null query and query: scores per head of documents of 100 tokens. */
  #addUp(): Promise<number> {
    const [baseline, attention] = this.#seen;
    const { length } = this.tokens.documents;
    const spans = Array.from({ length: Math.ceil(length / 100) }, (_, index) => [
      index * 100,
      Math.min(length, (index + 1) * 100),
    ]);
    return timed(() =>
      attention!.documentScores({ baseline: baseline!, spans: Uint32Array.from(spans.flat()), mask: "per-head" }),
    );
  }
}

async function timed<T>(work: () => Promise<T>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
