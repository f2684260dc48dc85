// What the public types accept and give; tsc checks this file with the rest of the repository.
import { describe, expectTypeOf, test } from "vitest";
import { bootstrapExamples, type DetectOptions, detectHeads, parseExamples } from "../../src/detect/index.ts";
import { compareHeadSets, type ExportFormat, plotPage } from "../../src/heads/index.ts";
import {
  type AskOptions,
  ask,
  type BatchResult,
  type CacheType,
  type ChatMessage,
  type ContextOverflowError,
  Corpus,
  type DocumentInput,
  type GenerateResult,
  type Gpu,
  type Head,
  type HeadSet,
  type InputError,
  isQRHeadError,
  type LoadOptions,
  type ModelIdentity,
  matchHeadSet,
  type Progress,
  type PromptName,
  type PUBLISHED_HEAD_SETS,
  parseDocuments,
  parseHeadSet,
  type QRHeadError,
  type QRHeadErrorCode,
  QRRetriever,
  type RankDocument,
  type RankedDocument,
  type RankOptions,
  type RankResult,
  type Retriever,
  type RetrieverCorpus,
  type ScoringOptions,
  type Span,
  type TokenScore,
} from "../../src/index.ts";
import type { IsolatedRetriever } from "../../src/isolate/index.ts";

describe("QRRetriever", () => {
  test("is loaded, not constructed", () => {
    expectTypeOf(QRRetriever.load).returns.resolves.toEqualTypeOf<QRRetriever>();
    expectTypeOf(QRRetriever.load).parameter(0).toEqualTypeOf<LoadOptions | undefined>();
    // @ts-expect-error the constructor is private
    expectTypeOf(QRRetriever).toBeConstructibleWith();
  });

  test("makes corpora, which nobody else can", () => {
    expectTypeOf<QRRetriever["corpus"]>().returns.resolves.toEqualTypeOf<Corpus>();
    // @ts-expect-error the constructor is private
    expectTypeOf(Corpus).toBeConstructibleWith();
  });

  test("writes pieces of text, and returns how it ended", () => {
    const stream = (retriever: QRRetriever) => retriever.generate([{ role: "user", content: "Hello" }], { seed: 1 });
    expectTypeOf(stream).returns.toEqualTypeOf<AsyncGenerator<string, GenerateResult, void>>();
    expectTypeOf<GenerateResult["stopped"]>().toEqualTypeOf<"end" | "stop" | "maxTokens">();
  });

  test("asks with a model that is named", () => {
    expectTypeOf(ask).parameter(2).toEqualTypeOf<AskOptions>();
    expectTypeOf<{ topK: 3 }>().not.toExtend<AskOptions>();
    expectTypeOf<{ generate: string; signal: undefined; temperature: 1; repeatPenalty: 1.2 }>().toExtend<AskOptions>();
    expectTypeOf<{ generate: QRRetriever; retriever: QRRetriever; history: ChatMessage[] }>().toExtend<AskOptions>();
    expectTypeOf<{ generate: () => AsyncGenerator<string>; retriever: { model: "m.gguf" } }>().toExtend<AskOptions>();
    expectTypeOf<{ generate: 1 }>().not.toExtend<AskOptions>();
  });

  test("ranks and is disposed", () => {
    expectTypeOf<Parameters<QRRetriever["rank"]>>().toEqualTypeOf<
      [query: string, documents: readonly DocumentInput[], options?: RankOptions | undefined]
    >();
    expectTypeOf<QRRetriever["dispose"]>().returns.toEqualTypeOf<Promise<void>>();
    expectTypeOf<QRRetriever>().toExtend<AsyncDisposable>();
  });

  test("says what it is, read-only", () => {
    expectTypeOf<QRRetriever["model"]>().toExtend<ModelIdentity & { path: string }>();
    expectTypeOf<QRRetriever["heads"]>().toEqualTypeOf<Head[]>();
    expectTypeOf<QRRetriever["headSet"]>().toEqualTypeOf<string>();
    expectTypeOf<QRRetriever["prompt"]>().toEqualTypeOf<Exclude<PromptName, "auto">>();
    expectTypeOf<QRRetriever["disposed"]>().toEqualTypeOf<boolean>();
    const change = (retriever: QRRetriever) => {
      // @ts-expect-error a getter
      retriever.heads = [];
    };
    expectTypeOf(change).toBeFunction();
  });
});

describe("what a caller gets back", () => {
  type Page = { text: string; url: URL };
  const rank = (retriever: Retriever, pages: readonly Page[]) => retriever.rank("?", pages);
  const many = (retriever: Retriever, pages: Page[]) => retriever.rankMany(["?"], pages);
  const kept = async (retriever: QRRetriever, pages: Page[]) => (await retriever.corpus(pages)).rank("?");

  test("are documents of their own type", () => {
    expectTypeOf(rank).returns.resolves.toEqualTypeOf<RankResult<Page>>();
    expectTypeOf<RankResult<Page>["results"][number]["document"]>().toEqualTypeOf<Page>();
    expectTypeOf(kept).returns.resolves.toEqualTypeOf<RankResult<Page>>();
    expectTypeOf<RankResult<string>["results"][number]["document"]>().toEqualTypeOf<string>();
    const mixed = async (retriever: QRRetriever) => {
      const corpus = await retriever.corpus<DocumentInput>(["a text"]);
      await corpus.add([{ id: "b", text: "an object" }, "another text"]);
    };
    expectTypeOf(mixed).toBeFunction();
    const loaded = (retriever: QRRetriever) => retriever.loadCorpus("notes.corpus");
    expectTypeOf(loaded).returns.resolves.toEqualTypeOf<Corpus<RankDocument>>();
  });

  test("are batches to await and to go through", () => {
    expectTypeOf(many).returns.toExtend<AsyncIterable<RankResult<Page>>>();
    expectTypeOf(many).returns.resolves.toEqualTypeOf<BatchResult<Page>>();
  });

  test("come from whatever has the interface", () => {
    expectTypeOf<QRRetriever>().toExtend<Retriever>();
    expectTypeOf<IsolatedRetriever>().toExtend<Retriever>();
    expectTypeOf<Corpus<Page>>().toExtend<RetrieverCorpus<Page>>();
  });
});

describe("LoadOptions", () => {
  test("accept every documented form", () => {
    expectTypeOf<Record<never, never>>().toExtend<LoadOptions>();
    expectTypeOf<{ heads: "auto" | "all" | "random:16:1" | "13-18,13-21" }>().toExtend<LoadOptions>();
    expectTypeOf<{ heads: [number, number][] }>().toExtend<LoadOptions>();
    expectTypeOf<{ heads: readonly Head[] }>().toExtend<LoadOptions>();
    expectTypeOf<{ heads: HeadSet }>().toExtend<LoadOptions>();
    expectTypeOf<{ heads: (typeof PUBLISHED_HEAD_SETS)[number]["set"] }>().toExtend<LoadOptions>();
    expectTypeOf<{ gpu: false; gpuLayers: 0; cacheTypeK: "q8_0"; mmap: false }>().toExtend<LoadOptions>();
    expectTypeOf<{ model: string | undefined; signal: AbortSignal | undefined }>().toExtend<LoadOptions>();
    expectTypeOf<ScoringOptions>().toExtend<LoadOptions>();
    expectTypeOf<LoadOptions["prompt"]>().toEqualTypeOf<PromptName | undefined>();
    expectTypeOf<LoadOptions["gpu"]>().toEqualTypeOf<Gpu | undefined>();
    expectTypeOf<LoadOptions["cacheTypeV"]>().toEqualTypeOf<CacheType | undefined>();
    expectTypeOf<NonNullable<LoadOptions["onProgress"]>>().parameter(0).toEqualTypeOf<Progress>();
  });

  test("deny the rest", () => {
    expectTypeOf<{ gpu: true }>().not.toExtend<LoadOptions>();
    expectTypeOf<{ prompt: "llama4" }>().not.toExtend<LoadOptions>();
    expectTypeOf<{ cacheTypeK: "q3_k" }>().not.toExtend<LoadOptions>();
    expectTypeOf<{ contextSize: "4096" }>().not.toExtend<LoadOptions>();
    expectTypeOf<{ heads: number[] }>().not.toExtend<LoadOptions>();
    expectTypeOf<{ signal: AbortController }>().not.toExtend<LoadOptions>();
    expectTypeOf<LoadOptions>().not.toHaveProperty("topK");
    // @ts-expect-error a misspelt option
    const misspelt: LoadOptions = { modle: "model.gguf" };
    expectTypeOf(misspelt).toEqualTypeOf<LoadOptions>();
  });
});

describe("RankOptions", () => {
  test("are those of scoring and of one call", () => {
    expectTypeOf<ScoringOptions>().toExtend<RankOptions>();
    expectTypeOf<{
      topK: number;
      headScores: true;
      tokenScores: undefined;
      order: "reverse";
    }>().toExtend<RankOptions>();
    expectTypeOf<{ order: "backwards" }>().not.toExtend<RankOptions>();
    expectTypeOf<RankOptions>().not.toHaveProperty("heads");
    expectTypeOf<RankOptions>().not.toHaveProperty("contextSize");
  });
});

describe("documents", () => {
  test("are texts or objects", () => {
    expectTypeOf<string>().toExtend<DocumentInput>();
    expectTypeOf<RankDocument>().toExtend<DocumentInput>();
    expectTypeOf<{ text: string; title: undefined; id: number; page: Date }>().toExtend<DocumentInput>();
    expectTypeOf<{ text: string; title: null }>().not.toExtend<DocumentInput>();
    expectTypeOf<{ _id: string; contents: string }>().not.toExtend<DocumentInput>();
    expectTypeOf<number>().not.toExtend<DocumentInput>();
    expectTypeOf<{ text: number }>().not.toExtend<DocumentInput>();
  });

  test("are parsed from text or bytes, and can be ranked as they come", () => {
    expectTypeOf(parseDocuments).parameter(0).toEqualTypeOf<string | Uint8Array>();
    expectTypeOf(parseDocuments).returns.toEqualTypeOf<RankDocument[]>();
    expectTypeOf<RankDocument[]>().toExtend<Parameters<QRRetriever["rank"]>[1]>();
  });
});

describe("RankResult", () => {
  test("has results, usage, timings and warnings", () => {
    expectTypeOf<RankResult["results"]>().toEqualTypeOf<RankedDocument[]>();
    expectTypeOf<RankResult["heads"]>().toEqualTypeOf<Head[]>();
    expectTypeOf<RankResult["warnings"]>().toEqualTypeOf<string[]>();
    expectTypeOf<RankResult["usage"]>().toEqualTypeOf<{
      promptTokens: number;
      queryTokens: number;
      documentTokens: number[];
    }>();
    expectTypeOf<RankResult["timings"]["prefillMs"]>().toEqualTypeOf<number>();
  });

  test("has extras where they were asked for", () => {
    expectTypeOf<RankedDocument["score"]>().toEqualTypeOf<number>();
    expectTypeOf<RankedDocument["headScores"]>().toEqualTypeOf<number[] | undefined>();
    expectTypeOf<RankedDocument["tokenScores"]>().toEqualTypeOf<TokenScore[] | undefined>();
    expectTypeOf<RankedDocument["truncated"]>().toEqualTypeOf<true | undefined>();
    expectTypeOf<TokenScore>().toEqualTypeOf<{ text: string; score: number; kept: boolean }>();
  });
});

describe("head sets", () => {
  test("are read, matched and passed on", () => {
    expectTypeOf(parseHeadSet).returns.toEqualTypeOf<HeadSet>();
    expectTypeOf(matchHeadSet).parameter(0).toEqualTypeOf<ModelIdentity>();
    expectTypeOf<NonNullable<ReturnType<typeof matchHeadSet>>["set"]>().toExtend<LoadOptions["heads"]>();
    expectTypeOf<{ format: "qrhead-heads"; version: 1; heads: QRRetriever["heads"] }>().toExtend<HeadSet>();
    expectTypeOf<Span>().toEqualTypeOf<readonly [begin: number, end: number]>();
  });
});

describe("detection", () => {
  test("takes examples of both kinds, and gives a set with all its scores", () => {
    expectTypeOf(bootstrapExamples).returns.toExtend<DetectOptions["examples"]>();
    expectTypeOf(parseExamples).returns.toExtend<DetectOptions["examples"]>();
    expectTypeOf<DetectOptions["top"]>().toEqualTypeOf<number | "auto" | undefined>();
    expectTypeOf(detectHeads).returns.resolves.toExtend<LoadOptions["heads"]>();
    expectTypeOf<Awaited<ReturnType<typeof detectHeads>>["scores"]>().toEqualTypeOf<number[][]>();
    expectTypeOf<DetectOptions>().not.toHaveProperty("heads");
  });

  test("of sets that can be compared, written and drawn", () => {
    expectTypeOf(compareHeadSets).parameters.toEqualTypeOf<[a: HeadSet, b: HeadSet]>();
    expectTypeOf<ExportFormat>().toEqualTypeOf<"qrhead-yaml" | "qrhead-list" | "wu">();
    expectTypeOf(plotPage).parameter(0).toExtend<HeadSet>();
  });
});

describe("errors", () => {
  test("have one base, and codes that a switch can tell apart", () => {
    expectTypeOf<InputError>().toExtend<QRHeadError>();
    expectTypeOf<ContextOverflowError>().toExtend<QRHeadError>();
    expectTypeOf<QRHeadError>().toExtend<Error>();
    expectTypeOf<QRHeadError["code"]>().toEqualTypeOf<QRHeadErrorCode>();
    expectTypeOf<ContextOverflowError["promptTokens"]>().toEqualTypeOf<number>();
    expectTypeOf(isQRHeadError).guards.toEqualTypeOf<QRHeadError>();
    expectTypeOf<"DISPOSED">().toExtend<QRHeadErrorCode>();
  });
});
