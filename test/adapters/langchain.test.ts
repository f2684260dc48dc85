// The compressors with LangChain.js itself, in two versions of its core.
import { ContextualCompressionRetriever } from "@langchain/classic/retrievers/contextual_compression";
import { DocumentCompressorPipeline } from "@langchain/classic/retrievers/document_compressors";
import { Document } from "@langchain/core/documents";
import { BaseRetriever } from "@langchain/core/retrievers";
import { BaseDocumentCompressor } from "@langchain/core/retrievers/document_compressors";
import { Document as Document0 } from "langchain-core-0/documents";
import { BaseDocumentCompressor as BaseDocumentCompressor0 } from "langchain-core-0/retrievers/document_compressors";
import { beforeAll, describe, expect, it } from "vitest";
import { QRHeadPruner, QRHeadRerank } from "../../src/adapters/langchain.ts";
import type { QRRetriever } from "../../src/index.ts";
import { query, ranked, texts } from "../helpers/adapted.ts";

let retriever: QRRetriever;
let order: number[];
const made = ranked();
beforeAll(() => {
  ({ retriever, order } = made);
});

// biome-ignore lint/suspicious/noExplicitAny: as LangChain types metadata.
const documents = (): Document<Record<string, any>>[] =>
  texts.map((pageContent, page) => new Document({ pageContent, metadata: { page }, id: `d${page}` }));

class Fixed extends BaseRetriever {
  lc_namespace = ["test"];
  override async _getRelevantDocuments() {
    return documents();
  }
}

describe("QRHeadRerank", () => {
  it("sorts documents, which keep their class, ids and metadata", async () => {
    const reranker = new QRHeadRerank({ retriever, topN: 2 });
    const ranked = await reranker.compressDocuments(documents(), query);
    expect(ranked.map(({ id }) => id)).toEqual(order.slice(0, 2).map((index) => `d${index}`));
    for (const document of ranked) {
      expect(document).toBeInstanceOf(Document);
      expect(document.metadata).toEqual({ page: Number(document.id!.slice(1)), relevanceScore: expect.any(Number) });
    }
    const older = texts.map((pageContent, page) => new Document0({ pageContent, metadata: { page } }));
    const [best] = await reranker.compressDocuments(older, query);
    expect(best).toBeInstanceOf(Document0);
    expect(best!.metadata.page).toBe(order[0]);
    expect(await reranker.compressDocuments([], query)).toEqual([]);
  });

  it("lets the search's scores join the heads', from the metadata", async () => {
    const given = documents().map((one, index) => {
      one.metadata.found = index === order.at(-1) ? 100 : 1;
      return one;
    });
    const { results } = await retriever.rank(query, texts, { prior: given.map(({ metadata }) => metadata.found) });
    const reranker = new QRHeadRerank({ retriever, priorKey: "found" });
    const ranked = await reranker.compressDocuments(given, query);
    expect(ranked.map(({ id }) => id)).toEqual(results.map(({ index }) => `d${index}`));
    await expect(reranker.compressDocuments(documents(), query)).rejects.toThrow(
      "Expected a finite number of every document for metadata.found but received undefined",
    );
    await expect(reranker.rerank(texts, query)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("refuses wrong options when it is made, and names its own", () => {
    expect(() => new QRHeadRerank({ topN: 0 })).toThrow(/at least 1 for topN/);
    expect(() => new QRHeadRerank({ topn: 5 } as object)).toThrow(
      /Unknown option topn: expected one of topN, titleKey/,
    );
  });

  it("is a compressor for both versions, and for their retriever and pipeline", async () => {
    const reranker = new QRHeadRerank({ retriever });
    expect(BaseDocumentCompressor.isBaseDocumentCompressor(reranker)).toBe(true);
    expect(BaseDocumentCompressor0.isBaseDocumentCompressor(reranker)).toBe(true);
    const typed: BaseDocumentCompressor = reranker;
    const typed0: BaseDocumentCompressor0 = reranker;
    expect(typed).toBe(typed0);
    const pruner = new QRHeadPruner({ retriever, prune: { topK: 1, marker: "" } });
    const baseCompressor = new DocumentCompressorPipeline({ transformers: [reranker, pruner] });
    const compression = new ContextualCompressionRetriever({ baseCompressor, baseRetriever: new Fixed() });
    const found = await compression.invoke(query);
    expect(found).toHaveLength(1);
    expect(texts[found[0]!.metadata.page as number]).toContain(found[0]!.pageContent);
  });

  it("ranks texts and records by position", async () => {
    const reranker = new QRHeadRerank({ retriever });
    for (const given of [texts, texts.map((text) => ({ text })), documents()]) {
      const ranked = await reranker.rerank(given, query, { topN: 2 });
      expect(ranked.map(({ index }) => index)).toEqual(order.slice(0, 2));
    }
    const reason = new Error("enough");
    await expect(reranker.rerank(texts, query, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("takes documents without metadata, and null for what is left out", async () => {
    const reranker = new QRHeadRerank({ retriever, titleKey: "t", topN: null as unknown as undefined });
    const bare = texts.map((pageContent) => ({ pageContent })) as Document[];
    const ranked = await reranker.compressDocuments(bare, query);
    expect(ranked.map(({ pageContent }) => pageContent)).toEqual(order.map((index) => texts[index]));
  });

  it("reads titles", async () => {
    const titled = documents().map((document, index) => {
      document.metadata.name = `Title ${index}`;
      return document;
    });
    const [one] = await new QRHeadRerank({ retriever, titleKey: "name" }).rerank(titled, query);
    const expected = await retriever.rank(
      query,
      texts.map((text, index) => ({ text, title: `Title ${index}` })),
    );
    expect(one!.index).toBe(expected.results[0]!.index);
  });
});

describe("QRHeadPruner", () => {
  it("leaves of each document what the library leaves, and drops what is empty", async () => {
    const pruner = new QRHeadPruner({ retriever, prune: { budgetTokens: 12 } });
    const given = [...documents(), new Document({ pageContent: " " })];
    const pruned = await pruner.compressDocuments(given, query);
    const expected = await retriever.prune(
      query,
      texts.map((text) => ({ text })),
      { budgetTokens: 12 },
    );
    expect(pruned.map(({ pageContent }) => pageContent)).toEqual(
      expected.documents.filter(({ kept }) => kept.length > 0).map(({ text }) => text),
    );
    for (const { id, metadata } of pruned) expect(id).toBe(`d${metadata.page}`);
    expect(await pruner.compressDocuments([], query)).toEqual([]);
  });
});
