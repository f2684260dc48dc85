import path from "node:path";
import { invalidArgument, isQRHeadError, QRHeadError } from "../errors.ts";
import type { RankOptions } from "../options.ts";
import { assertQuery, type BatchOptions, type BatchResult } from "../ranking/rank-many.ts";
import type { RankResult } from "../ranking/results.ts";
import type { MakeCorpusOptions, SaveOptions } from "../reading/corpus/options.ts";
import type { RankDocument } from "../types.ts";
import { splitOptions, withWait } from "./call.ts";
import type { Connection } from "./connection.ts";
import type { CorpusInfo } from "./protocol.ts";
import type { Call, Prepare, Supervisor } from "./supervisor.ts";

let numbers = 0;

/** A corpus in the process of an `IsolatedRetriever`, with the interface of `Corpus`. */
export class IsolatedCorpus implements AsyncDisposable {
  readonly #supervisor: Supervisor;
  readonly #number: number;
  readonly #documents: readonly RankDocument[];
  /** What it was made with, to make it again. */
  readonly #settings: object;
  #info: CorpusInfo;
  /** Where it is saved. */
  #file: string | undefined;
  /** The process that has it. */
  #home: Connection | undefined;
  #disposal: Promise<void> | undefined;

  private constructor(
    supervisor: Supervisor,
    made: { number: number; documents: readonly RankDocument[]; settings: object; info: CorpusInfo; file?: string },
  ) {
    this.#supervisor = supervisor;
    this.#number = made.number;
    this.#documents = made.documents;
    this.#settings = made.settings;
    this.#info = made.info;
    this.#file = made.file;
    this.#home = supervisor.child;
  }

  /** @internal What `IsolatedRetriever.corpus` makes. */
  static async create(
    supervisor: Supervisor,
    documents: readonly RankDocument[],
    given: MakeCorpusOptions,
  ): Promise<IsolatedCorpus> {
    const { options, ...hooks } = splitOptions(given);
    const { saveTo, force, ...settings } = options as MakeCorpusOptions;
    const file = typeof saveTo === "string" && saveTo !== "" ? path.resolve(saveTo) : undefined;
    const number = nextNumber();
    const call: Call = {
      ...{ method: "corpus.create", corpus: number, args: [documents] },
      options: { ...options, ...(file !== undefined && { saveTo: file }) },
    };
    const { value: info } = await supervisor.run<CorpusInfo>(call, hooks);
    return new IsolatedCorpus(supervisor, { number, documents, settings, info, ...(file !== undefined && { file }) });
  }

  /** @internal What `IsolatedRetriever.loadCorpus` gives. */
  static async load(
    supervisor: Supervisor,
    file: string,
    given: Pick<RankOptions, "signal" | "onProgress">,
  ): Promise<IsolatedCorpus> {
    if (typeof file !== "string" || file === "") throw invalidArgument("file", "the path of a file", file);
    const { options, ...hooks } = splitOptions(given);
    const number = nextNumber();
    const source = path.resolve(file);
    const call: Call = { method: "corpus.load", corpus: number, args: [source], options };
    const { value } = await supervisor.run<CorpusInfo>(call, hooks);
    const { documents, ...info } = value;
    const { layout, order, maxDocumentTokens } = info;
    const settings = { layout, order, ...(maxDocumentTokens !== undefined && { maxDocumentTokens }) };
    return new IsolatedCorpus(supervisor, {
      ...{ number, settings, info, file: source },
      documents: documents as RankDocument[],
    });
  }

  /** The documents, in the order passed. */
  get documents(): RankDocument[] {
    return this.#documents.map((document) => ({ ...document }));
  }

  /** Documents in one prompt, or each by itself. */
  get layout(): "listwise" | "independent" {
    return this.#info.layout as "listwise" | "independent";
  }

  /** Order of the documents in the prompt. */
  get order(): "given" | "reverse" {
    return this.#info.order as "given" | "reverse";
  }

  /** Tokens that each document was cut after, if any. */
  get maxDocumentTokens(): number | undefined {
    return this.#info.maxDocumentTokens;
  }

  /** Bytes of its KV cache after its last call, and of its tokens where documents are independent. */
  get bytes(): number {
    return this.#info.bytes;
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /** See `Corpus.rank`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async rank(query: string, options: RankOptions = {}): Promise<RankResult> {
    assertQuery(query);
    return withWait(await this.#call<RankResult>("corpus.rank", [query], options));
  }

  /** See `Corpus.rankMany`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async rankMany(queries: readonly string[], options: BatchOptions = {}): Promise<BatchResult> {
    return (await this.#call<BatchResult>("corpus.rankMany", [queries], options)).value;
  }

  /** See `Corpus.save`. @throws What that throws, and QRHeadError `ENGINE_DIED`; nothing is left of the file then. */
  async save(file: string, options: SaveOptions = {}): Promise<void> {
    if (typeof file !== "string" || file === "") throw invalidArgument("file", "the path of a file", file);
    const output = path.resolve(file);
    await this.#call("corpus.save", [output], options);
    this.#file = output;
  }

  /** Frees its KV cache, after the running call; the file that it was saved to stays. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#forget();
    return this.#disposal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #forget(): Promise<void> {
    if (this.#supervisor.disposed || this.#supervisor.child !== this.#home) return;
    const call: Call = { method: "corpus.dispose", corpus: this.#number, args: [], options: {} };
    await this.#supervisor.run(call, { signal: undefined, functions: {} }).catch((error: unknown) => {
      // A process that is gone holds no corpus.
      if (!isQRHeadError(error) || !["DISPOSED", "ENGINE_DIED"].includes(error.code)) throw error;
    });
  }

  async #call<T>(method: Call["method"], args: unknown[], given: object): Promise<{ value: T; waitMs: number }> {
    if (this.#disposal) throw new QRHeadError("DISPOSED", "The corpus has been disposed");
    const { options, ...hooks } = splitOptions(given);
    const call: Call = { method, corpus: this.#number, args, options };
    const prepare: Prepare = (child, ask) => this.#settle(child, ask);
    const { value, waitMs } = await this.#supervisor.run<{ result: T; info: CorpusInfo }>(call, hooks, prepare);
    this.#info = value.info;
    return { value: value.result, waitMs };
  }

  /** Has the corpus in this child too: from its file, or read again where there is none, or none that fits. */
  async #settle(child: Connection, ask: (call: Call) => Promise<unknown>): Promise<void> {
    if (child === this.#home) return;
    const corpus = this.#number;
    const again: Call = { method: "corpus.create", corpus, args: [this.#documents], options: this.#settings };
    if (this.#file === undefined) await ask(again);
    else {
      try {
        await ask({ method: "corpus.load", corpus, args: [this.#file], options: {} });
      } catch (error) {
        if (!isQRHeadError(error) || error.name !== "InputError") throw error;
        await ask(again);
      }
    }
    this.#home = child;
  }
}

function nextNumber(): number {
  numbers += 1;
  return numbers;
}
