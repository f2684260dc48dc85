import path from "node:path";
import { type DocumentInput, someDocuments } from "../documents/documents.ts";
import { InputError, invalidArgument, QRHeadError } from "../errors.ts";
import { SAVING } from "../options/corpora.ts";
import { parseOptions } from "../options/parse.ts";
import { parseRankOptions, type RankOptions } from "../options.ts";
import type { PromptLayout } from "../prompt/layout.ts";
import {
  type CorpusOptions,
  type CorpusRankOptions,
  parseCorpusRankOptions,
  type SaveOptions,
} from "../reading/corpus/options.ts";
import { SavedDocuments } from "../reading/corpus/saved.ts";
import { layOutDocuments, layOutPrompt } from "../reading/documents.ts";
import type { CallOptions, Engine } from "../reading/engine.ts";
import { KvContext } from "../reading/kv-context.ts";
import type { Layout } from "../reading/layout.ts";
import type { Pool } from "../reading/pool.ts";
import type { RankDocument } from "../types.ts";
import { underSignals } from "../util/abort-signal.ts";
import type { CallQueue } from "../util/call-queue.ts";
import { isList } from "../util/kinds.ts";
import { batchOf, type RankBatch, withDocuments } from "./batch.ts";
import { planRank, type RankPlan } from "./plan.ts";
import { type Candidates, candidatesOf } from "./rank.ts";
import { assertQueries, assertQuery, rankAll, rankEach, rankOne } from "./rank-many.ts";
import type { Ranking, RankResult } from "./results.ts";
import type { RetrieverCorpus } from "./retriever.ts";

/** What a corpus shares with its retriever. */
export type CorpusHost = {
  engine: Engine;
  layouts: Readonly<Record<"listwise" | "independent", Layout>>;
  pool: Pool;
  queue: CallQueue;
  /** Corpora that have not been disposed of. */
  living: Set<{ dispose(): Promise<void> }>;
};

/**
 * Documents that stay in a KV cache: a query over them costs only its own tokens. Made by `QRRetriever.corpus` and `loadCorpus`.
 *
 * Each corpus has its own KV cache. If all together exceed the retriever's `corpusMemory`, the least recently used are evicted.
 * At their next use they are loaded from their file, or read again.
 */
export class Corpus<T extends DocumentInput = DocumentInput> implements RetrieverCorpus<T> {
  readonly #host: CorpusHost;
  readonly #settings: CorpusOptions;
  readonly #context: KvContext;
  #documents: readonly RankDocument[];
  /** What the caller passed for each. */
  readonly #given = new WeakMap<RankDocument, T>();
  /** How many documents it has ever had; the next one without an id gets this number as its id. */
  #count: number;
  /** Names of the cells that memory may keep of it. */
  readonly #keys = new Set<string>();
  /** The documents, tokenized; undefined until they are needed. */
  #candidates: Candidates | undefined;
  #saved: SavedDocuments | undefined;
  #disposal: Promise<void> | undefined;

  private constructor(host: CorpusHost, documents: readonly RankDocument[], settings: CorpusOptions) {
    this.#host = host;
    this.#documents = documents;
    this.#count = documents.length;
    this.#settings = settings;
    this.#context = new KvContext(host.engine, host.layouts[settings.layout ?? "listwise"]);
    host.living.add(this);
  }

  /** @internal For `QRRetriever.corpus`: reads the documents, and saves them if `saveTo` says where. */
  static async create<T extends DocumentInput>(
    host: CorpusHost,
    documents: readonly T[],
    settings: CorpusOptions,
    options: CallOptions,
    saveTo?: { file: string; force: boolean | undefined },
  ): Promise<Corpus<T>> {
    const normalized = someDocuments(documents);
    const corpus = new Corpus<T>(host, normalized, settings);
    corpus.#remember(normalized, documents);
    return corpus.#filled(async () => {
      if (saveTo) await corpus.save(saveTo.file, { ...options, force: saveTo.force });
      await corpus.#run(() => corpus.#prefill(options), options.signal);
    });
  }

  /**
   * @internal What `QRRetriever.loadCorpus` makes.
   * @throws InputError as `openCorpusFile`, and `CORPUS_MISMATCH` when the cells are not those of these documents.
   */
  static async load<T extends DocumentInput>(
    host: CorpusHost,
    file: string,
    options: CallOptions,
  ): Promise<Corpus<T | RankDocument>> {
    const saved = await SavedDocuments.open(host.engine, file, options.signal);
    try {
      const { documents, settings } = saved;
      const corpus = new Corpus<T | RankDocument>(host, documents, settings);
      return await corpus.#filled(async () => {
        await saved.assertFits(corpus.#plan({ calibration: true }).nullQuery!);
        await corpus.#run(async () => {
          const { trunk } = await corpus.#layOut(options.signal);
          saved.attach(trunk, corpus.#context.layout.keysOf(trunk));
          corpus.#saved = saved;
          await corpus.#prefill(options);
        }, options.signal);
      });
    } finally {
      await saved.close();
    }
  }

  get documents(): RankDocument[] {
    return this.#documents.map((document) => ({ ...document }));
  }

  get layout(): "listwise" | "independent" {
    return this.#context.layout.name;
  }

  get order(): "given" | "reverse" {
    return this.#settings.order ?? "given";
  }

  get maxDocumentTokens(): number | undefined {
    return this.#settings.maxDocumentTokens;
  }

  get bytes(): number {
    const { tokens, offsets, text } = this.#candidates?.trunk ?? {};
    return this.#context.bytes + (tokens?.byteLength ?? 0) + (offsets?.byteLength ?? 0) + (text?.byteLength ?? 0);
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  async rank(query: string, options: CorpusRankOptions = {}): Promise<RankResult<T>> {
    const { only, ...parsed } = parseCorpusRankOptions(options);
    assertQuery(query);
    return rankOne(
      (work) => this.#run(work, parsed.signal),
      () => this.#rank([query], this.#plan(parsed), only),
    );
  }

  rankMany(queries: readonly string[], options: CorpusRankOptions = {}): RankBatch<T> {
    return batchOf<T>(async (onResult, stop) => {
      const asked = performance.now();
      const { only, ...parsed } = parseCorpusRankOptions(options);
      assertQueries(queries);
      return underSignals([parsed.signal, stop], (signal) => {
        const rank = (onProgress: RankOptions["onProgress"]) =>
          this.#rank(queries, this.#plan({ ...parsed, signal, onProgress }), only);
        return this.#run(() => rankEach(queries, rank, { asked, onProgress: parsed.onProgress }, onResult), signal);
      });
    });
  }

  async add(documents: readonly T[], options: Pick<RankOptions, "signal" | "onProgress"> = {}): Promise<void> {
    const { signal, onProgress } = parseRankOptions(options);
    this.#assertIndependent("add documents");
    await this.#run(async () => {
      const more = someDocuments(documents, "documents", this.#count);
      this.#remember(more, documents);
      const ids = new Set(this.#documents.map(({ id }) => id));
      const known = more.find(({ id }) => ids.has(id));
      if (known) {
        throw new InputError("INVALID_INPUT", `The corpus has a document ${JSON.stringify(known.id)}: ids must differ`);
      }
      await this.#change([...this.#documents, ...more], () => this.#prefill({ signal, onProgress }));
      this.#count += more.length;
    }, signal);
  }

  async remove(ids: readonly string[]): Promise<void> {
    this.#assertIndependent("remove documents");
    await this.#run(async () => {
      const gone = new Set(this.#indexesOf(ids, "ids"));
      if (gone.size === this.#documents.length)
        throw invalidArgument("ids", "ids that leave at least one document", ids);
      await this.#change(
        this.#documents.filter((_, index) => !gone.has(index)),
        async () => {},
      );
    }, undefined);
  }

  async save(file: string, options: SaveOptions = {}): Promise<void> {
    const { force = false, onProgress, signal } = parseOptions(SAVING, options) as SaveOptions;
    if (typeof file !== "string" || file === "") throw invalidArgument("file", "the path of a file", file);
    await this.#run(async () => {
      const { engine, pool } = this.#host;
      const prompt = await this.#prompt(signal);
      const { how } = this.#plan({ calibration: true });
      const contents = {
        documents: this.#documents,
        settings: this.#settings,
        nullQuery: this.#plan({ calibration: true }).nullQuery!,
        keys: this.#context.layout.keysOf(prompt.trunk),
        trunk: prompt.trunk,
      };
      this.#saved = await pool.during(this, () =>
        SavedDocuments.write(engine, path.resolve(file), contents, { force, signal }, (write) =>
          this.#context.save({ ...prompt, nullQuery: prompt.query }, how, { signal, onProgress }, this.#saved, write),
        ),
      );
    }, signal);
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#host.queue.release(async () => {
      this.#host.living.delete(this);
      this.#host.pool.remove(this);
      this.#context.layout.forget(this.#keys);
      await this.evict();
    });
    return this.#disposal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal Gives up its KV cache until it is used again. */
  async evict(): Promise<void> {
    this.#candidates = undefined;
    await this.#context.dispose();
  }

  #remember(documents: readonly RankDocument[], given: readonly T[]): void {
    for (const [index, document] of documents.entries()) this.#given.set(document, given[index]!);
  }

  /** A result with the documents as they are while it is made. Those of a file are the caller's as they are. */
  #withDocuments(ranking: Ranking): RankResult<T> {
    return withDocuments(ranking, (index) => {
      const document = this.#documents[index]!;
      return this.#given.get(document) ?? (document as T);
    });
  }

  /** One decision for each call: its options, else those of the corpus, else those of the retriever. */
  #plan(options: RankOptions): RankPlan {
    // Those of `load` are for calls that can have windows.
    if (typeof options.windows === "object") {
      throw new InputError("INVALID_ARGUMENT", "Option windows does not apply to a corpus or to independent documents");
    }
    const { order = "given", layout = "listwise", maxDocumentTokens } = this.#settings;
    // Also if they are undefined: the options of `load` applied to the corpora that it makes.
    const fixed = { ...this.#settings, order, layout, maxDocumentTokens, windows: "never" as const };
    return planRank(this.#host.engine, { ...fixed, ...options });
  }

  async *#rank(
    queries: readonly string[],
    plan: RankPlan,
    only: readonly string[] | undefined,
  ): AsyncGenerator<RankResult<T>> {
    const { engine, pool } = this.#host;
    if (only) this.#assertIndependent("rank a part of its documents");
    const indexes = only && this.#indexesOf(only, "only").sort((a, b) => a - b);
    await using _ = await pool.using(this);
    const asking = { engine, context: this.#context, saved: this.#saved };
    const asked = indexes?.map((index) => this.#documents[index]!) ?? (await this.#layOut(plan.signal));
    for await (const ranking of rankAll(asking, asked, queries, { ...plan, use: "corpus" })) {
      if (indexes) for (const ranked of ranking.results) ranked.index = indexes[ranked.index]!;
      yield this.#withDocuments(ranking);
    }
  }

  async #layOut(signal: AbortSignal | undefined): Promise<Candidates> {
    const { order, maxDocumentTokens } = this.#plan({});
    const options = { order, maxDocumentTokens, signal };
    if (this.#candidates) return this.#candidates;
    const { engine } = this.#host;
    const { layout } = this.#context;
    const candidates = candidatesOf(await layOutDocuments(engine, layout, this.#documents, options));
    for (const key of layout.keysOf(candidates.trunk)) this.#keys.add(key);
    this.#candidates = candidates;
    return candidates;
  }

  /** The prompt up to the query does not depend on the query; the null query stands for it. */
  async #prompt(signal: AbortSignal | undefined): Promise<PromptLayout> {
    const { trunk } = await this.#layOut(signal);
    return layOutPrompt(this.#host.engine, trunk, this.#plan({ calibration: true }).nullQuery!, null, signal);
  }

  /** Reads the documents. */
  async #prefill(options: CallOptions): Promise<void> {
    await this.#host.pool.during(this, async () => {
      const prompt = await this.#prompt(options.signal);
      await this.#context.hold([prompt], { ...options, use: "corpus" }, this.#saved);
    });
  }

  /** Replaces the documents; if `work` fails, the old ones stay. */
  async #change(documents: readonly RankDocument[], work: () => Promise<unknown>): Promise<void> {
    const [before, candidates] = [this.#documents, this.#candidates];
    this.#documents = documents;
    this.#candidates = undefined;
    try {
      await work();
    } catch (error) {
      this.#documents = before;
      this.#candidates = candidates;
      throw error;
    }
  }

  #indexesOf(ids: readonly string[], name: string): number[] {
    if (!isList(ids)) throw invalidArgument(name, "a list of ids", ids);
    const byId = new Map(this.#documents.map(({ id }, index) => [id, index]));
    return [...new Set(ids)].map((id) => {
      const index = byId.get(id);
      if (index === undefined) throw invalidArgument(name, "ids of documents of the corpus", id);
      return index;
    });
  }

  #assertIndependent(what: string): void {
    if (this.layout === "independent") return;
    throw new InputError("INVALID_ARGUMENT", `A listwise corpus cannot ${what}: its documents see each other`, {
      advice: 'make it with layout: "independent"',
    });
  }

  async #filled(fill: () => Promise<unknown>): Promise<this> {
    try {
      await fill();
      return this;
    } catch (error) {
      await this.dispose();
      throw error;
    }
  }

  #run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const assertUsable = () => {
      if (this.#disposal) throw new QRHeadError("DISPOSED", "The corpus has been disposed");
    };
    assertUsable();
    return this.#host.queue.run(async () => {
      assertUsable();
      return work();
    }, signal);
  }
}
