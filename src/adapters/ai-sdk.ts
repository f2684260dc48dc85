import { invalidArgument } from "../errors.ts";
import { type DocumentInput, QRHeadError, type RankOptions } from "../index.ts";
import { assertList, assertObject, assertText } from "../util/given.ts";
import { Source, type SourceOptions, textOf } from "./source.ts";

export type { AdapterRetriever, SourceOptions } from "./source.ts";

/** What `rerank` of `ai` asks of a model. */
export type RerankCall = {
  documents: { type: "text"; values: string[] } | { type: "object"; values: object[] };
  query: string;
  topN?: number | undefined;
  abortSignal?: AbortSignal | undefined;
  /** `qrhead.prior`: scores of the search that found the documents, one for each, which join the heads'. */
  providerOptions?: { qrhead?: { prior?: unknown } } | Record<string, Record<string, unknown>> | undefined;
};

export type RerankAnswer = {
  /** Best first. `relevanceScore` is the library's `relevance` by place (`relevanceByPlace`), from 0 to 1. */
  ranking: { index: number; relevanceScore: number }[];
  /** `scores`: the library's own scores, in the order of the ranking. */
  providerMetadata: { qrhead: { scores: number[] } };
  response: { timestamp: Date; modelId: string };
};

/** Versions of the AI SDK's interface: `ai` 6 takes the first, `ai` 7 both. */
export type SpecificationVersion = "v3" | "v4";

export type QRHeadOptions<V extends SpecificationVersion = SpecificationVersion> = SourceOptions & {
  /** Version of the interface that models and provider have. Defaults to `"v3"`, which `ai` 6 and 7 take. */
  specificationVersion?: V | undefined;
};

/** A reranking model of the AI SDK. */
export type QRHeadRerankingModel<V extends SpecificationVersion = "v3"> = {
  readonly specificationVersion: V;
  readonly provider: "qrhead";
  readonly modelId: string;
  doRerank(call: RerankCall): Promise<RerankAnswer>;
};

/** A provider of the AI SDK that reranks and does nothing else. */
export type QRHeadProvider<V extends SpecificationVersion = "v3"> = AsyncDisposable & {
  readonly specificationVersion: V;
  /** @param modelId A GGUF or `hf:` URI. Defaults to the model of the options, else to the built-in one. */
  reranking(modelId?: string): QRHeadRerankingModel<V>;
  /** The same; registries and `customProvider` call it so. */
  rerankingModel(modelId?: string): QRHeadRerankingModel<V>;
  languageModel(modelId: string): never;
  embeddingModel(modelId: string): never;
  imageModel(modelId: string): never;
  /** Frees the models that were loaded. */
  dispose(): Promise<void>;
};

const BUILT_IN = "built-in";

/**
 * A provider for `rerank` of the AI SDK (`ai` 6 and 7). Each model is loaded at its first call, and once.
 *
 * @throws Its models throw what `QRRetriever.load` and `rank` throw.
 * @example
 * const qrhead = createQRHead();
 * const { ranking } = await qrhead
 *   .reranking()
 *   .doRerank({ query: "Who wrote it?", documents: { type: "text", values: ["Ada wrote it."] } });
 */
export function createQRHead<V extends SpecificationVersion = "v3">(given: QRHeadOptions<V> = {}): QRHeadProvider<V> {
  assertObject(given, "options");
  const { specificationVersion = "v3" as V, ...options } = given;
  if (!["v3", "v4"].includes(specificationVersion)) {
    throw invalidArgument("specificationVersion", '"v3" or "v4"', specificationVersion);
  }
  const own = options.model ?? BUILT_IN;
  const sources = new Map([[own, new Source(options, ["specificationVersion"])]]);
  const sourceOf = (modelId: string) => {
    const model = modelId === BUILT_IN ? undefined : modelId;
    const source = sources.get(modelId) ?? new Source({ ...options, model });
    sources.set(modelId, source);
    return source;
  };
  const reranking = (modelId = own): QRHeadRerankingModel<V> => {
    assertText(modelId, "modelId");
    return rerankingOf(modelId);
  };
  const rerankingOf = (modelId: string): QRHeadRerankingModel<V> => ({
    specificationVersion,
    provider: "qrhead",
    modelId,
    doRerank: async (call) => {
      assertObject(call, "options");
      const { documents, query, topN, abortSignal, providerOptions } = call;
      assertObject(documents, "documents", "{ type, values }");
      assertList(documents.values, "documents.values");
      const texts: DocumentInput[] = documents.type === "text" ? documents.values : documents.values.map(textOf);
      const { prior } = (providerOptions?.qrhead ?? {}) as Pick<RankOptions, "prior">;
      const ranked = await sourceOf(modelId).rank(query, texts, { topN, signal: abortSignal, prior });
      return {
        ranking: ranked.map(({ index, relevance }) => ({ index, relevanceScore: relevance })),
        providerMetadata: { qrhead: { scores: ranked.map(({ score }) => score) } },
        response: { timestamp: new Date(), modelId },
      };
    },
  });
  const none = (kind: string) => (modelId: string) => {
    throw new QRHeadError("MODEL_UNSUPPORTED", `qrhead has no ${kind} model ${JSON.stringify(modelId)}: it reranks`);
  };
  const dispose = async () => {
    await Promise.all([...sources.values()].map((source) => source.dispose()));
  };
  return {
    specificationVersion,
    reranking,
    rerankingModel: reranking,
    languageModel: none("language"),
    embeddingModel: none("embedding"),
    imageModel: none("image"),
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
