// What the routes answer, in the shapes of the services whose clients call them.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { QRRetriever } from "../../src/index.ts";
import type { RunningServer } from "../../src/serve/server.ts";
import { loadTiny } from "../helpers/retriever.ts";
import { send, serveTiny } from "../helpers/server.ts";

let server: RunningServer;
let retriever: QRRetriever;
const query = "Where is the tower?";
const texts = ["Bananas are yellow.", "The tower stands in Paris.", "Bread is baked."];

beforeAll(async () => {
  [server, retriever] = await Promise.all([serveTiny({ maxBody: 100_000 }), loadTiny("tiny-llama")]);
});
afterAll(async () => {
  await Promise.all([server.close(), retriever.dispose()]);
});

const post = (path: string, body: unknown) => send(`${server.url}${path}`, body);

/** What a result says of order and scores. */
async function expected(documents: string[] = texts) {
  const { results } = await retriever.rank(query, documents);
  return results.map(({ index, score }) => ({ index, raw_score: score }));
}
const raw = { return_raw_scores: true };

/** The keys of every object of an answer. */
function keysOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values(value).flatMap(keysOf);
  return [...new Set([...(Array.isArray(value) ? [] : Object.keys(value)), ...inner])].toSorted();
}

describe("rerank routes", () => {
  it.each(["/v1/rerank", "/v1/reranking", "/rerank", "/reranking"])(
    "%s answers as llama.cpp and Jina do",
    async (path) => {
      const { status, body, headers } = await post(path, {
        ...{ model: "any", query, documents: texts, top_n: 2, ...raw },
      });
      expect(status).toBe(200);
      expect(body).toMatchObject({ model: "tiny-llama", object: "list", results: (await expected()).slice(0, 2) });
      expect(body.usage.total_tokens).toBeGreaterThan(20);
      expect(body.results[0]).not.toHaveProperty("document");
      expect(headers.get("server-timing")).toMatch(/prefill;dur=\d/);
      expect(headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  it("gives relevance that falls from 1 to 0 with the ranking", async () => {
    const { body } = await post("/v1/rerank", { query, documents: texts, ...raw });
    const relevance = body.results.map((one: { relevance_score: number }) => one.relevance_score);
    expect(relevance).toEqual(relevance.toSorted((a: number, b: number) => b - a));
    for (const { relevance_score, raw_score } of body.results) {
      expect(relevance_score).toBeGreaterThan(0);
      expect(relevance_score).toBeLessThan(1);
      expect(relevance_score > 0.5).toBe(raw_score > 0);
    }
  });

  it("/v1/rerank takes object documents, and returns them", async () => {
    const documents = [{ text: texts[0], page: 4 }, texts[1], { name: "bread", about: "It is baked." }];
    const { body } = await post("/v1/rerank", { query, documents, return_documents: true });
    for (const { index, document } of body.results) {
      const given = documents[index];
      expect(document).toEqual(typeof given === "string" ? { text: given } : given);
    }
    const fields = ["name: bread\nabout: It is baked.", "about: It is baked."];
    for (const [place, rank_fields] of [undefined, ["about"]].entries()) {
      const asked = rank_fields ? { documents: [documents[2]], rank_fields } : { documents: [documents[2]] };
      const result = await post("/v1/rerank", { query, ...asked, ...raw });
      expect(result.body.results).toMatchObject(await expected([fields[place]!]));
    }
  });

  it("/v2/rerank answers as Cohere does", async () => {
    const { status, body } = await post("/v2/rerank", {
      ...{ model: "rerank-v3.5", query, documents: texts, top_n: 1, ...raw },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: expect.any(String),
      results: (await expected()).slice(0, 1),
      meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } },
    });
  });

  it("gives what those services have and nothing more, unless it is asked for", async () => {
    const v1 = ["billed_units", "id", "index", "meta", "model", "object", "prompt_tokens", "relevance_score"];
    const v2 = ["api_version", "billed_units", "id", "index", "input_tokens", "meta", "relevance_score", "results"];
    const asked = { query, documents: texts };
    expect(keysOf((await post("/v1/rerank", asked)).body)).toEqual(
      [...v1, "api_version", "results", "search_units", "total_tokens", "usage", "version"].toSorted(),
    );
    expect(keysOf((await post("/v2/rerank", asked)).body)).toEqual(
      [...v2, "search_units", "tokens", "version"].toSorted(),
    );
    expect(keysOf((await post("/rerank", { query, texts })).body)).toEqual(["index", "score"]);
  });

  it.each(["/v1/rerank", "/v2/rerank", "/rerank"])("%s lets the search's scores join the heads'", async (path) => {
    const prior = [100, 1, 2];
    const { results } = await retriever.rank(query, texts, { prior, fuse: { weight: 0.3 } });
    const { body } = await post(path, { query, documents: texts, prior, fuse: { weight: 0.3 }, ...raw });
    expect(body.results).toMatchObject(
      results.map(({ index, score, attention, prior }) => ({ index, raw_score: score, attention, prior })),
    );
    for (const [wrong, message] of [
      [[1, 2], /^"prior" must have one number for each document but has 2 numbers for 3 documents$/],
      [[1, "2", 3], /"prior.1" must be a number/],
      ["bm25", /"prior" must be an array/],
    ] as const) {
      const answer = await post(path, { query, documents: texts, prior: wrong });
      expect(answer.status).toBe(400);
      expect(answer.body.message).toMatch(message);
    }
  });

  it("takes null for what is left out", async () => {
    const left = Object.fromEntries(
      ["model", "top_n", "max_tokens_per_doc", "return_documents", "rank_fields", "corpus", "fuse", "prior"].map(
        (name) => [name, null],
      ),
    );
    const { body } = await post("/v1/rerank", { ...left, query, documents: texts });
    expect(body.results).toHaveLength(3);
    expect((await post("/v2/rerank", { ...left, query, documents: texts })).status).toBe(200);
    expect((await post("/v1/retrieve", { ...left, query, documents: texts })).status).toBe(200);
    const tei = await post("/rerank", { ...left, query, texts, documents: null });
    expect(tei.body).toEqual((await post("/rerank", { query, texts })).body);
    expect((await post("/rerank", { query, documents: texts, texts: null })).body.results).toHaveLength(3);
    expect((await post("/v1/prune", { ...left, query, text: null, documents: texts, top_k: 1 })).status).toBe(200);
  });

  it("cuts documents at max_tokens_per_doc", async () => {
    const long = [`${"word ".repeat(100)}tower`, "short"];
    const whole = await post("/v2/rerank", { query, documents: long });
    const cut = await post("/v2/rerank", { query, documents: long, max_tokens_per_doc: 10 });
    expect(cut.body.meta.tokens.input_tokens).toBeLessThan(whole.body.meta.tokens.input_tokens - 80);
  });

  it("/rerank with texts answers as TEI does", async () => {
    const { body } = await post("/rerank", { query, texts, return_text: true });
    const order = await expected();
    expect(body.map(({ index }: { index: number }) => index)).toEqual(order.map(({ index }) => index));
    expect(body[0]).toEqual({ index: order[0]!.index, text: texts[order[0]!.index], score: expect.any(Number) });
    const raw = await post("/rerank", { query, texts, raw_scores: true });
    expect(raw.body).toEqual(order.map(({ index, raw_score }) => ({ index, score: raw_score })));
  });

  it("gives token scores on request", async () => {
    const { body } = await post("/v1/rerank", { query, documents: texts, return_token_scores: true, ...raw });
    const [{ index, tokens, raw_score }] = body.results;
    expect(tokens.map(({ text }: { text: string }) => text).join("")).toContain(texts[index]);
    const kept = tokens.filter((token: { kept: boolean }) => token.kept);
    expect(kept.reduce((sum: number, { score }: { score: number }) => sum + score, 0)).toBeCloseTo(raw_score, 4);
  });
});

it("answers with nothing where there are no documents", async () => {
  expect((await post("/v1/rerank", { query, documents: [] })).body).toMatchObject({ results: [] });
  expect((await post("/v2/rerank", { query, documents: [] })).body).toMatchObject({ results: [] });
  expect((await post("/rerank", { query, texts: [] })).body).toEqual([]);
  expect((await post("/v1/prune", { query, documents: [], top_k: 1 })).body).toMatchObject({ text: "", documents: [] });
});

describe("errors", () => {
  const wrong: [string, string, unknown, number, RegExp][] = [
    ["llama.cpp", "/v1/rerank", { documents: texts }, 400, /"query" must be provided/],
    ["llama.cpp", "/v1/rerank", { query: 5, documents: texts }, 400, /"query" must be a string/],
    ["llama.cpp", "/v1/rerank", { query: " ", documents: texts }, 400, /"query" must not be blank/],
    ["llama.cpp", "/rerank", { query }, 400, /expected "documents" \(Cohere, Jina, llama.cpp\) or "texts" \(TEI\)/],
    ["llama.cpp", "/v1/retrieve", { query, documents: [] }, 400, /"documents" must have at least one/],
    ["llama.cpp", "/v1/rerank", { query, documents: ["a", 5] }, 400, /"documents.1" must be a string or an object/],
    ["llama.cpp", "/v1/rerank", { query, documents: texts, top_n: 0 }, 400, /"top_n" must be at least 1/],
    ["llama.cpp", "/v1/rerank", [], 400, /must be a JSON object/],
    ["llama.cpp", "/v1/rerank", { query, corpus: "a" }, 501, /--corpora/],
    [
      ...(["llama.cpp", "/v1/rerank", { query, documents: texts, corpus: "a" }, 400] as const),
      /exactly one of "documents" and "corpus"/,
    ],
    ["llama.cpp", "/v1/prune", { query, text: "a" }, 400, /expected exactly one of "budget_tokens"/],
    [
      "llama.cpp",
      "/v1/prune",
      { query, text: "a", budget_tokens: 9, top_k: 1 },
      400,
      /expected exactly one of "budget_/,
    ],
    [
      "llama.cpp",
      "/v1/retrieve",
      { query, documents: ["", ""] },
      400,
      /^"documents" must have at least one text that is not blank$/,
    ],
    [
      "llama.cpp",
      "/v1/retrieve",
      { query, documents: texts, chunk_tokens: 3 },
      400,
      /"chunk_tokens" must be an integer of at least 8 but is 3/,
    ],
    [
      "llama.cpp",
      "/v1/retrieve",
      { query, documents: texts, budget_tokens: 1 },
      400,
      /use a larger "budget_tokens", or a smaller "chunk_tokens"$/,
    ],
    [
      "llama.cpp",
      "/v1/rerank",
      { query, documents: texts, fuse: { weight: 2 } },
      400,
      /^"fuse.weight" must be at most 1$/,
    ],
    ["llama.cpp", "/v1/prune", { query, top_k: 1 }, 400, /exactly one of "text" and "documents"/],
    ["llama.cpp", "/v1/retrieve", { query }, 400, /exactly one of "documents" and "corpus"/],
    ["llama.cpp", "/v1/rerank", { query: "tower ".repeat(9000), documents: texts }, 413, /context holds/],
    ["Cohere", "/v2/rerank", { query, documents: "none" }, 400, /"documents"/],
    ["TEI", "/rerank", { query, texts: "none" }, 400, /"texts"/],
  ];
  it.each(wrong)("in the shape of %s: %s", async (family, path, body, status, message) => {
    const answer = await post(path, body);
    expect(answer.status).toBe(status);
    const shapes = {
      "llama.cpp": { error: { code: status, message: expect.stringMatching(message), type: expect.any(String) } },
      Cohere: { message: expect.stringMatching(message) },
      TEI: { error: expect.stringMatching(message), error_type: "Validation" },
    };
    expect(answer.body).toMatchObject(shapes[family as keyof typeof shapes]);
  });

  it("for what is no JSON, of another type, too large, or nowhere", async () => {
    const raw = (path: string, body: string, type = "application/json") =>
      fetch(`${server.url}${path}`, { method: "POST", headers: { "content-type": type }, body });
    expect((await raw("/v1/rerank", "{")).status).toBe(400);
    // What a page of another origin may send unasked.
    expect((await raw("/v1/rerank", JSON.stringify({ query, documents: texts }), "text/plain")).status).toBe(415);
    const large = await raw("/v2/rerank", JSON.stringify({ query, documents: ["a".repeat(200_000)] }));
    expect(large.status).toBe(413);
    expect(await large.json()).toEqual({ message: expect.stringContaining("100000 bytes") });
    const chunks = (async function* () {
      for (let i = 0; i < 100; i++) yield new TextEncoder().encode("[".repeat(10_000));
    })();
    const streamed = await fetch(`${server.url}/v1/rerank`, {
      ...{ method: "POST", headers: { "content-type": "application/json" }, duplex: "half" },
      body: ReadableStream.from(chunks),
    } as RequestInit).then(
      ({ status }) => status,
      () => 413,
    );
    expect(streamed).toBe(413);
    expect((await fetch(`${server.url}/nowhere`)).status).toBe(404);
  });
});

describe("other routes", () => {
  it("/v1/prune keeps what the library keeps", async () => {
    const text = texts.join(" ");
    const expected = await retriever.prune(query, text, { topK: 1, marker: "" });
    const { body } = await post("/v1/prune", { query, text, top_k: 1, marker: "" });
    expect(body.text).toBe(expected.text);
    expect(body.documents[0].kept).toEqual(expected.documents[0]!.kept);
    expect(body.usage).toEqual({
      tokens: expected.usage.tokens,
      original_tokens: expected.usage.originalTokens,
      prompt_tokens: expected.usage.promptTokens,
    });
  });

  it("/v1/retrieve assembles sources within a budget", async () => {
    const documents = [
      { id: "paris", title: "Paris", text: `${texts[1]} ${"It is made of iron. ".repeat(60)}` },
      texts[0],
    ];
    const { body } = await post("/v1/retrieve", { query, documents, budget_tokens: 120, chunk_tokens: 40 });
    expect(body.usage.tokens).toBeLessThanOrEqual(120);
    expect(body.sources.length).toBeGreaterThan(0);
    for (const { citation, text, document, begin, end, relevance } of body.sources) {
      expect(body.text).toContain(`[${citation}]`);
      const source = document === "paris" ? (documents[0] as { text: string }).text : texts[0]!;
      expect(source.slice(begin, end)).toBe(text);
      expect(relevance).toBeGreaterThan(0);
    }
    expect(body.messages.at(-1).content).toContain(query);
    const none = await post("/v1/retrieve", { query, documents, threshold: 1 });
    expect(none.body).toMatchObject({ sources: [], abstained: true });
    expect(none.body.messages.at(-1).content).toBe(`Sources: none were found.\n\nQuestion: ${query}`);
    expect(none.body.below_threshold).toBeGreaterThan(0);
    const wrong = await post("/v1/retrieve", { query, documents, threshold: 1.5 });
    expect([wrong.status, JSON.stringify(wrong.body)]).toEqual([400, expect.stringContaining("must be at most 1")]);
  });

  it("tells of models, health, metrics, and describes itself", async () => {
    // biome-ignore lint/suspicious/noExplicitAny: the shape of the answer is what is tested.
    const get = async (path: string): Promise<any> => (await fetch(`${server.url}${path}`)).json();
    expect(await get("/v1/models")).toMatchObject({ object: "list", data: [{ id: "tiny-llama", loaded: true }] });
    expect(await get("/health")).toEqual({ status: "ok" });
    expect(await get("/ready")).toEqual({ status: "ready", model: "tiny-llama" });
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    for (const name of [
      'requests_total{route="/v2/rerank",status="200"}',
      'queue_length{model="tiny-llama"} 0',
      'queue_wait_seconds_count{model="tiny-llama"}',
      'tokens_total{model="tiny-llama",kind="prompt"}',
      'document_cache_total{model="tiny-llama",result="hit"}',
      'pass_duration_seconds_bucket{le="0.1",model="tiny-llama",phase="query"}',
    ]) {
      expect(metrics).toContain(`qrhead_${name}`);
    }
    const { paths } = await get("/openapi.json");
    expect(paths["/v2/rerank"].post.requestBody.content["application/json"].schema.required).toEqual([
      "query",
      "documents",
    ]);
  });

  // On Windows Python has another name.
  it.skipIf(process.platform === "win32")("answers Python without a library", async () => {
    const program = `
import json, sys, urllib.request
body = json.dumps({"query": "Where is the tower?", "documents": ["Bananas.", "The tower."]}).encode()
request = urllib.request.Request(sys.argv[1] + "/v1/rerank", body, {"content-type": "application/json"})
with urllib.request.urlopen(request) as answer:
    print(sorted(result["index"] for result in json.load(answer)["results"]))
`;
    const { stdout } = await promisify(execFile)("python3", ["-c", program, server.url]);
    expect(stdout.trim()).toBe("[0, 1]");
  });
});
