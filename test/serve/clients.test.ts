// The clients of other services, pointed at the server.
import { createCohere } from "@ai-sdk/cohere-3";
import { rerank } from "ai-6";
import { CohereClient, CohereClientV2 } from "cohere-ai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningServer } from "../../src/serve/server.ts";
import { send, serveTiny } from "../helpers/server.ts";

// It warns that Cohere takes objects as text.
(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false;

let server: RunningServer;
const query = "Where is the tower?";
const documents = ["Bananas are yellow.", "The tower stands in Paris.", "Bread is baked."];
let expected: { index: number; relevance_score: number }[];

beforeAll(async () => {
  server = await serveTiny({ apiKeys: ["secret"] });
  const headers = { authorization: "Bearer secret" };
  const { body } = await send(`${server.url}/v2/rerank`, { query, documents }, { headers });
  expected = body.results.map(({ index, relevance_score }: (typeof expected)[number]) => ({ index, relevance_score }));
});
afterAll(() => server.close());

const scores = (results: readonly { index: number; relevanceScore: number }[]) =>
  results.map(({ index, relevanceScore }) => ({ index, relevance_score: relevanceScore }));

describe("clients", () => {
  it("cohere-ai, version 2 of the interface", async () => {
    const client = new CohereClientV2({ token: "secret", environment: server.url });
    const answer = await client.rerank({ model: "rerank-v3.5", query, documents, topN: 2 });
    expect(scores(answer.results)).toEqual(expected.slice(0, 2));
    expect(answer.meta?.billedUnits?.searchUnits).toBe(1);
    await expect(client.rerank({ model: "rerank-v3.5", query: " ", documents })).rejects.toMatchObject({
      ...{ statusCode: 400, body: { message: '"query" must not be blank' } },
    });
    const stranger = new CohereClientV2({ token: "wrong", environment: server.url });
    await expect(stranger.rerank({ model: "m", query, documents })).rejects.toMatchObject({ statusCode: 401 });
  });

  it("cohere-ai, version 1, with documents in the answer", async () => {
    const client = new CohereClient({ token: "secret", environment: server.url });
    const answer = await client.rerank({
      query,
      documents: documents.map((text) => ({ text })),
      returnDocuments: true,
    });
    expect(scores(answer.results)).toEqual(expected);
    for (const { index, document } of answer.results) expect(document?.text).toBe(documents[index]);
  });

  it("the AI SDK's provider for Cohere", async () => {
    const cohere = createCohere({ apiKey: "secret", baseURL: `${server.url}/v2` });
    const { ranking } = await rerank({ model: cohere.reranking("rerank-v3.5"), query, documents, topN: 2 });
    expect(ranking).toEqual(
      expected.slice(0, 2).map(({ index, relevance_score }) => ({
        ...{ originalIndex: index, score: relevance_score, document: documents[index] },
      })),
    );
    const objects = documents.map((text, page) => ({ text, page }));
    const ranked = await rerank({ model: cohere.reranking("rerank-v3.5"), query, documents: objects });
    expect(ranked.rerankedDocuments).toHaveLength(3);
  });
});
