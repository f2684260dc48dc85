import { randomUUID } from "node:crypto";
import type { z } from "zod";
import { type Fuse, type RankedDocument, type RankResult, relevanceByPlace } from "../index.ts";
import { counted } from "../util/counted.ts";
import { type DocumentBody, parseBody, type rerankTei, rerankV1, rerankV2, toDocument } from "./bodies.ts";
import { HttpError, warningsFor } from "./failure.ts";
import { rankFor, type Services, type Subject } from "./ranking.ts";

/** An answer, and the times for its `Server-Timing` header. */
export type Answer = { body: unknown; timings?: RankResult["timings"]; model?: string };

/** Cohere v2. */
export async function answerV2(services: Services, body: unknown, signal: AbortSignal): Promise<Answer> {
  const asked = parseBody(rerankV2, body);
  const documents = asked.documents.map((document, index) => toDocument(document, index));
  const ranked = await rank(services, asked, { documents }, signal);
  const { promptTokens } = ranked.result.usage;
  return {
    ...ranked.answer,
    body: {
      id: randomUUID(),
      results: ranked.results.map(({ shown }) => shown),
      meta: {
        api_version: { version: "2" },
        billed_units: { search_units: 1 },
        tokens: { input_tokens: promptTokens },
        ...warningsOf(ranked.result),
      },
    },
  };
}

/**
 * Cohere v1, Jina and llama.cpp, whose shapes go together; and stored corpora.
 *
 * @param missing What to say where there is nothing to rank.
 */
export async function answerV1(
  services: Services,
  body: unknown,
  signal: AbortSignal,
  missing = '"documents" must be provided',
): Promise<Answer> {
  const asked = parseBody(rerankV1, body);
  const { documents, corpus, return_documents, rank_fields } = asked;
  if ((documents == null) === (corpus == null)) {
    throw new HttpError(400, documents ? 'expected exactly one of "documents" and "corpus"' : missing);
  }
  const subject: Subject = documents
    ? { documents: documents.map((document, index) => toDocument(document, index, rank_fields)) }
    : { corpus: corpus! };
  const ranked = await rank(services, asked, subject, signal);
  const { promptTokens } = ranked.result.usage;
  return {
    ...ranked.answer,
    body: {
      id: randomUUID(),
      model: ranked.answer.model,
      object: "list",
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
      results: ranked.results.map(({ shown, index, id, document }) => ({
        ...shown,
        ...(corpus != null && { id }),
        ...(return_documents && { document: documents ? asObject(documents[index]!) : document }),
      })),
      meta: { api_version: { version: "1" }, billed_units: { search_units: 1 }, ...warningsOf(ranked.result) },
    },
  };
}

/** Text Embeddings Inference. */
export async function answerTei(
  services: Services,
  asked: z.infer<typeof rerankTei>,
  signal: AbortSignal,
): Promise<Answer> {
  const documents = asked.texts.map((text, index) => ({ id: String(index), text }));
  const { results, answer } = await rank(services, asked, { documents }, signal);
  const body = results.map(({ index, shown, score }) => ({
    index,
    score: asked.raw_scores ? score : shown.relevance_score,
    ...(asked.return_text && { text: asked.texts[index] }),
  }));
  return { ...answer, body };
}

type Asked = {
  model?: string | null | undefined;
  query: string;
  top_n?: number | null | undefined;
  max_tokens_per_doc?: number | null | undefined;
  return_token_scores?: boolean | null | undefined;
  return_raw_scores?: boolean | null | undefined;
  fuse?: Fuse | null | undefined;
  prior?: number[] | null | undefined;
};

async function rank(services: Services, asked: Asked, subject: Subject, signal: AbortSignal) {
  const { query, top_n, max_tokens_per_doc, return_token_scores, fuse, prior } = asked;
  const documents = "documents" in subject ? subject.documents.length : undefined;
  if (prior && documents !== undefined && prior.length !== documents) {
    const given = `${counted(prior.length, "number")} for ${counted(documents, "document")}`;
    throw new HttpError(400, `"prior" must have one number for each document but has ${given}`);
  }
  const { model, result } = await rankFor(
    ...([services, asked.model, query, subject] as const),
    {
      ...(return_token_scores && { tokenScores: true }),
      ...(fuse && { fuse }),
      ...(prior && { prior }),
      ...(max_tokens_per_doc && "documents" in subject && { maxDocumentTokens: max_tokens_per_doc }),
    },
    signal,
  );
  const results = toResults(result.results, asked.return_raw_scores === true).slice(0, top_n ?? undefined);
  return { result, results, answer: { timings: result.timings, model: model.id } };
}

/**
 * The one place that names the numbers of a result. Both scores fall from rank to rank. What other services do not have is
 * there on request alone: some clients refuse what they do not know.
 */
function toResults(results: readonly RankedDocument[], hasRaw: boolean) {
  const relevances = relevanceByPlace(results);
  return results.map(({ index, id, document, score, attention, prior, tokenScores }, place) => {
    const shown = {
      index,
      relevance_score: relevances[place]!,
      ...(hasRaw && { raw_score: score, ...(attention !== undefined && { attention, prior }) }),
      ...(tokenScores && { tokens: tokenScores }),
    };
    return { index, id, document, score, shown };
  });
}

function asObject(document: DocumentBody): object {
  return typeof document === "string" ? { text: document } : document;
}

function warningsOf({ warnings }: RankResult): { warnings?: string[] } {
  return warnings.length > 0 ? { warnings: warningsFor(warnings, true) } : {};
}
