import path from "node:path";
import { InputError, invalidArgument, QRHeadError } from "../../errors.ts";
import { deepestLayer } from "../../heads/heads.ts";
import { fingerprint } from "../../model/fingerprint.ts";
import type { LoadedModel } from "../../model/model.ts";
import type { CellState } from "../../native/addon-types.ts";
import type { LoadOptions, RankOptions } from "../../options.ts";
import type { PromptLayout } from "../../prompt/layout.ts";
import type { PromptProfile } from "../../prompt/profiles.ts";
import { assertQuery, type BatchOptions, type BatchResult, rankBatch, withWait } from "../../ranking/rank-many.ts";
import type { RankResult } from "../../ranking/results.ts";
import type { Head, RankDocument } from "../../types.ts";
import { ownSignal } from "../../util/abort-signal.ts";
import type { Pool } from "../pool.ts";
import type { CallOptions, Reader, Restore } from "../session.ts";
import { assertCorpusFits, type CorpusTerms, tokensDigest } from "./checks.ts";
import { type CorpusHeader, openCorpusFile, type SavedCorpus, writeCorpusFile } from "./file.ts";
import { type CorpusOptions, parseCorpusRankOptions, type SaveOptions } from "./options.ts";

/** A reader that keeps the documents it has read. */
export type CorpusReader = Reader & {
  readonly bytes: number;
  prefill(layout: PromptLayout, options: CallOptions): Promise<void>;
  /** Lets go of the KV cache. */
  dispose(): Promise<void>;
  /** Lets go of everything, for good. */
  forget(): Promise<void>;
  /** What is to be saved of the documents; reads them if they have not been. */
  saveCells(layout: PromptLayout, options: CallOptions): AsyncIterable<CellState>;
  /** Where cells are that need not be read again. */
  restore: Restore | undefined;
};

/** What a corpus needs of its retriever. */
export type CorpusHost = {
  model: LoadedModel;
  heads: readonly Head[];
  profile: PromptProfile;
  options: LoadOptions;
  nullQuery: string;
  pool: Pool;
  /** Corpora that have not been disposed of. */
  living: Set<Corpus>;
  /** Runs work when all calls before it are done; rejects when the retriever has been disposed. */
  run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
  /** The same for work that frees something, which is done for a disposed retriever as well. */
  release(work: () => Promise<void>): Promise<void>;
  rank(query: string, documents: RankDocument[], options: RankOptions, reader: Reader): Promise<RankResult>;
  createReader(layout: "listwise" | "independent"): CorpusReader;
};

/**
 * Documents that stay read: a query over them costs the query only. Made by `QRRetriever.corpus` and `loadCorpus`.
 *
 * Each corpus has a KV cache of its own. Where all of them are larger than the retriever's `corpusMemory`, those that were
 * used least recently give theirs up, and are read again, or loaded from where they were saved, when they are next used.
 */
export class Corpus implements AsyncDisposable {
  readonly #host: CorpusHost;
  readonly #documents: RankDocument[];
  readonly #settings: CorpusOptions;
  readonly #reader: CorpusReader;
  /** Where its cells are saved, and the digest of that file. */
  #source: { file: string; digest: string } | undefined;
  /** That file, open and not used yet. */
  #loaded: SavedCorpus | undefined;
  #disposal: Promise<void> | undefined;

  private constructor(host: CorpusHost, documents: RankDocument[], settings: CorpusOptions) {
    this.#host = host;
    this.#documents = documents;
    this.#settings = settings;
    this.#reader = host.createReader(settings.layout ?? "listwise");
    this.#reader.restore = (tokens, signal) => this.#restore(tokens, signal);
    host.living.add(this);
  }

  /** @internal What `QRRetriever.corpus` and `QRRetriever.loadCorpus` make. */
  static create(host: CorpusHost, documents: RankDocument[], settings: CorpusOptions): Corpus {
    return new Corpus(host, documents, settings);
  }

  /** The documents, in the order passed. */
  get documents(): RankDocument[] {
    return this.#documents.map((document) => ({ ...document }));
  }

  /** Documents in one prompt, or each by itself. */
  get layout(): "listwise" | "independent" {
    return this.#reader.layout;
  }

  /** Order of the documents in the prompt. */
  get order(): "given" | "reverse" {
    return this.#settings.order ?? "given";
  }

  /** Tokens that each document was cut after, if any. */
  get maxDocumentTokens(): number | undefined {
    return this.#settings.maxDocumentTokens;
  }

  /** Bytes of its KV cache and, for independent documents, of their tokens; 0 while it has none. */
  get bytes(): number {
    return this.#reader.bytes;
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /**
   * Ranks the documents for a query. The null query is asked once and its attention kept.
   *
   * @throws What `QRRetriever.rank` throws, and InputError for options that belong to the corpus as a whole.
   */
  async rank(query: string, options: RankOptions = {}): Promise<RankResult> {
    const parsed = parseCorpusRankOptions(options);
    assertQuery(query);
    return withWait(
      (work) => this.#run(work, parsed.signal),
      () => this.#rank(query, parsed),
    );
  }

  /**
   * Ranks the documents for many queries, one after another, and reports how fast.
   *
   * @throws What `rank` throws; the results before a failure went to `onResult`.
   */
  async rankMany(queries: readonly string[], options: BatchOptions = {}): Promise<BatchResult> {
    const { onResult, ...rest } = options;
    const parsed = parseCorpusRankOptions(rest);
    const { onProgress } = parsed;
    const work = () =>
      rankBatch(queries, (query, report) => this.#rank(query, { ...parsed, onProgress: report }), {
        ...{ onResult, onProgress },
      });
    return this.#run(work, parsed.signal);
  }

  /**
   * Saves the documents with the cells of the KV cache, for `QRRetriever.loadCorpus`. About as large as the cache in use.
   * Listwise corpora of models with a sliding window, whose cells llama.cpp does not give out, are saved without and read
   * again when loaded.
   *
   * Independent documents are written one by one. Those that neither the cache nor memory holds are read for it, and what
   * was saved is what the corpus ranks with from then on.
   *
   * @throws InputError `INVALID_INPUT` when the file exists, or cannot be written; nothing is left of it then.
   */
  async save(file: string, options: SaveOptions = {}): Promise<void> {
    const { force = false, onProgress } = options;
    const signal = ownSignal(options.signal);
    if (typeof file !== "string" || file === "") throw invalidArgument("file", "the path of a file", file);
    await this.#run(async () => {
      const layout = await this.#layOut(signal);
      const header: CorpusHeader = {
        ...(await this.#terms()),
        layout: this.layout,
        order: this.#settings.order ?? "given",
        ...(this.#settings.maxDocumentTokens !== undefined && { maxDocumentTokens: this.#settings.maxDocumentTokens }),
        tokens: tokensDigest(layout.tokens.slice(0, layout.querySpan[0])),
        documents: this.#documents,
      };
      const output = path.resolve(file);
      await this.#host.pool.during(this, async () => {
        const states = this.#reader.saveCells(layout, { signal, onProgress });
        this.#source = { file: output, digest: await writeCorpusFile(output, header, states, { force, signal }) };
      });
    }, signal);
  }

  /**
   * Frees its KV cache, after the running call; the file that it was saved to stays. The retriever may have been disposed of
   * before, or be so meanwhile. Idempotent.
   */
  dispose(): Promise<void> {
    this.#disposal ??= this.#host.release(async () => {
      this.#host.living.delete(this);
      this.#host.pool.remove(this);
      await this.#reader.forget();
    });
    return this.#disposal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal Gives up its KV cache until it is used again. */
  async evict(): Promise<void> {
    await this.#reader.dispose();
  }

  /** @internal Reads the documents. */
  prefill(options: CallOptions): Promise<PromptLayout> {
    return this.#run(() => this.#prefill(options), options.signal);
  }

  /**
   * @internal Uses the cells of a file from now on.
   * @throws InputError as `openCorpusFile`, and `CORPUS_MISMATCH` when they are not those of these documents.
   */
  static async load(host: CorpusHost, file: string, options: CallOptions): Promise<Corpus> {
    const { addon } = host.model.library;
    const source = path.resolve(file);
    const saved = await openCorpusFile(addon, source, options.signal);
    try {
      return await Corpus.#fromSaved(host, source, saved, options);
    } finally {
      await saved.close();
    }
  }

  static async #fromSaved(host: CorpusHost, source: string, saved: SavedCorpus, options: CallOptions): Promise<Corpus> {
    const { header, digest } = saved;
    const { documents, order, layout: layoutName, maxDocumentTokens } = header;
    const corpus = new Corpus(host, documents as RankDocument[], {
      ...{ order, layout: layoutName },
      ...(maxDocumentTokens !== undefined && { maxDocumentTokens }),
    });
    try {
      assertCorpusFits(source, header, await corpus.#terms());
      const layout = await corpus.#layOut(options.signal);
      if (tokensDigest(layout.tokens.slice(0, layout.querySpan[0])) !== header.tokens) {
        throw new InputError(
          "CORPUS_MISMATCH",
          `Corpus ${path.basename(source)} has other tokens than its documents have here: save it again`,
        );
      }
      corpus.#source = { file: source, digest };
      corpus.#loaded = saved;
      await corpus.prefill(options);
      return corpus;
    } catch (error) {
      await corpus.dispose();
      throw error;
    } finally {
      corpus.#loaded = undefined;
    }
  }

  async #terms(): Promise<CorpusTerms> {
    const { model, heads, profile, options, nullQuery } = this.#host;
    const { cacheTypeK = "f16", cacheTypeV = "f16", flashAttention = true, earlyStop = true } = options;
    return {
      llama: model.library.info.version,
      model: { name: model.identity.name, fingerprint: await fingerprint(model) },
      prompt: profile.name,
      nullQuery: this.#settings.nullQuery ?? nullQuery,
      ...{ cacheTypeK, cacheTypeV, flashAttention },
      deepestLayer: earlyStop ? deepestLayer(heads) : model.info.layers - 1,
    };
  }

  async #rank(query: string, options: RankOptions): Promise<RankResult> {
    return this.#host.pool.during(this, () =>
      this.#host.rank(query, this.#documents, { ...this.#settings, ...options }, this.#reader),
    );
  }

  /** The prompt up to the query does not depend on the query; the null query stands for it. */
  async #layOut(signal: AbortSignal | undefined): Promise<PromptLayout> {
    const { order, maxDocumentTokens, nullQuery = this.#host.nullQuery } = this.#settings;
    const documents = await this.#reader.truncate(this.#documents, maxDocumentTokens, signal);
    return this.#reader.layOut(order === "reverse" ? documents.toReversed() : documents, nullQuery, null, signal);
  }

  async #prefill(options: CallOptions): Promise<PromptLayout> {
    return this.#host.pool.during(this, async () => {
      const layout = await this.#layOut(options.signal);
      await this.#reader.prefill(layout, options);
      return layout;
    });
  }

  /** The saved cells, if the file is still the one that was written or loaded. */
  async #restore(tokens: Int32Array, signal: AbortSignal | undefined): Promise<AsyncIterable<CellState> | undefined> {
    if (!this.#source) return undefined;
    const { file, digest } = this.#source;
    try {
      const saved = this.#loaded ?? (await openCorpusFile(this.#host.model.library.addon, file, signal));
      if (saved.digest === digest && saved.header.tokens === tokensDigest(tokens)) return saved.states(signal);
      await saved.close();
      return undefined;
    } catch (error) {
      signal?.throwIfAborted();
      // The file has gone or changed since: the documents are known and can be read again.
      if (error instanceof InputError) return undefined;
      throw error;
    }
  }

  async #run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const assertUsable = () => {
      if (this.#disposal) throw new QRHeadError("DISPOSED", "The corpus has been disposed");
    };
    assertUsable();
    signal?.throwIfAborted();
    try {
      return await this.#host.run(async () => {
        assertUsable();
        return work();
      }, signal);
    } finally {
      signal?.throwIfAborted();
    }
  }
}
