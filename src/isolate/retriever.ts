import path from "node:path";
import type { RetrieveFrom } from "../answering/passages.ts";
import { type RetrieveOptions, type RetrieveResult, retrieve } from "../answering/retrieve.ts";
import type { Retriever } from "../answering/retriever.ts";
import type { Chunk, ChunkOptions } from "../chunking/chunk.ts";
import { type DocumentInput, normalizeDocuments, someDocuments, type Widened } from "../documents/documents.ts";
import { QRHeadError } from "../errors.ts";
import type { Inspection } from "../inspect/attention.ts";
import { packageRoot, unpacked } from "../native/addon.ts";
import type { Tokenization } from "../native/addon-types.ts";
import { ISOLATING } from "../options/corpora.ts";
import { parseOptions, splitOptions as splitSet } from "../options/parse.ts";
import { valuesOf } from "../options/spec.ts";
import type { IsolatedLoadOptions } from "../options/types/corpora.ts";
import { type LoadOptions, parseLoadOptions, type RankOptions } from "../options.ts";
import type { PromptProfile } from "../prompt/profiles.ts";
import type { PruneOptions } from "../pruning/options.ts";
import type { PruneResult } from "../pruning/prune.ts";
import { type BatchResult, type RankBatch, withDocuments } from "../ranking/batch.ts";
import { assertQuery } from "../ranking/rank-many.ts";
import type { Ranking, RankResult } from "../ranking/results.ts";
import type { MakeCorpusOptions } from "../reading/corpus/options.ts";
import type { ChatMessage, Head, ModelIdentity, RankDocument } from "../types.ts";
import {
  type GenerateOptions,
  type GenerateResult,
  parseGenerateOptions,
  parseMessages,
  type TextStream,
} from "../writing/options.ts";
import { streamOf } from "../writing/stream.ts";
import { batchIn, splitOptions, withWait } from "./call.ts";
import { openChannel } from "./channel.ts";
import { IsolatedCorpus } from "./corpus.ts";
import type { Method } from "./protocol.ts";
import { Supervisor } from "./supervisor.ts";
import { View } from "./view.ts";

export type { IsolatedLoadOptions };

const CHILD = path.join(packageRoot, "dist", "isolate", "child.js");

/**
 * A retriever whose model is in a child process. If an assertion of llama.cpp or a lack of memory ends that process, the running
 * call rejects with `ENGINE_DIED`, the process is started again with the model, and the next call works. Calls run one after
 * another and give the same results as those of `QRRetriever`.
 *
 * The child ends with this process, and does not keep it alive.
 */
export class IsolatedRetriever implements Retriever {
  readonly #view: View;
  /** A text that is being written ends with it. */
  readonly #end = new AbortController();

  private constructor(view: View) {
    this.#view = view;
  }

  /**
   * Starts the process and loads the model there.
   *
   * @throws What `QRRetriever.load` throws. @throws QRHeadError `ENGINE_DIED` when the process ends while it loads.
   * @example
   * await using retriever = await IsolatedRetriever.load({ model: "model.gguf" });
   */
  static async load(options: IsolatedLoadOptions = {}): Promise<IsolatedRetriever> {
    const [own, rest] = splitSet(ISOLATING, options);
    const given = parseOptions(ISOLATING, own) as Pick<IsolatedLoadOptions, keyof typeof ISOLATING>;
    const { utilityProcess, abortTimeout = valuesOf(ISOLATING).abortTimeout } = given;
    const { options: plain, ...hooks } = splitOptions(parseLoadOptions(rest));
    const cwd = process.cwd();
    const supervisor = new Supervisor({
      open: () => openChannel({ program: unpacked(CHILD), cwd, utilityProcess }),
      load: { method: "load", args: [], options: plain },
      abortTimeout,
    });
    await supervisor.start(hooks);
    return new IsolatedRetriever(View.first(supervisor));
  }

  /** The loaded model, as head sets are matched against it. */
  get model(): ModelIdentity & { path: string } {
    return this.#view.info.model as ModelIdentity & { path: string };
  }

  /** The heads that rank, as `[layer, head]`. */
  get heads(): Head[] {
    return [...(this.#view.info.heads as Head[])];
  }

  /** Published name, file, or specification that the heads came from. */
  get headSet(): string {
    return this.#view.info.headSet;
  }

  /** What a call does that names neither `prior` nor `fuse`: `"none"`, or the head set's weight beside BM25. */
  get fuse(): Retriever["fuse"] {
    return this.#view.info.fuse as Retriever["fuse"];
  }

  /**
   * How documents stand in the cache where a call does not say: what it was loaded with, else in one prompt where windows were
   * given, else what the heads rank best in.
   */
  get layout(): Retriever["layout"] {
    return this.#view.info.layout as Retriever["layout"];
  }

  /** The prompt format in use. */
  get prompt(): PromptProfile["name"] {
    return this.#view.info.prompt as PromptProfile["name"];
  }

  /** Milliseconds of loading the model, for the process that runs. */
  get loadMs(): number {
    return this.#view.info.loadMs;
  }

  get disposed(): boolean {
    return this.#view.disposed;
  }

  /** Calls that wait for the running one, those of retrievers on the same model included. */
  get pending(): number {
    return this.#view.pending;
  }

  /** Number of the process that has the model; undefined while none does. */
  get pid(): number | undefined {
    return this.#view.child?.pid;
  }

  /** How often the process was started again. */
  get restarts(): number {
    return this.#view.restarts;
  }

  /**
   * See `QRRetriever.withHeads`: the process and its model are the same, and it ends when the last of them is disposed of.
   *
   * @throws What that throws.
   */
  withHeads(heads: NonNullable<LoadOptions["heads"]>): IsolatedRetriever {
    return new IsolatedRetriever(this.#view.withHeads(heads));
  }

  /** See `QRRetriever.rank`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async rank<T extends DocumentInput>(
    query: string,
    documents: readonly T[],
    options: RankOptions = {},
  ): Promise<RankResult<T>> {
    assertQuery(query);
    const [normalized, given] = [normalizeDocuments(documents), [...documents]];
    const ranking = withWait(await this.#call<Ranking>("rank", [query, normalized], options));
    return withDocuments(ranking, (index) => given[index]!);
  }

  /** See `QRRetriever.rankMany`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  rankMany<T extends DocumentInput>(
    queries: readonly string[],
    documents: readonly T[],
    options: RankOptions = {},
  ): RankBatch<T> {
    return batchIn(queries, options, () => {
      const [normalized, given] = [normalizeDocuments(documents), [...documents]];
      return {
        documentAt: (index) => given[index]!,
        run: async (plain, hooks) => {
          const call = { method: "rankMany" as const, args: [queries, normalized], options: plain };
          return (await this.#view.run<BatchResult["throughput"]>(call, hooks)).value;
        },
      };
    });
  }

  /**
   * See `QRRetriever.corpus`. After the process has ended, the corpus is loaded from the file that it was saved to, or read
   * again where it was not, before its next call.
   *
   * @throws What that throws, and QRHeadError `ENGINE_DIED`.
   */
  async corpus<T extends DocumentInput>(
    documents: readonly T[],
    options: MakeCorpusOptions = {},
  ): Promise<IsolatedCorpus<Widened<T>>> {
    return IsolatedCorpus.create(this.#view, documents as readonly DocumentInput[] as readonly Widened<T>[], options);
  }

  /** See `QRRetriever.loadCorpus`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async loadCorpus(
    file: string,
    options: Pick<RankOptions, "signal" | "onProgress"> = {},
  ): Promise<IsolatedCorpus<RankDocument>> {
    return IsolatedCorpus.load(this.#view, file, options);
  }

  /** See `QRRetriever.tokenize`. */
  async tokenize(text: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Tokenization> {
    return (await this.#call<Tokenization>("tokenize", [text], options)).value;
  }

  /** See `QRRetriever.chunk`. */
  async chunk(text: string, options: ChunkOptions & { signal?: AbortSignal | undefined } = {}): Promise<Chunk[]> {
    return (await this.#call<Chunk[]>("chunk", [text], options)).value;
  }

  /** See `QRRetriever.prune`; `countTokens` runs in this process. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async prune(query: string, input: string | readonly DocumentInput[], options: PruneOptions): Promise<PruneResult> {
    assertQuery(query);
    const texts = typeof input === "string" ? input : normalizeDocuments(input);
    return withWait(await this.#call<PruneResult>("prune", [query, texts], options));
  }

  /**
   * See `QRRetriever.retrieve`. Files and indexes are read in this process, and the model is asked in the other one.
   *
   * @throws What that throws, and QRHeadError `ENGINE_DIED`.
   */
  retrieve(query: string, from: RetrieveFrom, options: RetrieveOptions = {}): Promise<RetrieveResult> {
    return retrieve(this, query, from, options);
  }

  /** See `QRRetriever.inspect`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async inspect(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<Inspection> {
    assertQuery(query);
    return (await this.#call<Inspection>("inspect", [query, someDocuments(documents)], options)).value;
  }

  /**
   * See `QRRetriever.generate`. A text that was begun when the process ends is not begun again.
   *
   * @throws What that throws, and QRHeadError `ENGINE_DIED`.
   */
  generate(messages: readonly ChatMessage[], options: GenerateOptions = {}): TextStream {
    const [turns, parsed] = [parseMessages(messages), parseGenerateOptions(options)];
    const { options: plain, functions } = splitOptions(parsed);
    const work = async (onText: (text: string) => void, signal: AbortSignal): Promise<GenerateResult> => {
      const call = { method: "generate" as const, args: [turns], options: plain };
      const hooks = { signal, functions: { ...functions, onText } };
      return withWait(await this.#view.run<GenerateResult>(call, hooks));
    };
    return streamOf(work, [parsed.signal, this.#end.signal]);
  }

  /** See `QRRetriever.countTokens`. */
  async countTokens(messages: readonly ChatMessage[], options: Pick<GenerateOptions, "signal"> = {}): Promise<number> {
    return (await this.#call<number>("countTokens", [parseMessages(messages)], options)).value;
  }

  /** Ends the process, unless `withHeads` made others of it, after the running call; calls still waiting are rejected. Idempotent. */
  dispose(): Promise<void> {
    this.#end.abort(new QRHeadError("DISPOSED", "The retriever has been disposed"));
    return this.#view.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #call<T>(method: Method, args: unknown[], given: object) {
    const { options, ...hooks } = splitOptions(given);
    return this.#view.run<T>({ method, args, options }, hooks);
  }
}
