import { z } from "zod";
import { corpusBody, pruneBody, rerankTei, rerankV1, rerankV2, retrieveBody } from "./bodies.ts";

type Schema = Record<string, unknown>;

const json = (schema: Schema) => ({ "application/json": { schema } });
const object = (properties: Record<string, Schema>, required: string[] = Object.keys(properties)): Schema => ({
  ...{ type: "object", properties, required },
});
const list = (items: Schema): Schema => ({ type: "array", items });
const text: Schema = { type: "string" };
const number: Schema = { type: "number" };
const count: Schema = { type: "integer", minimum: 0 };

/** The JSON schema of what a body must be. */
function schemaOf(schema: z.ZodType): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" }) as Schema;
  return rest;
}

const result = object(
  {
    index: count,
    relevance_score: { ...number, minimum: 0, maximum: 1 },
    raw_score: { ...number, description: "What results are sorted by, comparable within one answer only." },
    attention: { ...number, description: "What the heads say, where raw_score is fused." },
    prior: {
      ...number,
      description:
        "What the first stage says, where raw_score is fused: BM25 over the documents, or the prior of the request.",
    },
    id: text,
    document: { type: "object" },
    tokens: list(object({ text, score: number, kept: { type: "boolean" } })),
  },
  ["index", "relevance_score"],
);
const v1Answer = object(
  {
    ...{ id: text, model: text, object: text },
    usage: object({ prompt_tokens: count, total_tokens: count }),
    results: list(result),
    meta: { type: "object" },
  },
  ["model", "object", "usage", "results"],
);
const v2Answer = object({ id: text, results: list(result), meta: { type: "object" } });
const teiAnswer = list(object({ index: count, score: number, text }, ["index", "score"]));
const pruneAnswer = object({
  ...{ model: text, text },
  documents: list(
    object({
      ...{ index: count, text, dropped: count },
      kept: list(object({ begin: count, end: count, score: number, protected: { type: "boolean" } })),
    }),
  ),
  usage: object({ tokens: count, original_tokens: count, prompt_tokens: count }),
  warnings: list(text),
});
const retrieveAnswer = object({
  ...{ model: text, text },
  sources: list(
    object({ citation: count, id: text, title: text, text, score: number, relevance: number, document: text }, [
      "citation",
      "id",
      "text",
      "score",
      "relevance",
    ]),
  ),
  messages: list(object({ role: text, content: text })),
  ...{ abstained: { type: "boolean" }, below_threshold: count },
  usage: { type: "object" },
  timings: { type: "object" },
  warnings: list(text),
});
const corpusAnswer = object({ object: text, name: text, model: text, documents: count, created: count, bytes: count });
const anyError = object({ error: { type: "object" }, message: text, detail: text });

type Operation = { body?: Schema; answer?: Schema; error?: Schema; summary: string; type?: string };

function operation({ body, answer = { type: "object" }, error = anyError, summary, type }: Operation, named = false) {
  const failure = (description: string) => ({ description, content: json(error) });
  const parameter = {
    name: "name",
    in: "path",
    required: true,
    schema: { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$" },
  };
  return {
    summary,
    ...(named && { parameters: [parameter] }),
    ...(body && { requestBody: { required: true, content: json(body) } }),
    responses: {
      200: { description: "The answer.", content: type ? { [type]: { schema: text } } : json(answer) },
      ...(body && {
        400: failure("A wrong body; the message names the field."),
        408: failure("The body did not arrive in time."),
        413: failure("The body, or a text in it, is too long."),
        415: failure("A body of another type than JSON."),
        422: failure("The model's vocabulary cannot spell a text."),
        429: failure("Too many requests wait; Retry-After says when to come back."),
        504: failure("The request was not done in time."),
      }),
      401: failure("No key, or a wrong one."),
      default: failure("Anything else that went wrong."),
    },
  };
}

/** The document of `GET /openapi.json`; the schemas of bodies are those that they are checked with. */
export function openApi(needsKey: boolean): object {
  const cohereError = object({ message: text });
  const v1 = { body: schemaOf(rerankV1), answer: v1Answer };
  const eitherAnswer = { anyOf: [v1Answer, teiAnswer] };
  const eitherError = { anyOf: [anyError, object({ error: text, error_type: text })] };
  const { corpus: _, documents: __, ...ofCorpus } = rerankV1.shape;
  const get = (summary: string, answer?: Schema, type?: string) => ({
    get: operation({ summary, ...(answer && { answer }), ...(type && { type }) }),
  });
  const post = (one: Operation, named = false) => ({ post: operation(one, named) });
  return {
    openapi: "3.1.0",
    info: { title: "qrhead", version: "1", description: "Reranks and prunes by the attention heads of GGUF models." },
    paths: {
      "/v1/rerank": post({ ...v1, summary: "Rerank, as Cohere v1, Jina and llama.cpp" }),
      "/v2/rerank": post({
        ...{ body: schemaOf(rerankV2), answer: v2Answer, error: cohereError, summary: "Rerank, as Cohere v2" },
      }),
      "/rerank": post({
        body: { anyOf: [schemaOf(rerankV1), schemaOf(rerankTei)] },
        answer: eitherAnswer,
        error: eitherError,
        summary: 'Rerank, as llama.cpp with "documents" and as Text Embeddings Inference with "texts"',
      }),
      "/v1/prune": post({ body: schemaOf(pruneBody), answer: pruneAnswer, summary: "Keep what the query attends to" }),
      "/v1/retrieve": post({
        ...{
          body: schemaOf(retrieveBody),
          answer: retrieveAnswer,
          summary: "Chunks that fit a budget, to answer from",
        },
      }),
      "/v1/corpora": get("Stored corpora", object({ object: text, data: list({ type: "object" }) })),
      "/v1/corpora/{name}": {
        get: operation({ summary: "A stored corpus", answer: corpusAnswer }, true),
        put: operation({ body: schemaOf(corpusBody), answer: corpusAnswer, summary: "Read and store documents" }, true),
        delete: operation({ summary: "Delete a stored corpus" }, true),
      },
      "/v1/corpora/{name}/rerank": post(
        { body: schemaOf(z.object(ofCorpus)), answer: v1Answer, summary: "Rank a stored corpus" },
        true,
      ),
      "/v1/models": get("Served models", object({ object: text, data: list({ type: "object" }) })),
      "/health": get("Whether the server runs"),
      "/ready": get("Whether it takes requests"),
      "/metrics": get("Metrics for Prometheus", undefined, "text/plain"),
      "/openapi.json": get("This document"),
    },
    ...(needsKey && {
      components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
      security: [{ key: [] }],
    }),
  };
}
