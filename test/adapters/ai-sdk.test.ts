// The provider with two versions of the AI SDK.
import { type RerankingModel as Model6, createProviderRegistry as registry6, rerank as rerank6 } from "ai-6";
import { type RerankingModel as Model7, createProviderRegistry as registry7, rerank as rerank7 } from "ai-7";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createQRHead, type QRHeadProvider } from "../../src/adapters/ai-sdk.ts";
import type { QRRetriever } from "../../src/index.ts";
import { modelPath } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const query = "Where is the tower?";
const documents = ["Bananas are yellow.", "The tower stands in Paris.", "Bread is baked."];
let own: QRRetriever;
let qrhead: QRHeadProvider;
let order: number[];

beforeAll(async () => {
  own = await loadTiny("tiny-llama");
  qrhead = createQRHead({ model: modelPath("tiny-llama"), heads: "all", gpu: false, threads: 1 });
  order = (await own.rank(query, documents)).results.map(({ index }) => index);
});
afterAll(async () => {
  await own.dispose();
  await qrhead.dispose();
});

/** Types of each version take the model as it is. */
const models = (): { six: Model6; seven: Model7 } => ({ six: qrhead.reranking(), seven: qrhead.rerankingModel() });

describe("rerank of ai", () => {
  it.each([
    ["6", (options: object) => rerank6({ model: models().six, ...options } as Parameters<typeof rerank6>[0])],
    ["7", (options: object) => rerank7({ model: models().seven, ...options } as Parameters<typeof rerank7>[0])],
  ])("%s ranks texts and objects, cuts, and stops", async (_, rerank) => {
    const { ranking, rerankedDocuments, providerMetadata } = await rerank({ query, documents });
    expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual(order);
    expect(rerankedDocuments).toEqual(order.map((index) => documents[index]));
    const scores = ranking.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    for (const score of scores) expect(score > 0 && score < 1).toBe(true);
    expect(providerMetadata?.qrhead?.scores).toHaveLength(3);

    const objects = documents.map((text, page) => ({ text, page }));
    expect((await rerank({ query, documents: objects, topN: 2 })).rerankedDocuments).toEqual(
      order.slice(0, 2).map((index) => objects[index]),
    );
    expect((await rerank({ query, documents: [] })).ranking).toEqual([]);
    const reason = new Error("enough");
    const aborted = { query, documents, maxRetries: 0, abortSignal: AbortSignal.abort(reason) };
    await expect(rerank(aborted)).rejects.toBe(reason);
  });

  it("refuses a version and a model that are none", () => {
    const wrong = (code: string) => expect.objectContaining({ name: "InputError", code });
    expect(() => createQRHead({ specificationVersion: 10n as never })).toThrow(wrong("INVALID_ARGUMENT"));
    expect(() => createQRHead().reranking(5 as never)).toThrow(wrong("INVALID_ARGUMENT"));
  });

  it("finds the model in a registry", async () => {
    const id = `qrhead:${modelPath("tiny-llama")}` as const;
    const six = registry6({ qrhead }).rerankingModel(id);
    const seven = registry7({ qrhead }).rerankingModel(id);
    expect((await rerank6({ model: six, query, documents })).ranking[0]!.originalIndex).toBe(order[0]);
    expect((await rerank7({ model: seven, query, documents })).ranking[0]!.originalIndex).toBe(order[0]);
    expect(() => qrhead.languageModel("gpt")).toThrow(/it reranks/);
  });

  it("has the newer interface on request, in the types too", async () => {
    const newer = createQRHead({ retriever: own, specificationVersion: "v4" });
    const model: Extract<Model7, { specificationVersion: "v4" }> = newer.reranking();
    expect([newer.specificationVersion, model.specificationVersion]).toEqual(["v4", "v4"]);
    const { ranking } = await rerank7({ model, query, documents });
    expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual(order);
    const found = registry7({ qrhead: newer }).rerankingModel("qrhead:built-in");
    expect(found).toMatchObject({ specificationVersion: "v4", modelId: "built-in" });
    expect(() => createQRHead({ specificationVersion: "v5" as "v4" })).toThrow(/"v3" or "v4"/);
  });

  it("takes the search's scores as an option of the provider", async () => {
    const prior = documents.map((_, index) => (index === order.at(-1) ? 100 : 1));
    const { results } = await own.rank(query, documents, { prior });
    const expected = results.map(({ index }) => index);
    const asked = { model: createQRHead({ retriever: own }).reranking(), query, documents };
    const providerOptions = { qrhead: { prior } };
    for (const { ranking } of [
      await rerank6({ ...asked, providerOptions }),
      await rerank7({ ...asked, providerOptions }),
    ]) {
      expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual(expected);
    }
    const short = rerank7({ ...asked, maxRetries: 0, providerOptions: { qrhead: { prior: [1] } } });
    await expect(short).rejects.toThrow(/one per document for prior/);
    expect(() => createQRHead({ topn: 1 } as object)).toThrow(/Unknown option topn/);
  });

  it("uses a retriever that was loaded, and loads an isolated one", async () => {
    const given = createQRHead({ retriever: own });
    expect((await rerank6({ model: given.reranking(), query, documents })).ranking[0]!.originalIndex).toBe(order[0]);
    await given.dispose();
    expect(own.disposed).toBe(false);
    await using isolated = createQRHead({ model: modelPath("tiny-llama"), heads: "all", gpu: false, isolated: true });
    expect((await rerank6({ model: isolated.reranking(), query, documents })).ranking[0]!.originalIndex).toBe(order[0]);
  });
});
