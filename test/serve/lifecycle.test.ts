// Keys, full queues, deadlines, clients that vanish, processes that end, models that come and go, corpora that stay.
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { RunningServer } from "../../src/serve/server.ts";
import { startServer } from "../../src/serve/server.ts";
import { enginesOf, until } from "../helpers/isolated.ts";
import { modelPath } from "../helpers/models.ts";
import { send, serveTiny } from "../helpers/server.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
afterAll(() => rmSync(folder, { recursive: true }));

const query = "Where is the tower?";
const documents = ["Bananas are yellow.", "The tower stands in Paris."];
/** Takes a while, and is in no cache. */
let count = 0;
const long = () => ({ query, documents: [`${count++} ${"word ".repeat(3000)}`, "b"] });

/** A number of the metrics. */
async function metric({ url }: RunningServer, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`qrhead_${name}`));
  return Number(line?.split(" ").at(-1) ?? 0);
}

async function using(options: Parameters<typeof serveTiny>[0], work: (server: RunningServer) => Promise<void>) {
  const server = await serveTiny(options);
  try {
    await work(server);
  } finally {
    await server.close();
  }
}

describe("qrhead serve", () => {
  it("asks for a key where it has some", () =>
    using({ apiKeys: ["one", "two"] }, async ({ url }) => {
      const status = async (authorization?: string, route = "/v1/rerank") =>
        (await send(`${url}${route}`, { query, documents }, { headers: authorization ? { authorization } : {} }))
          .status;
      expect(await status("Bearer one")).toBe(200);
      expect(await status("bearer two", "/v2/rerank")).toBe(200);
      for (const wrong of [undefined, "Bearer on", "Bearer onee", "one", "Bearer "])
        expect(await status(wrong)).toBe(401);
      for (const open of ["/health", "/ready", "/openapi.json", "/"])
        expect((await fetch(url + open)).status).toBe(200);
      for (const shut of ["/metrics", "/v1/models", "/v1/corpora"]) expect((await fetch(url + shut)).status).toBe(401);
    }));

  it("answers 429 with Retry-After when its queue is full, and the rest all the same", () =>
    using({ queue: 1 }, async (server) => {
      const answers = await Promise.all(Array.from({ length: 5 }, () => send(`${server.url}/v2/rerank`, long())));
      const refused = answers.filter(({ status }) => status === 429);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
      expect(refused).toHaveLength(3);
      for (const { headers, body } of refused) {
        expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
        expect(body.message).toContain("queue is full");
      }
    }));

  it("answers 504 when a request takes too long, and stops it", () =>
    using({ timeout: 100 }, async (server) => {
      const { status, body } = await send(`${server.url}/v1/rerank`, long());
      expect(status).toBe(504);
      expect(body.error.type).toBe("timeout_error");
    }));

  it("stops working for a client that went away", () =>
    using({}, async (server) => {
      const controller = new AbortController();
      const { signal } = controller;
      const asked = send(`${server.url}/v1/rerank`, { query, documents: [`${"word ".repeat(60_000)}`] }, { signal });
      asked.catch(() => {});
      await until(() => server !== undefined);
      setTimeout(() => controller.abort(), 300);
      await expect(asked).rejects.toThrow();
      // It would run for minutes.
      expect((await send(`${server.url}/v1/rerank`, { query, documents })).status).toBe(200);
      expect(await metric(server, 'requests_total{route="/v1/rerank",status="499"}')).toBe(1);
    }));

  it("reads documents once for queries that wait together", () =>
    using({}, async (server) => {
      const body = long();
      const first = send(`${server.url}/v1/rerank`, long());
      const others = ["a", "b", "c"].map((one) => send(`${server.url}/v1/rerank`, { ...body, query: one }));
      for (const { status } of await Promise.all([first, ...others])) expect(status).toBe(200);
      expect(await metric(server, "grouped_queries_total")).toBe(3);
      expect(await metric(server, 'document_cache_total{model="tiny-llama",result="hit"}')).toBe(2);
    }));

  it("ends when its requests are done, and takes no more", async () => {
    const server = await serveTiny();
    const running = send(`${server.url}/v1/rerank`, long());
    // What is answered later was asked later: the first has arrived.
    await fetch(`${server.url}/health`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closing = server.close();
    await expect(send(`${server.url}/v1/rerank`, { query, documents })).rejects.toThrow();
    expect((await running).status).toBe(200);
    await closing;
    await server.close();
  });

  it.runIf(process.platform === "linux")("outlives the process of its model", () =>
    using({ inProcess: false }, async (server) => {
      const ask = () => send(`${server.url}/v2/rerank`, { query, documents });
      const expected = (await ask()).body.results;
      const [engine] = enginesOf(process.pid);
      const running = send(`${server.url}/v2/rerank`, long());
      await new Promise((resolve) => setTimeout(resolve, 150));
      process.kill(engine!, "SIGKILL");
      const { status, headers, body } = await running;
      expect(status).toBe(503);
      expect(headers.get("retry-after")).toBe("1");
      expect(body.message).toContain("process of the engine ended");
      expect((await ask()).body.results).toEqual(expected);
      expect(await metric(server, "engine_restarts")).toBe(1);
    }),
  );

  const loadedOf = async ({ url }: RunningServer) => {
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string; loaded: boolean }[] };
    return data.filter((one) => one.loaded).map(({ id }) => id);
  };
  const askModel = async ({ url }: RunningServer, model: string) =>
    (await send(`${url}/v1/rerank`, { model, query, documents })).body.model;

  it("loads models when they are asked for, and unloads those that were asked least recently", async () => {
    const models = ["tiny-llama", "tiny-qwen2", "tiny-qwen3"].map(modelPath);
    const [first, ...others] = models.map((file) => statSync(file).size) as [number, number, number];
    await using({ models, modelMemory: first + Math.max(...others) }, async (server) => {
      expect(await loadedOf(server)).toEqual(["tiny-llama"]);
      expect(await askModel(server, "tiny-qwen2")).toBe("tiny-qwen2");
      expect(await askModel(server, "somebody-elses")).toBe("tiny-llama");
      expect(await loadedOf(server)).toEqual(["tiny-llama", "tiny-qwen2"]);
      expect(await askModel(server, "tiny-qwen3")).toBe("tiny-qwen3");
      expect(await loadedOf(server)).toEqual(["tiny-llama", "tiny-qwen3"]);
    });
  });

  it("unloads a model that nobody asks, and loads it again", () =>
    using({ idle: 20 }, async (server) => {
      const end = performance.now() + 20_000;
      while ((await loadedOf(server)).length > 0 && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(await loadedOf(server)).toEqual([]);
      expect(await askModel(server, "tiny-llama")).toBe("tiny-llama");
    }));

  it("keeps corpora by name, also when it is started again", async () => {
    const corpora = path.join(folder, "corpora");
    const stored = [
      { id: "b", text: documents[0] },
      { id: "t", title: "Paris", text: documents[1] },
    ];
    let expected: unknown;
    await using({ corpora }, async ({ url }) => {
      expect((await send(`${url}/v1/corpora/notes`, { documents: stored }, { method: "PUT" })).body).toMatchObject({
        ...{ name: "notes", model: "tiny-llama", documents: 2 },
      });
      const { body } = await send(`${url}/v1/corpora/notes/rerank`, { query, return_documents: true });
      expected = body.results;
      for (const { index, id, document } of body.results) {
        expect(document).toEqual(stored[index]);
        expect(id).toBe(stored[index]!.id);
      }
      for (const name of ["..", "a%2Fb", "a.b", "%00"]) {
        const { status } = await send(`${url}/v1/corpora/${name}`, { documents: stored }, { method: "PUT" });
        expect([400, 404]).toContain(status);
      }
      const id = "[0-9a-f-]{36}";
      const left = [expect.stringMatching(`^notes\\.${id}\\.corpus$`), "notes.json"];
      expect(readdirSync(corpora).toSorted()).toEqual(left);
    });
    await using({ corpora }, async ({ url }) => {
      const list = await (await fetch(`${url}/v1/corpora`)).json();
      expect(list).toMatchObject({ data: [{ name: "notes", documents: 2 }] });
      const { body } = await send(`${url}/v1/rerank`, { query, corpus: "notes", return_documents: true });
      expect(body.results).toEqual(expected);
      const retrieved = await send(`${url}/v1/retrieve`, { query, corpus: "notes", budget_tokens: 100 });
      expect(retrieved.body.sources.length).toBeGreaterThan(0);
      const replaced = await send(`${url}/v1/corpora/notes`, { documents: ["one"] }, { method: "PUT" });
      expect(replaced.body.documents).toBe(1);
      expect((await send(`${url}/v1/corpora/notes/rerank`, { query })).body.results).toHaveLength(1);
      expect((await send(`${url}/v1/corpora/notes`, {}, { method: "DELETE" })).status).toBe(200);
      expect((await send(`${url}/v1/corpora/notes/rerank`, { query })).status).toBe(404);
      expect(readdirSync(corpora)).toEqual([]);
    });
  });

  it("shares corpora with other servers of the folder, which replace and remove them", async () => {
    const corpora = path.join(folder, "shared");
    const put = ({ url }: RunningServer, name: string, texts: string[]) =>
      send(`${url}/v1/corpora/${name}`, { documents: texts }, { method: "PUT" });
    const ask = async ({ url }: RunningServer, name: string) => {
      const { status, body } = await send(`${url}/v1/corpora/${name}/rerank`, { query, return_documents: true });
      return status === 200
        ? body.results.map(({ document }: { document: { text: string } }) => document.text)
        : status;
    };
    await using({ corpora }, (one) =>
      using({ corpora }, async (other) => {
        await put(one, "notes", documents);
        expect((await ask(other, "notes")).toSorted()).toEqual(documents.toSorted());
        await put(one, "notes", ["one"]);
        expect(await ask(other, "notes")).toEqual(["one"]);
        await put(other, "notes", ["two"]);
        expect(await ask(one, "notes")).toEqual(["two"]);
        await send(`${other.url}/v1/corpora/notes`, {}, { method: "DELETE" });
        expect([await ask(one, "notes"), await ask(other, "notes")]).toEqual([404, 404]);
        expect(await (await fetch(`${one.url}/v1/corpora`)).json()).toMatchObject({ data: [] });
      }),
    );
  });

  it("leaves out what is no corpus of its folder", async () => {
    const corpora = path.join(folder, "odd");
    mkdirSync(corpora);
    const version = randomUUID();
    const facts = { documents: 1, created: 1, version };
    for (const [name, text] of [
      ["cut.json", '{"name": "cut'],
      ["other.json", "[]"],
      ["alone.json", JSON.stringify({ ...facts, name: "alone", model: "tiny-llama" })],
      ["foreign.json", JSON.stringify({ ...facts, name: "foreign", model: "gone" })],
      ["outside.json", JSON.stringify({ ...facts, name: "outside", model: "gone", version: "../../outside" })],
      ...["cut", "other", "foreign"].map((one) => [`${one}.${version}.corpus`, "x"]),
    ] as const) {
      writeFileSync(path.join(corpora, name!), text!);
    }
    await using({ corpora }, async ({ url }) => {
      expect(await (await fetch(`${url}/v1/corpora`)).json()).toMatchObject({ data: [{ name: "foreign" }] });
      const status = async (name: string) => (await send(`${url}/v1/corpora/${name}/rerank`, { query })).status;
      expect(await Promise.all(["cut", "other", "alone", "outside", "foreign"].map(status))).toEqual([
        404, 404, 404, 404, 409,
      ]);
    });
    await expect(serveTiny({ corpora: path.join(corpora, "cut.json") })).rejects.toMatchObject({
      ...{ code: "INVALID_ARGUMENT", option: "corpora", message: expect.stringContaining("cut.json") },
    });
  });

  it("says why it cannot start", async () => {
    await using({}, async ({ url }) => {
      const port = Number(new URL(url).port);
      await expect(serveTiny({ port })).rejects.toMatchObject({
        option: "port",
        message: expect.stringContaining("EADDRINUSE"),
      });
    });
    const twice = { models: [modelPath("tiny-llama"), modelPath("tiny-llama")] };
    await expect(serveTiny(twice)).rejects.toMatchObject({
      message: expect.stringContaining("Two models are called tiny-llama"),
    });
    await expect(startServer({ models: ["/none.gguf"], port: 0 })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });
});
