import path from "node:path";
import type { RetrieveFrom } from "../answering/passages.ts";
import { type RetrieveOptions, type RetrieveResult, retrieve } from "../answering/retrieve.ts";
import type { Chunk, ChunkOptions } from "../chunking/chunk.ts";
import { type DocumentInput, normalizeDocuments } from "../documents/documents.ts";
import { invalidArgument } from "../errors.ts";
import type { Inspection } from "../inspect/attention.ts";
import { packageRoot, unpacked } from "../native/addon.ts";
import type { Tokenization } from "../native/addon-types.ts";
import { type LoadOptions, parseLoadOptions, type RankOptions } from "../options.ts";
import type { PromptName } from "../prompt/profiles.ts";
import type { PruneOptions } from "../pruning/options.ts";
import type { PruneResult } from "../pruning/prune.ts";
import { assertQuery, type BatchOptions, type BatchResult } from "../ranking/rank-many.ts";
import type { RankResult } from "../ranking/results.ts";
import type { Retriever } from "../ranking/retriever.ts";
import type { MakeCorpusOptions } from "../reading/corpus/options.ts";
import type { Head, ModelIdentity } from "../types.ts";
import { splitOptions, withWait } from "./call.ts";
import { openChannel, type UtilityProcessModule } from "./channel.ts";
import { IsolatedCorpus } from "./corpus.ts";
import type { Method } from "./protocol.ts";
import { Supervisor } from "./supervisor.ts";

export type IsolatedLoadOptions = LoadOptions & {
  /**
   * Electron's `utilityProcess`. Defaults to it in Electron's main process; elsewhere the process is one of
   * `child_process.fork`.
   */
  utilityProcess?: UtilityProcessModule | undefined;
  /** Milliseconds that an aborted call may take to stop before its process is ended, at least 1. Defaults to 60,000. */
  abortTimeout?: number | undefined;
};

const CHILD = path.join(packageRoot, "dist", "isolate", "child.js");
const ABORT_TIMEOUT_MS = 60_000;

/**
 * A retriever whose model is in a process of its own. What ends that process, an assertion of llama.cpp or the system
 * out of memory, is an error `ENGINE_DIED` of the running call here: the process is started again, with the model, and
 * the next call works. Calls run one after another in the order made, as those of `QRRetriever`, and give the same results.
 *
 * The process ends with this one, and does not keep it from ending.
 */
export class IsolatedRetriever implements Retriever {
  readonly #supervisor: Supervisor;

  private constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor;
  }

  /**
   * Starts the process and loads the model there.
   *
   * @throws What `QRRetriever.load` throws. @throws QRHeadError `ENGINE_DIED` when the process ends while it loads.
   */
  static async load(options: IsolatedLoadOptions = {}): Promise<IsolatedRetriever> {
    const { utilityProcess, abortTimeout = ABORT_TIMEOUT_MS, ...rest } = options;
    if (!(Number.isInteger(abortTimeout) && abortTimeout >= 1)) {
      throw invalidArgument("abortTimeout", "an integer of at least 1, in milliseconds", abortTimeout);
    }
    const { options: plain, ...hooks } = splitOptions(parseLoadOptions(rest));
    const cwd = process.cwd();
    const supervisor = new Supervisor({
      open: () => openChannel({ program: unpacked(CHILD), cwd, utilityProcess }),
      load: { method: "load", args: [], options: plain },
      abortTimeout,
    });
    await supervisor.start(hooks);
    return new IsolatedRetriever(supervisor);
  }

  /** The loaded model, as head sets are matched against it. */
  get model(): ModelIdentity & { path: string } {
    return this.#supervisor.info.model as ModelIdentity & { path: string };
  }

  /** The heads that rank, as `[layer, head]`. */
  get heads(): Head[] {
    return [...(this.#supervisor.info.heads as Head[])];
  }

  /** Published name, file, or specification that the heads came from. */
  get headSet(): string {
    return this.#supervisor.info.headSet;
  }

  /** The prompt format in use. */
  get prompt(): PromptName {
    return this.#supervisor.info.prompt as PromptName;
  }

  /** Milliseconds of loading the model, for the process that runs. */
  get loadMs(): number {
    return this.#supervisor.info.loadMs;
  }

  get disposed(): boolean {
    return this.#supervisor.disposed;
  }

  /** Number of the process that has the model; undefined while none does. */
  get pid(): number | undefined {
    return this.#supervisor.child?.pid;
  }

  /** How often the process was started again. */
  get restarts(): number {
    return this.#supervisor.restarts;
  }

  /** See `QRRetriever.rank`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async rank(query: string, documents: readonly DocumentInput[], options: RankOptions = {}): Promise<RankResult> {
    assertQuery(query);
    return withWait(await this.#call<RankResult>("rank", [query, normalizeDocuments(documents)], options));
  }

  /** See `QRRetriever.rankMany`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async rankMany(
    queries: readonly string[],
    documents: readonly DocumentInput[],
    options: BatchOptions = {},
  ): Promise<BatchResult> {
    return (await this.#call<BatchResult>("rankMany", [queries, normalizeDocuments(documents)], options)).value;
  }

  /**
   * See `QRRetriever.corpus`. After the process has ended, the corpus is loaded from the file that it was saved to, or read
   * again where it was not, before its next call.
   *
   * @throws What that throws, and QRHeadError `ENGINE_DIED`.
   */
  async corpus(documents: readonly DocumentInput[], options: MakeCorpusOptions = {}): Promise<IsolatedCorpus> {
    return IsolatedCorpus.create(this.#supervisor, normalizeDocuments(documents), options);
  }

  /** See `QRRetriever.loadCorpus`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async loadCorpus(file: string, options: Pick<RankOptions, "signal" | "onProgress"> = {}): Promise<IsolatedCorpus> {
    return IsolatedCorpus.load(this.#supervisor, file, options);
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
    return (await this.#call<Inspection>("inspect", [query, normalizeDocuments(documents)], options)).value;
  }

  /** Ends the process, after the running call; calls still waiting are rejected. Idempotent. */
  dispose(): Promise<void> {
    return this.#supervisor.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #call<T>(method: Method, args: unknown[], given: object) {
    const { options, ...hooks } = splitOptions(given);
    return this.#supervisor.run<T>({ method, args, options }, hooks);
  }
}
