import { invalidArgument } from "../errors.ts";
import type { PruneOptions } from "../index.ts";
import { assertList, assertObject, assertText } from "../util/given.ts";
import { assertTopN, Source, type SourceOptions, textOf } from "./source.ts";

export type { AdapterRetriever, SourceOptions } from "./source.ts";

/** A document of LangChain. */
export type LangChainDocument = { pageContent: string; metadata: Record<string, unknown>; id?: string | undefined };

export type QRHeadRerankOptions = SourceOptions & {
  /** Documents to keep at most. Defaults to all. */
  topN?: number | undefined;
  /** Key of the metadata that has a document's title, which is read above its text. Defaults to none. */
  titleKey?: string | undefined;
  /**
   * Key of the metadata that has the score of the search that found a document, higher is better. These scores join the heads',
   * as `prior` of `rank`. Defaults to none.
   */
  priorKey?: string | undefined;
};

/**
 * A document compressor of LangChain.js that sorts by relevance: for `ContextualCompressionRetriever`, or by itself. The
 * documents keep their metadata and ids, and get `metadata.relevanceScore`, from 0 to 1: the library's relevance by place (`relevanceByPlace`).
 *
 * @example
 * await using reranker = new QRHeadRerank({ topN: 5 });
 * const best = await reranker.compressDocuments([{ pageContent: "Ada wrote it.", metadata: {} }], "Who wrote it?");
 */
export class QRHeadRerank implements AsyncDisposable {
  readonly topN: number | undefined;
  readonly #titleKey: string | undefined;
  readonly #priorKey: string | undefined;
  readonly #source: Source;

  constructor(options: QRHeadRerankOptions = {}) {
    assertObject(options, "options");
    const { topN, titleKey, priorKey, ...source } = options;
    assertTopN(topN);
    this.topN = topN;
    this.#titleKey = titleKey;
    this.#priorKey = priorKey;
    this.#source = new Source(source, ["topN", "titleKey", "priorKey"]);
  }

  /** The best documents, best first. */
  async compressDocuments<T extends LangChainDocument>(
    documents: T[],
    query: string,
    _callbacks?: unknown,
  ): Promise<T[]> {
    const ranked = await this.#rank(documents, query, this.topN);
    return ranked.map(({ document: { given }, relevance }) =>
      changed(given, { metadata: { ...given.metadata, relevanceScore: relevance } }),
    );
  }

  /** Positions of the best documents, best first. Of records the `text` is read, else their JSON. */
  async rerank(
    documents: readonly (LangChainDocument | string | Record<string, string>)[],
    query: string,
    { topN = this.topN, signal }: { topN?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<{ index: number; relevanceScore: number }[]> {
    const ranked = await this.#rank(documents, query, topN, signal);
    return ranked.map(({ index, relevance }) => ({ index, relevanceScore: relevance }));
  }

  /** Frees the model, if it was loaded here. */
  dispose(): Promise<void> {
    return this.#source.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #rank<T extends LangChainDocument | string | Record<string, string>>(
    documents: readonly T[],
    query: string,
    topN: number | undefined,
    signal?: AbortSignal | undefined,
  ) {
    assertList(documents, "documents");
    const texts = Array.from(documents, (given) => {
      const one: LangChainDocument | string | Record<string, string> = given;
      const read = typeof one === "string" ? { text: one } : isDocument(one) ? this.#read(one) : textOf(one);
      return { ...read, given };
    });
    const key = this.#priorKey;
    const prior = key === undefined ? undefined : texts.map(({ given }) => scoreOf(given, key));
    return this.#source.rank(query, texts, { topN, signal, prior });
  }

  #read({ pageContent, metadata }: LangChainDocument) {
    assertText(pageContent, "pageContent");
    const title = this.#titleKey === undefined ? undefined : metadata?.[this.#titleKey];
    return { text: pageContent, ...(typeof title === "string" && { title }) };
  }
}

export type QRHeadPrunerOptions = SourceOptions & {
  /** How much to keep, and of what. */
  prune: Omit<PruneOptions, "signal" | "onProgress">;
};

/**
 * A document compressor of LangChain.js that leaves of every document what the query attends to. Documents keep their order,
 * metadata and ids; those of which nothing stays, and those without text, are left out.
 *
 * @example
 * await using pruner = new QRHeadPruner({ prune: { budgetTokens: 500 } });
 * const shorter = await pruner.compressDocuments([{ pageContent: "Ada wrote it.", metadata: {} }], "Who wrote it?");
 */
export class QRHeadPruner implements AsyncDisposable {
  readonly #prune: QRHeadPrunerOptions["prune"];
  readonly #source: Source;

  constructor(options: QRHeadPrunerOptions) {
    assertObject(options, "options");
    const { prune, ...source } = options;
    this.#prune = prune;
    this.#source = new Source(source, ["prune"]);
  }

  async compressDocuments<T extends LangChainDocument>(
    documents: T[],
    query: string,
    _callbacks?: unknown,
  ): Promise<T[]> {
    assertList(documents, "documents");
    const given = documents.filter((document) => {
      assertObject(document, "documents", "documents with pageContent");
      assertText(document.pageContent, "pageContent");
      return document.pageContent.trim() !== "";
    });
    if (given.length === 0) return [];
    const retriever = await this.#source.get();
    const texts = given.map(({ pageContent }) => ({ text: pageContent }));
    const pruned = await retriever.prune(query, texts, this.#prune as PruneOptions);
    return pruned.documents
      .filter(({ kept }) => kept.length > 0)
      .map(({ index, text }) => changed(given[index]!, { pageContent: text }));
  }

  /** Frees the model, if it was loaded here. */
  dispose(): Promise<void> {
    return this.#source.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

function isDocument(value: LangChainDocument | Record<string, string>): value is LangChainDocument {
  assertObject(value, "documents", "texts and objects");
  return "pageContent" in value;
}

/** What a document's search gave it. @throws InputError `INVALID_ARGUMENT` for one without. */
function scoreOf(document: LangChainDocument | string | Record<string, string>, key: string): number {
  const score = typeof document === "object" && isDocument(document) ? document.metadata?.[key] : undefined;
  if (!Number.isFinite(score)) throw invalidArgument(`metadata.${key}`, "a finite number of every document", score);
  return score as number;
}

/** A copy with other fields, of the same class. */
function changed<T extends LangChainDocument>(document: T, fields: Partial<LangChainDocument>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(document)), document, fields);
}
