import { chunkDocuments, type PruneOptions, type RankDocument, type RetrieveResult } from "../index.ts";
import { corpusBody, type DocumentBody, parseBody, pruneBody, retrieveBody, toDocument } from "./bodies.ts";
import { HttpError, warningsFor } from "./failure.ts";
import type { ServedModel } from "./models.ts";
import { type Services, storeOf } from "./ranking.ts";
import type { Answer } from "./rerank.ts";

const DEFAULT_BUDGET = 2000;

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
      warnings: warningsFor(result.warnings, false),
    },
  };
}

/** The best chunks of documents or of a corpus that fit a budget, as one text to answer from. */
export async function answerRetrieve(services: Services, body: unknown, signal: AbortSignal): Promise<Answer> {
  const asked = parseBody(retrieveBody, body);
  const { query, documents, corpus } = asked;
  if ((documents == null) === (corpus == null)) {
    throw new HttpError(400, 'expected exactly one of "documents" and "corpus"');
  }
  const model = corpus == null ? services.models.find(asked.model) : (await storeOf(services).find(corpus)).served;
  const { top_k, threshold, budget_tokens, chunk_tokens, candidates, order, fuse } = asked;
  return model.queue.run(async (running) => {
    const engine = await model.engine();
    const from = corpus == null ? toBeCut(withIds(documents!)) : await storeOf(services).open(corpus, model);
    const found = await engine.retrieve(query, from, {
      ...defined({
        topK: top_k,
        threshold,
        order,
        candidates,
        fuse,
        ...(corpus == null && { chunkTokens: chunk_tokens }),
      }),
      ...{ budgetTokens: budget_tokens ?? DEFAULT_BUDGET, signal: running },
    });
    services.metrics.ranked(model.id, found);
    return toAnswer(model, found);
  }, signal);
}

function toAnswer(model: ServedModel, found: RetrieveResult): Answer {
  const { text, messages, usage, timings, warnings, abstained, belowThreshold } = found;
  const sources = found.sources.map(({ citation, id, documentId, begin, end, title, ...source }) => ({
    ...{ citation, id, ...(documentId !== id && { document: documentId, begin, end }), ...(title && { title }) },
    ...{ text: source.text, score: source.score, relevance: source.relevance },
  }));
  return {
    timings,
    model: model.id,
    body: {
      ...{ model: model.id, text, sources, messages, abstained, below_threshold: belowThreshold },
      usage: {
        ...{ tokens: usage.contextTokens, prompt_tokens: usage.promptTokens },
        ...{ chunks: usage.chunks, candidates: usage.candidates },
      },
      ...{ timings, warnings: warningsFor(warnings, false) },
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
      : chunkDocuments(await model.engine(), toBeCut(texts), { chunkTokens: chunk_tokens, signal: running });
  return { model: model.id, body: { object: "corpus", ...(await store.put(name, model, cut, signal)) } };
}

/** Documents with their own ids where they have some, and their positions otherwise. */
function withIds(documents: readonly DocumentBody[]): RankDocument[] {
  return documents.map((document, index) => {
    const id = typeof document === "object" ? document.id : undefined;
    const made = toDocument(document, index);
    return typeof id === "string" || typeof id === "number" ? { ...made, id: String(id) } : made;
  });
}

/** Documents to cut into chunks, of which blank ones have none. @throws HttpError 400 where none has any. */
function toBeCut(documents: readonly RankDocument[]): readonly RankDocument[] {
  if (documents.some(({ text }) => text.trim() !== "")) return documents;
  throw new HttpError(400, '"documents" must have at least one text that is not blank');
}

/** Without what is null or undefined. */
function defined<T extends object>(options: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value != null)) as never;
}
