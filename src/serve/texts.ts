import {
  assembleContext,
  chunkDocuments,
  type PruneOptions,
  type RankDocument,
  type RankResult,
  toMessages,
} from "../index.ts";
import { corpusBody, type DocumentBody, parseBody, pruneBody, retrieveBody, toDocument } from "./bodies.ts";
import { HttpError } from "./failure.ts";
import type { Engine, ServedModel } from "./models.ts";
import { type Services, storeOf } from "./ranking.ts";
import type { Answer } from "./rerank.ts";

const DEFAULT_BUDGET = 2000;
/** The score of a text that gets no more attention than from the null query. */
const NOTHING = 0;

/** What stays of a text, or of several. */
export async function answerPrune(services: Services, body: unknown, signal: AbortSignal): Promise<Answer> {
  const asked = parseBody(pruneBody, body);
  const { query, text, documents, budget_tokens, threshold, top_k, relative, unit, marker } = asked;
  const model = services.models.find(asked.model);
  const input = text ?? documents!.map((document, index) => toDocument(document, index));
  const options = {
    ...defined({ budgetTokens: budget_tokens, threshold, topK: top_k, relative, unit, marker }),
  } as PruneOptions;
  const result = await model.queue.run(async (running) => {
    const engine = await model.engine();
    return engine.prune(query, input, { ...options, signal: running });
  }, signal);
  services.metrics.ranked(model.id, result);
  const { tokens, originalTokens, promptTokens } = result.usage;
  return {
    timings: result.timings,
    model: model.id,
    body: {
      model: model.id,
      text: result.text,
      documents: result.documents.map(({ id: _, ...rest }) => rest),
      usage: { tokens, original_tokens: originalTokens, prompt_tokens: promptTokens },
      warnings: result.warnings,
    },
  };
}

/** The best chunks of documents or of a corpus that fit a budget, as one text to answer from. */
export async function answerRetrieve(services: Services, body: unknown, signal: AbortSignal): Promise<Answer> {
  const asked = parseBody(retrieveBody, body);
  const { query, documents, corpus } = asked;
  if ((documents === undefined) === (corpus === undefined)) {
    throw new HttpError(400, 'expected exactly one of "documents" and "corpus"');
  }
  const model = corpus === undefined ? services.models.find(asked.model) : storeOf(services).find(corpus).served;
  return model.queue.run(async (running) => {
    const engine = await model.engine();
    const { chunks, result } = corpus
      ? await rankCorpus(services, model, corpus, query, running)
      : await rankChunks(engine, documents!, query, asked.chunk_tokens, running);
    services.metrics.ranked(model.id, result);
    return toAnswer(engine, model, chunks, result, asked);
  }, signal);
}

async function rankCorpus(services: Services, model: ServedModel, name: string, query: string, signal: AbortSignal) {
  const stored = await model.corpus(name, storeOf(services).find(name).file);
  return { chunks: stored.documents, result: await stored.rank(query, { signal }) };
}

async function rankChunks(
  engine: Engine,
  documents: readonly DocumentBody[],
  query: string,
  chunkTokens: number | null | undefined,
  signal: AbortSignal,
) {
  const chunks = await chunkDocuments(engine, withIds(documents), { ...defined({ chunkTokens }), signal });
  return { chunks, result: await engine.rank(query, chunks, { signal }) };
}

async function toAnswer(
  engine: Engine,
  model: ServedModel,
  chunks: RankDocument[],
  result: RankResult,
  { query, top_k, budget_tokens, order }: { query: string } & Partial<ReturnType<typeof retrieveBody.parse>>,
): Promise<Answer> {
  const scores = new Map(result.results.map(({ index, score }) => [index, score]));
  const byIndex = new Map(result.results.map(({ index, relevance }) => [index, relevance]));
  const pieces = chunks.map((chunk, index) => ({ ...chunk, score: scores.get(index)! }));
  const isAnyRelevant = pieces.some(({ score }) => score > NOTHING);
  const context = await assembleContext(pieces, {
    budgetTokens: budget_tokens ?? DEFAULT_BUDGET,
    countTokens: async (text) => (await engine.tokenize(text)).tokens.length,
    ...defined({ topK: top_k, order }),
    ...(isAnyRelevant && { above: NOTHING }),
  });
  const sources = context.sources.map(({ citation, index, id, title, score }) => ({
    ...{ citation, id, ...placeOf(id), ...(title && { title }) },
    ...{ text: chunks[index]!.text, score, relevance: byIndex.get(index)! },
  }));
  return {
    timings: result.timings,
    model: model.id,
    body: {
      model: model.id,
      text: context.text,
      sources,
      messages: toMessages(context.text, query),
      usage: { tokens: context.tokens, prompt_tokens: result.usage.promptTokens, chunks: chunks.length },
      timings: result.timings,
      warnings: result.warnings,
    },
  };
}

/** Reads documents and keeps them under a name. */
export async function answerUpload(
  services: Services,
  name: string,
  body: unknown,
  signal: AbortSignal,
): Promise<Answer> {
  const { model: asked, documents, chunk_tokens } = parseBody(corpusBody, body);
  const store = storeOf(services);
  const model = services.models.find(asked);
  const texts = withIds(documents);
  const cut = async (running: AbortSignal) =>
    chunk_tokens == null
      ? texts
      : chunkDocuments(await model.engine(), texts, { chunkTokens: chunk_tokens, signal: running });
  const stored = await store.put(name, model, cut, signal);
  return { model: model.id, body: { object: "corpus", ...stored, bytes: await store.bytes(name) } };
}

/** Documents with their own ids where they have some, and their positions otherwise. */
function withIds(documents: readonly DocumentBody[]): RankDocument[] {
  return documents.map((document, index) => {
    const id = typeof document === "object" ? document.id : undefined;
    const made = toDocument(document, index);
    return typeof id === "string" || typeof id === "number" ? { ...made, id: String(id) } : made;
  });
}

/** Where a chunk stands in its document, in UTF-16 units of its text. */
function placeOf(id: string): { document?: string; begin?: number; end?: number } {
  const [, document, begin, end] = /^(.*)#(\d+)-(\d+)$/s.exec(id) ?? [];
  return document === undefined ? {} : { document, begin: Number(begin), end: Number(end) };
}

/** Without what is null or undefined. */
function defined<T extends object>(options: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value != null)) as never;
}
