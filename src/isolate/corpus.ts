import path from "node:path";
import { type DocumentInput, someDocuments } from "../documents/documents.ts";
import { invalidArgument, isQRHeadError, QRHeadError } from "../errors.ts";
import { KEEPING, SAVING } from "../options/corpora.ts";
import { parseOptions, splitOptions as splitSet } from "../options/parse.ts";
import type { CorpusFileOptions } from "../options/types/corpora.ts";
import { parseRankOptions, type RankOptions } from "../options.ts";
import { type BatchResult, type RankBatch, withDocuments } from "../ranking/batch.ts";
import { assertQuery } from "../ranking/rank-many.ts";
import type { Ranking, RankResult } from "../ranking/results.ts";
import type { RetrieverCorpus } from "../ranking/retriever.ts";
import type { CorpusRankOptions, MakeCorpusOptions, SaveOptions } from "../reading/corpus/options.ts";
import { parseCorpusOptions } from "../reading/corpus/options.ts";
import type { RankDocument } from "../types.ts";
import { batchIn, splitOptions, withWait } from "./call.ts";
import type { Connection } from "./connection.ts";
import type { CorpusInfo } from "./protocol.ts";
import type { Call, CallHooks, Prepare } from "./supervisor.ts";
import type { View } from "./view.ts";

let numbers = 0;

/** A corpus in the process of an `IsolatedRetriever`, with the interface of `Corpus`. */
export class IsolatedCorpus<T extends DocumentInput = DocumentInput> implements RetrieverCorpus<T> {
  readonly #view: View;
  readonly #number: number;
  #documents: readonly RankDocument[];
  /** What the caller passed for each. */
  #given: readonly T[];
  /** How many documents it has ever had, as a `Corpus` counts them. */
  #count: number;
  /** What it was made with, to make it again. */
  readonly #settings: object;
  #info: CorpusInfo;
  /** Where it is saved as it is. */
  #file: string | undefined;
  /** The process that has it. */
  #home: Connection | undefined;
  #disposal: Promise<void> | undefined;

  private constructor(
    view: View,
    made: {
      number: number;
      documents: readonly RankDocument[];
      given: readonly T[];
      settings: object;
      info: CorpusInfo;
      file?: string;
    },
  ) {
    this.#view = view;
    this.#number = made.number;
    this.#documents = made.documents;
    this.#given = made.given;
    this.#count = made.documents.length;
    this.#settings = made.settings;
    this.#info = made.info;
    this.#file = made.file;
    this.#home = view.child;
  }

  /** @internal What `IsolatedRetriever.corpus` makes. */
  static async create<T extends DocumentInput>(
    view: View,
    passed: readonly T[],
    givenOptions: MakeCorpusOptions,
  ): Promise<IsolatedCorpus<T>> {
    const [documents, given] = [someDocuments(passed), [...passed]];
    const [own, others] = splitSet(KEEPING, givenOptions);
    const { saveTo, force } = parseOptions(KEEPING, own) as CorpusFileOptions;
    const { options: settings, ...hooks } = splitOptions(parseCorpusOptions(others));
    const file = saveTo === undefined ? undefined : path.resolve(saveTo);
    const number = nextNumber();
    const call: Call = {
      ...{ method: "corpus.create", corpus: number, args: [documents] },
      options: { ...settings, ...(file !== undefined && { saveTo: file, force }) },
    };
    const { value: info } = await view.run<CorpusInfo>(call, hooks);
    const made = { number, documents, given, settings, info };
    return new IsolatedCorpus(view, { ...made, ...(file !== undefined && { file }) });
  }

  /** @internal What `IsolatedRetriever.loadCorpus` gives. */
  static async load(
    view: View,
    file: string,
    given: Pick<RankOptions, "signal" | "onProgress">,
  ): Promise<IsolatedCorpus<RankDocument>> {
    if (typeof file !== "string" || file === "") throw invalidArgument("file", "the path of a file", file);
    const { options, ...hooks } = splitOptions(given);
    const number = nextNumber();
    const source = path.resolve(file);
    const call: Call = { method: "corpus.load", corpus: number, args: [source], options };
    const { value } = await view.run<CorpusInfo>(call, hooks);
    const { documents: found, ...info } = value;
    const documents = found as RankDocument[];
    const { layout, order, maxDocumentTokens } = info;
    const settings = { layout, order, ...(maxDocumentTokens !== undefined && { maxDocumentTokens }) };
    return new IsolatedCorpus(view, {
      ...{ number, settings, info, file: source, documents, given: documents },
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
  async rank(query: string, options: CorpusRankOptions = {}): Promise<RankResult<T>> {
    assertQuery(query);
    const { options: plain, ...hooks } = splitOptions(options);
    const ranking = withWait(await this.#call<Ranking>("corpus.rank", [query], plain, hooks));
    return withDocuments(ranking, (index) => this.#given[index]!);
  }

  /** See `Corpus.rankMany`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  rankMany(queries: readonly string[], options: CorpusRankOptions = {}): RankBatch<T> {
    return batchIn(queries, options, () => ({
      documentAt: (index) => this.#given[index]!,
      run: async (plain, hooks) =>
        (await this.#call<BatchResult["throughput"]>("corpus.rankMany", [queries], plain, hooks)).value,
    }));
  }

  /** See `Corpus.add`. @throws What that throws, and QRHeadError `ENGINE_DIED`; the corpus is unchanged then. */
  async add(documents: readonly T[], options: Pick<RankOptions, "signal" | "onProgress"> = {}): Promise<void> {
    const { options: plain, ...hooks } = splitOptions(parseRankOptions(options));
    const first = this.#count;
    const [more, given] = [someDocuments(documents, "documents", first), [...documents]];
    // Calls made before this one is done name their documents after these.
    const count = first + more.length;
    this.#count = count;
    try {
      await this.#call("corpus.add", [more], plain, hooks);
    } catch (error) {
      if (this.#count === count) this.#count = first;
      throw error;
    }
    this.#documents = [...this.#documents, ...more];
    this.#given = [...this.#given, ...given];
    this.#file = undefined;
  }

  /** See `Corpus.remove`. @throws What that throws, and QRHeadError `ENGINE_DIED`. */
  async remove(ids: readonly string[]): Promise<void> {
    await this.#call("corpus.remove", [ids], {}, { signal: undefined, functions: {} });
    const gone = new Set(ids);
    const stays = this.#documents.map(({ id }) => !gone.has(id));
    this.#documents = this.#documents.filter((_, index) => stays[index]);
    this.#given = this.#given.filter((_, index) => stays[index]);
    this.#file = undefined;
  }

  /** See `Corpus.save`. @throws What that throws, and QRHeadError `ENGINE_DIED`; nothing is left of the file then. */
  async save(file: string, options: SaveOptions = {}): Promise<void> {
    if (typeof file !== "string" || file === "") throw invalidArgument("file", "the path of a file", file);
    const output = path.resolve(file);
    const { options: plain, ...hooks } = splitOptions(parseOptions(SAVING, options));
    await this.#call("corpus.save", [output], plain, hooks);
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
    if (this.#view.disposed || this.#view.child !== this.#home) return;
    const call: Call = { method: "corpus.dispose", corpus: this.#number, args: [], options: {} };
    await this.#view.run(call, { signal: undefined, functions: {} }).catch((error: unknown) => {
      // A process that has ended holds no corpus.
      if (!isQRHeadError(error) || !["DISPOSED", "ENGINE_DIED"].includes(error.code)) throw error;
    });
  }

  async #call<R>(
    method: Call["method"],
    args: unknown[],
    options: object,
    hooks: CallHooks,
  ): Promise<{ value: R; waitMs: number }> {
    if (this.#disposal) throw new QRHeadError("DISPOSED", "The corpus has been disposed");
    const call: Call = { method, corpus: this.#number, args, options };
    const prepare: Prepare = (child, ask) => this.#settle(child, ask);
    const { value, waitMs } = await this.#view.run<{ result: R; info: CorpusInfo }>(call, hooks, prepare);
    this.#info = value.info;
    return { value: value.result, waitMs };
  }

  /** Makes sure that this child has the corpus: loads it from its file, or reads it again if there is no file that fits. */
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
