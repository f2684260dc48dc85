// Every entry point with values that no type allows: symbols, bigints, proxies without a target, getters that throw, objects
// that hold themselves. What is refused is refused with an error of the library, or with the caller's own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createQRHead } from "../../src/adapters/ai-sdk.ts";
import { QRHeadPruner, QRHeadRerank } from "../../src/adapters/langchain.ts";
import { QRHeadPostprocessor } from "../../src/adapters/llamaindex.ts";
import {
  bootstrapExamples,
  detectHeads,
  detectRetrievalHeads,
  formatHeadSet,
  parseExamples,
} from "../../src/detect/index.ts";
import { evaluate, findSetting, parseMeasure, parseMethods, renderHtml, writeTrecFiles } from "../../src/eval/index.ts";
import { compareHeadSets, exportHeadSet, plotHeadSet, plotPage, trimHeadSet } from "../../src/heads/index.ts";
import {
  ask,
  assembleContext,
  type ChunkIndex,
  type Corpus,
  chunkDocuments,
  inspectionPage,
  isQRHeadError,
  matchHeadSet,
  openIndex,
  PUBLISHED_HEAD_SETS,
  parseDocuments,
  parseHeadSet,
  QRRetriever,
  readTexts,
  relevanceByPlace,
  toMessages,
  toPrompt,
} from "../../src/index.ts";
import { IsolatedRetriever } from "../../src/isolate/index.ts";
import { loadIsolated } from "../helpers/isolated.ts";
import { loadTiny } from "../helpers/retriever.ts";

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested.
type Any = any;

class OfTheCaller extends Error {}
const raise = () => {
  throw new OfTheCaller();
};
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
const { proxy: revokedList, revoke: revokeList } = Proxy.revocable([], {});
revokeList();
const cyclic: Record<string, unknown> = {};
cyclic.self = cyclic;
const cyclicList: unknown[] = [];
cyclicList.push(cyclicList);

const VALUES: Readonly<Record<string, Any>> = {
  "a symbol": Symbol("odd"),
  "a bigint": 3n,
  "a function": () => 1,
  "a revoked proxy": revoked,
  "a revoked list": revokedList,
  "an object that holds itself": cyclic,
  "a list that holds itself": cyclicList,
  "an object without a prototype": Object.assign(Object.create(null), { odd: 1 }),
  "an object that throws when it is read": new Proxy(
    {},
    { get: raise, has: raise, ownKeys: raise, getPrototypeOf: raise },
  ),
  "an object that throws when it is written out": {
    odd: 1,
    toJSON: raise,
    toString: raise,
    [Symbol.toPrimitive]: raise,
  },
  "a date that is none": new Date(Number.NaN),
  "a list with holes": new Array(2),
};

let retriever: QRRetriever;
let isolated: IsolatedRetriever;
let corpus: Corpus;
let index: ChunkIndex;
const folder = mkdtempSync(path.join(tmpdir(), "qrhead-odd-"));
beforeAll(async () => {
  retriever = await loadTiny("tiny-llama-spm");
  isolated = await loadIsolated("tiny-llama-spm");
  corpus = await retriever.corpus(["a", "b"], { layout: "independent" });
  index = await openIndex(path.join(folder, "index.qri"));
});
afterAll(async () => {
  await index.close();
  await retriever.dispose();
  await isolated.dispose();
  rmSync(folder, { recursive: true });
});

const docs = ["a", "b"];
const [{ set }] = PUBLISHED_HEAD_SETS as Any;
const budget = { budgetTokens: 9, countTokens: () => 1 };

/** Calls by name, each with the odd value in the place that the name tells. */
const CALLS: Readonly<Record<string, (odd: Any) => unknown>> = {
  "load(odd)": (odd) => QRRetriever.load(odd),
  "load({ model: odd })": (odd) => QRRetriever.load({ model: odd }),
  "load({ heads: odd })": (odd) => QRRetriever.load({ heads: odd, gpu: false }),
  "load({ signal: odd })": (odd) => QRRetriever.load({ signal: odd }),
  "withHeads(odd)": (odd) => retriever.withHeads(odd),
  ...ofRetriever("retriever", () => retriever),
  ...ofRetriever("isolated", () => isolated),
  "isolated load(odd)": (odd) => IsolatedRetriever.load(odd),
  "isolated load({ model: odd })": (odd) => IsolatedRetriever.load({ model: odd }),
  "corpus.rank(odd)": (odd) => corpus.rank(odd),
  "corpus.rank(q, odd)": (odd) => corpus.rank("q", odd),
  "corpus.rankMany(odd)": (odd) => corpus.rankMany(odd),
  "corpus.add(odd)": (odd) => corpus.add(odd),
  "corpus.add([odd])": (odd) => corpus.add([odd]),
  "corpus.remove(odd)": (odd) => corpus.remove(odd),
  "corpus.remove([odd])": (odd) => corpus.remove([odd]),
  "corpus.save(odd)": (odd) => corpus.save(odd),
  "corpus.save(file, odd)": (odd) => corpus.save(path.join(folder, "c.qrc"), odd),
  "ask(odd)": (odd) => ask(odd, docs, { generate: retriever }),
  "ask(q, odd)": (odd) => ask("q", odd, { generate: retriever }),
  "ask(q, [odd])": (odd) => ask("q", [odd], { generate: retriever }),
  "ask(q, docs, odd)": (odd) => ask("q", docs, odd),
  "ask(q, docs, { generate: odd })": (odd) => ask("q", docs, { generate: odd, maxTokens: 1 }),
  "ask(q, docs, { retriever: odd })": (odd) => ask("q", docs, { generate: () => odd, retriever: odd }),
  "ask(q, docs, { history: odd })": (odd) => ask("q", docs, { generate: retriever, history: odd }),
  "ask(q, docs, { generate: () => odd })": (odd) => ask("q", docs, { generate: () => odd, retriever }),
  "toMessages(odd)": (odd) => toMessages(odd, "q"),
  "toMessages(c, odd)": (odd) => toMessages("c", odd),
  "toMessages(c, q, odd)": (odd) => toMessages("c", "q", odd),
  "toMessages(c, q, i, odd)": (odd) => toMessages("c", "q", "i", odd),
  "toMessages(c, q, i, [odd])": (odd) => toMessages("c", "q", "i", [odd]),
  "toPrompt(odd)": (odd) => toPrompt(odd, "q"),
  "toPrompt(c, q, odd)": (odd) => toPrompt("c", "q", odd),
  "assembleContext(odd)": (odd) => assembleContext(odd, budget),
  "assembleContext([odd])": (odd) => assembleContext([odd], budget),
  "assembleContext([{ text: odd }])": (odd) => assembleContext([{ id: "a", text: odd, score: 1 }], budget),
  "assembleContext([{ title: odd }])": (odd) => assembleContext([{ id: "a", text: "a", title: odd, score: 1 }], budget),
  "assembleContext(pieces, odd)": (odd) => assembleContext([{ id: "a", text: "a", score: 1 }], odd),
  "assembleContext(countTokens: () => odd)": (odd) =>
    assembleContext([{ id: "a", text: "a", score: 1 }], { budgetTokens: 9, countTokens: () => odd }),
  "chunkDocuments(odd)": (odd) => chunkDocuments(odd, docs),
  "chunkDocuments(retriever, odd)": (odd) => chunkDocuments(retriever, odd),
  "chunkDocuments(retriever, [odd])": (odd) => chunkDocuments(retriever, [odd]),
  "chunkDocuments(retriever, docs, odd)": (odd) => chunkDocuments(retriever, docs, odd),
  "readTexts(odd)": (odd) => readTexts(odd),
  "readTexts([odd])": (odd) => readTexts([odd]),
  "readTexts([], odd)": (odd) => readTexts(["package.json"], odd),
  "parseDocuments(odd)": (odd) => parseDocuments(odd, "notes"),
  "parseDocuments(text, odd)": (odd) => parseDocuments("{", odd),
  "parseDocuments(text, name, odd)": (odd) => parseDocuments("a", "notes", odd),
  "parseHeadSet(odd)": (odd) => parseHeadSet(odd, "heads"),
  "parseHeadSet(text, odd)": (odd) => parseHeadSet("{", odd),
  "matchHeadSet(odd)": (odd) => matchHeadSet(odd),
  "openIndex(odd)": (odd) => openIndex(odd),
  "openIndex(file, odd)": (odd) => openIndex(path.join(folder, "other.qri"), odd),
  "index.update(odd)": (odd) => index.update(odd),
  "index.update([odd])": (odd) => index.update([odd]),
  "index.update([], odd)": (odd) => index.update([folder], odd),
  "index.search(odd)": (odd) => index.search(odd),
  "index.search(q, odd)": (odd) => index.search("q", odd),
  "inspectionPage(odd)": (odd) => inspectionPage(odd, { name: "m", headSet: "h" }),
  "relevanceByPlace(odd)": (odd) => relevanceByPlace(odd),
  "relevanceByPlace([odd])": (odd) => relevanceByPlace([odd]),
  "detectHeads(odd)": (odd) => detectHeads(odd),
  "detectHeads({ examples: odd })": (odd) => detectHeads({ examples: odd }),
  "detectHeads({ examples: [odd] })": (odd) => detectHeads({ examples: [odd] }),
  "detectRetrievalHeads(odd)": (odd) => detectRetrievalHeads(odd),
  "detectRetrievalHeads({ facts: odd })": (odd) => detectRetrievalHeads({ text: "a b c", facts: odd }),
  "parseExamples(odd)": (odd) => parseExamples(odd, "examples"),
  "parseExamples(text, odd)": (odd) => parseExamples("{", odd),
  "bootstrapExamples(odd)": (odd) => bootstrapExamples(odd),
  "bootstrapExamples([odd])": (odd) => bootstrapExamples([odd]),
  "bootstrapExamples(texts, odd)": (odd) => bootstrapExamples(["a"], odd),
  "formatHeadSet(odd)": (odd) => formatHeadSet(odd),
  "compareHeadSets(odd)": (odd) => compareHeadSets(odd, set),
  "compareHeadSets(set, odd)": (odd) => compareHeadSets(set, odd),
  "exportHeadSet(odd)": (odd) => exportHeadSet(odd, "qrhead-yaml", "mine"),
  "exportHeadSet(set, odd)": (odd) => exportHeadSet(set, odd, "mine"),
  "plotHeadSet(odd)": (odd) => plotHeadSet(odd, "mine"),
  "plotHeadSet(set, odd)": (odd) => plotHeadSet(set, odd),
  "plotPage(odd)": (odd) => plotPage(odd, "mine"),
  "trimHeadSet(odd)": (odd) => trimHeadSet(odd, 1, "mine"),
  "trimHeadSet(set, odd)": (odd) => trimHeadSet(set, odd, "mine"),
  "evaluate(odd)": (odd) => evaluate(odd),
  "evaluate({ data: odd })": (odd) => evaluate({ data: odd }),
  "evaluate({ methods: odd })": (odd) => evaluate({ data: ["nowhere"], methods: odd }),
  "evaluate({ measures: odd })": (odd) => evaluate({ data: ["nowhere"], measures: odd }),
  "parseMethods(odd)": (odd) => parseMethods(odd),
  "parseMethods([odd])": (odd) => parseMethods([odd]),
  "parseMeasure(odd)": (odd) => parseMeasure(odd),
  "findSetting(odd)": (odd) => findSetting(odd),
  "renderHtml(odd)": (odd) => renderHtml(odd),
  "writeTrecFiles(odd)": (odd) => writeTrecFiles(odd, folder),
  "createQRHead(odd)": (odd) =>
    createQRHead(odd)
      .reranking()
      .doRerank({ query: "q", documents: { type: "text", values: docs } }),
  "doRerank(odd)": (odd) => createQRHead({ retriever }).reranking().doRerank(odd),
  "doRerank({ documents: odd })": (odd) =>
    createQRHead({ retriever }).reranking().doRerank({ query: "q", documents: odd }),
  "doRerank({ values: [odd] })": (odd) =>
    createQRHead({ retriever })
      .reranking()
      .doRerank({ query: "q", documents: { type: "object", values: [odd] } }),
  "doRerank({ query: odd })": (odd) =>
    createQRHead({ retriever })
      .reranking()
      .doRerank({ query: odd, documents: { type: "text", values: docs } }),
  "new QRHeadRerank(odd)": (odd) => new QRHeadRerank(odd).compressDocuments([{ pageContent: "a", metadata: {} }], "q"),
  "compressDocuments(odd)": (odd) => new QRHeadRerank({ retriever }).compressDocuments(odd, "q"),
  "compressDocuments([odd])": (odd) => new QRHeadRerank({ retriever }).compressDocuments([odd], "q"),
  "compressDocuments(docs, odd)": (odd) =>
    new QRHeadRerank({ retriever }).compressDocuments([{ pageContent: "a", metadata: {} }], odd),
  "rerank(docs, q, { topN: odd })": (odd) =>
    new QRHeadRerank({ retriever }).rerank([{ pageContent: "a", metadata: {} }], "q", { topN: odd }),
  "doRerank({ topN: odd })": (odd) =>
    createQRHead({ retriever })
      .reranking()
      .doRerank({ query: "q", documents: { type: "text", values: docs }, topN: odd }),
  "rerank([odd])": (odd) => new QRHeadRerank({ retriever }).rerank([odd], "q"),
  "new QRHeadPruner(odd)": (odd) => new QRHeadPruner(odd).compressDocuments([{ pageContent: "a", metadata: {} }], "q"),
  "pruner.compressDocuments(odd)": (odd) =>
    new QRHeadPruner({ retriever, prune: { budgetTokens: 9 } }).compressDocuments(odd, "q"),
  "pruner.compressDocuments([odd])": (odd) =>
    new QRHeadPruner({ retriever, prune: { budgetTokens: 9 } }).compressDocuments([odd], "q"),
  "postprocessNodes(odd)": (odd) => new QRHeadPostprocessor({ retriever }).postprocessNodes(odd, "q"),
  "postprocessNodes([odd])": (odd) => new QRHeadPostprocessor({ retriever }).postprocessNodes([odd], "q"),
  "postprocessNodes(nodes, odd)": (odd) =>
    new QRHeadPostprocessor({ retriever }).postprocessNodes([{ node: { getContent: () => "a" } }], odd),
};

/** Calls of the interface that both retrievers have. */
function ofRetriever(name: string, of: () => QRRetriever | IsolatedRetriever): Record<string, (odd: Any) => unknown> {
  const calls: Record<string, (odd: Any) => unknown> = {
    "rank(odd)": (odd) => of().rank(odd, docs),
    "rank(q, odd)": (odd) => of().rank("q", odd),
    "rank(q, [odd])": (odd) => of().rank("q", [odd]),
    "rank(q, [{ text: odd }])": (odd) => of().rank("q", [{ text: odd }]),
    "rank(q, [{ id: odd }])": (odd) => of().rank("q", [{ text: "a", id: odd }]),
    "rank(q, [{ title: odd }])": (odd) => of().rank("q", [{ text: "a", title: odd }]),
    "rank(q, docs, odd)": (odd) => of().rank("q", docs, odd),
    "rank(q, docs, { topK: odd })": (odd) => of().rank("q", docs, { topK: odd }),
    "rank(q, docs, { prior: odd })": (odd) => of().rank("q", docs, { prior: odd }),
    "rank(q, docs, { prior: [odd] })": (odd) => of().rank("q", docs, { prior: [odd, odd] }),
    "rank(q, docs, { fuse: odd })": (odd) => of().rank("q", docs, { fuse: odd }),
    "rank(q, docs, { windows: odd })": (odd) => of().rank("q", docs, { windows: odd }),
    "rank(q, docs, { signal: odd })": (odd) => of().rank("q", docs, { signal: odd }),
    "rankMany(odd)": (odd) => of().rankMany(odd, docs),
    "rankMany([odd])": (odd) => of().rankMany([odd], docs),
    "rankMany([q], odd)": (odd) => of().rankMany(["q"], odd),
    "corpus(odd)": (odd) => of().corpus(odd),
    "corpus([odd])": (odd) => of().corpus([odd]),
    "corpus(docs, odd)": (odd) => of().corpus(docs, odd),
    "corpus(docs, { saveTo: odd })": (odd) => of().corpus(docs, { saveTo: odd }),
    "loadCorpus(odd)": (odd) => of().loadCorpus(odd),
    "tokenize(odd)": (odd) => of().tokenize(odd),
    "tokenize(text, odd)": (odd) => of().tokenize("a", odd),
    "chunk(odd)": (odd) => of().chunk(odd),
    "chunk(text, odd)": (odd) => of().chunk("a", odd),
    "chunk(text, { turn: odd })": (odd) => of().chunk("a", { by: "turns", turn: odd }),
    "prune(odd)": (odd) => of().prune(odd, "a", { topK: 1 }),
    "prune(q, odd)": (odd) => of().prune("q", odd, { topK: 1 }),
    "prune(q, [odd])": (odd) => of().prune("q", [odd], { topK: 1 }),
    "prune(q, text, odd)": (odd) => of().prune("q", "a", odd),
    "prune(q, text, { protect: odd })": (odd) => of().prune("q", "a", { topK: 1, protect: odd }),
    "prune(q, text, { spans: odd })": (odd) => of().prune("q", "a", { topK: 1, protect: { spans: odd } }),
    "prune(q, text, countTokens: () => odd)": (odd) =>
      of().prune("q", "a b", { budgetTokens: 9, countTokens: () => odd }),
    "retrieve(odd)": (odd) => of().retrieve(odd, docs),
    "retrieve(q, odd)": (odd) => of().retrieve("q", odd),
    "retrieve(q, [odd])": (odd) => of().retrieve("q", [odd]),
    "retrieve(q, { paths: odd })": (odd) => of().retrieve("q", { paths: odd }),
    "retrieve(q, docs, odd)": (odd) => of().retrieve("q", docs, odd),
    "retrieve(q, docs, { history: odd })": (odd) => of().retrieve("q", docs, { history: odd }),
    "retrieve(q, docs, { history: [odd] })": (odd) => of().retrieve("q", docs, { history: [odd] }),
    "retrieve(q, docs, countTokens: () => odd)": (odd) =>
      of().retrieve("q", docs, { budgetTokens: 9, countTokens: () => odd }),
    "inspect(odd)": (odd) => of().inspect(odd, docs),
    "inspect(q, odd)": (odd) => of().inspect("q", odd),
    "inspect(q, docs, odd)": (odd) => of().inspect("q", docs, odd),
    "generate(odd)": (odd) => of().generate(odd),
    "generate([odd])": (odd) => of().generate([odd]),
    "generate([{ content: odd }])": (odd) => of().generate([{ role: "user", content: odd }]),
    "generate(messages, odd)": (odd) => of().generate([{ role: "user", content: "a" }], odd),
    "countTokens(odd)": (odd) => of().countTokens(odd),
  };
  return Object.fromEntries(Object.entries(calls).map(([call, run]) => [`${name}.${call}`, run]));
}

/** What a function returns is the caller's, and so is what waiting for it throws. */
const isReturned = (name: string) => name.includes("() => odd");

/** How a call went; what is no error of the library or of the caller is named. */
async function outcomeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return "done";
  } catch (error) {
    if (error instanceof OfTheCaller) return "the caller's";
    if (isQRHeadError(error)) return "typed";
    return `${(error as Error)?.name}: ${(error as Error)?.message}`;
  }
}

describe.each(Object.entries(CALLS))("%s", (name, call) => {
  test("throws what is documented, or does its work", async () => {
    const outcomes: Record<string, string> = {};
    for (const [odd, value] of Object.entries(VALUES)) {
      if (isReturned(name) && odd.includes("revoked")) continue;
      outcomes[odd] = await outcomeOf(() => call(value));
    }
    const strange = Object.entries(outcomes).filter(([, outcome]) => !/^(done|typed|the caller's)$/.test(outcome));
    expect(Object.fromEntries(strange)).toEqual({});
    expect(Object.values(outcomes)).toContain("typed");
  });
});

test("what is packed refuses a list without a target as the source does", async () => {
  const { assembleContext: packed } = (await import("../../dist/index.js")) as {
    assembleContext: typeof assembleContext;
  };
  expect(await outcomeOf(() => packed(VALUES["a revoked list"], budget))).toBe("typed");
});

test.each(["prune", "retrieve"] as const)("%s hears its signal while the caller counts", async (verb) => {
  const given = { budgetTokens: 20, countTokens: () => new Promise<number>(() => {}), signal: AbortSignal.timeout(50) };
  const asked = retriever[verb]("Where is it?", ["The ferry. More."], given);
  const alive = setInterval(() => {}, 1000);
  await expect(asked).rejects.toThrow(expect.objectContaining({ name: "TimeoutError" }));
  clearInterval(alive);
});
