import { invalidArgument } from "../errors.ts";
import {
  type DocumentInput,
  type LoadOptions,
  QRRetriever,
  type RankedDocument,
  type RankOptions,
  type Retriever,
  relevanceByPlace,
} from "../index.ts";
import { IsolatedRetriever } from "../isolate/index.ts";
import { ISOLATING } from "../options/corpora.ts";
import { LOADING } from "../options/model.ts";
import { unknownOption } from "../options/parse.ts";
import { SCORING } from "../options/ranking.ts";
import { assertObject, assertText } from "../util/given.ts";
import { fieldsOf } from "../util/kinds.ts";

/** What adapters use of a retriever: one of this process, or an isolated one. */
export type AdapterRetriever = Pick<Retriever, "model" | "rank" | "prune" | "dispose">;

/** A retriever, or how to load one: when it is first needed, and once. */
export type SourceOptions = LoadOptions & {
  /** A loaded retriever. The adapter does not dispose of it. The other options have no effect with it. */
  retriever?: AdapterRetriever | undefined;
  /** Load the model into a process of its own, as `qrhead/isolated`. Defaults to `false`. */
  isolated?: boolean | undefined;
};

/** What one call says: how many to keep, the scores of the search that found the documents, and what stops it. */
type Ranking = Pick<RankOptions, "prior" | "signal"> & { topN?: number | null | undefined };

/** Loads a retriever when it is first asked for. */
export class Source implements AsyncDisposable {
  readonly #given: AdapterRetriever | undefined;
  readonly #load: () => Promise<AdapterRetriever>;
  #loading: Promise<AdapterRetriever> | undefined;

  /**
   * @param own Options of the adapter itself, which a message names too.
   * @throws InputError `INVALID_ARGUMENT` for options that are no object or unknown, and a retriever that is none.
   */
  constructor(given: SourceOptions, own: readonly string[] = []) {
    assertObject(given, "options");
    const { retriever, isolated = false, ...options } = given;
    if (retriever !== undefined && typeof fieldsOf<AdapterRetriever>(retriever).rank !== "function") {
      throw invalidArgument("retriever", "a loaded retriever", retriever);
    }
    const known = Object.keys({ ...SCORING, ...LOADING, ...(isolated && ISOLATING) });
    const unknown = Object.keys(options).find((name) => !known.includes(name));
    if (unknown !== undefined) throw unknownOption(unknown, [...own, "retriever", "isolated", ...known]);
    this.#given = retriever;
    this.#load = () => (isolated ? IsolatedRetriever.load(options) : QRRetriever.load(options));
  }

  async get(): Promise<AdapterRetriever> {
    if (this.#given) return this.#given;
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  /** The best of these, best first, with relevances that fall. Without any, no model is loaded. */
  async rank<T extends DocumentInput>(
    query: string,
    documents: readonly T[],
    { topN, ...options }: Ranking = {},
  ): Promise<RankedDocument<T>[]> {
    assertText(query, "query");
    assertTopN(topN);
    if (documents.length === 0) return [];
    const { results } = await (await this.get()).rank(query, documents, options);
    const relevances = relevanceByPlace(results);
    return results.map((one, place) => ({ ...one, relevance: relevances[place]! })).slice(0, topN ?? undefined);
  }

  /** Frees the model, if it was loaded here. */
  async dispose(): Promise<void> {
    const loading = this.#loading;
    this.#loading = undefined;
    await (await loading?.catch(() => undefined))?.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** @throws InputError `INVALID_ARGUMENT` for what is no count. JSON has null for an option that is left out. */
export function assertTopN(topN: unknown): void {
  if (topN != null && !(Number.isInteger(topN) && (topN as number) >= 1))
    throw invalidArgument("topN", "an integer of at least 1", topN);
}

/** The text of an object: its `text` below its `title` where it has one, and its JSON otherwise. */
export function textOf(value: object): { text: string; title?: string } {
  assertObject(value, "documents", "texts and objects");
  const { text, title } = value as { text?: unknown; title?: unknown };
  if (typeof text !== "string") return { text: written(value) };
  return { text, ...(typeof title === "string" && { title }) };
}

/** An object as JSON. @throws InputError `INVALID_ARGUMENT` for one that JSON cannot hold. */
function written(value: object): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw invalidArgument("documents", `objects that JSON can hold (${error.message.split("\n")[0]})`, value);
  }
}
