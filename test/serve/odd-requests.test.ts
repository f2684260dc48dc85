// Requests as no client of ours sends them: other methods and encodings, old HTTP, bodies that never end, clients that say
// nothing. Written to a socket as they are.
import net from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningServer } from "../../src/serve/server.ts";
import { send, serveTiny } from "../helpers/server.ts";

const BODY = JSON.stringify({ query: "Where is the café?", documents: ["Bananas are yellow.", "The café is open."] });

let warnings: string[];
let server: RunningServer;

beforeAll(async () => {
  warnings = [];
  server = await serveTiny({ maxBody: 2_000_000, onWarning: (text) => warnings.push(text) });
});
afterAll(() => server.close());

/** Sends bytes and gives what comes until the server ends the connection. */
function exchange(url: string, ...parts: (string | Uint8Array)[]): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), hostname);
    let text = "";
    socket.on("data", (chunk) => {
      text += String(chunk);
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    for (const part of parts) socket.write(part);
  });
}

const JSON_TYPE = { "content-type": "application/json" };
const request = (line: string, headers: Record<string, string | number>, body: string | Uint8Array = "") => [
  `${line} HTTP/1.1\r\n${Object.entries({ host: "h", connection: "close", ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`,
  body,
];
const post = (headers: Record<string, string | number>, body: string | Uint8Array) =>
  request("POST /v1/rerank", { ...JSON_TYPE, "content-length": Buffer.byteLength(body), ...headers }, body);
const ask = (parts: (string | Uint8Array)[]) => exchange(server.url, ...parts);
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (?!100)(\d+)/m.exec(answer)?.[1]);

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(
    text
      .split("\n")
      .find((one) => one.startsWith(`qrhead_${name}`))
      ?.split(" ")
      .at(-1) ?? 0,
  );
}

describe("qrhead serve", () => {
  it("says which methods a path takes", async () => {
    for (const [method, path, allow] of [
      ["PUT", "/v1/rerank", "POST"],
      ["OPTIONS", "/v2/rerank", "POST"],
      ["POST", "/v1/models", "GET, HEAD"],
    ] as const) {
      const { status, headers, body } = await send(`${server.url}${path}`, {}, { method });
      expect([status, headers.get("allow")]).toEqual([405, allow]);
      expect(body.message).toBe(`${path} takes ${allow} and not ${method}`);
    }
    expect((await fetch(`${server.url}/v1/models`, { method: "HEAD" })).status).toBe(200);
  });

  it("reads UTF-8, however it is told, and nothing else", async () => {
    for (const type of ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"', "application/json"]) {
      expect(statusOf(await ask(post({ "content-type": type }, BODY)))).toBe(200);
    }
    expect(statusOf(await ask(post({}, `\ufeff${BODY}`)))).toBe(200);
    expect(statusOf(await ask(post({ "content-encoding": "identity", expect: "100-continue" }, BODY)))).toBe(200);
    const latin = await ask(post({}, Buffer.from(BODY, "latin1")));
    expect([statusOf(latin), latin]).toEqual([400, expect.stringContaining("The body is not UTF-8")]);
    const wide = { "content-type": "application/json; charset=utf-16" };
    expect(statusOf(await ask(post(wide, Buffer.from(BODY, "utf16le"))))).toBe(415);
    const packed = await ask(post({ "content-encoding": "gzip" }, gzipSync(BODY)));
    expect([statusOf(packed), packed]).toEqual([415, expect.stringContaining("without content-encoding: gzip")]);
  });

  it("says that a body nests too deeply, whether it is read or sent back", async () => {
    const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    for (const document of [deep, `{"text": "a", "b": ${deep}}`]) {
      const answer = await ask(post({}, `{"query": "a", "return_documents": true, "documents": [${document}]}`));
      expect([statusOf(answer), answer]).toEqual([400, expect.stringContaining("nests too deeply")]);
    }
  });

  it("answers HTTP 1.0, which knows no host", async () => {
    expect(await ask(["GET /health HTTP/1.0\r\n\r\n"])).toMatch(/200 OK.*"ok"/s);
  });

  it("waits for a body as long as for an answer", async () => {
    const impatient = await serveTiny({ timeout: 200 });
    const answers = await Promise.all(
      [
        request("POST /v2/rerank", { ...JSON_TYPE, "content-length": 1000 }, '{"query"'),
        request("POST /v1/rerank", { ...JSON_TYPE, "transfer-encoding": "chunked" }, '8\r\n{"query"\r\n'),
      ].map((parts) => exchange(impatient.url, parts.join(""))),
    );
    await impatient.close();
    for (const answer of answers) {
      expect([statusOf(answer), answer]).toEqual([408, expect.stringMatching(/connection: close.*did not arrive/is)]);
    }
  });

  it("takes a client that goes while it sends for one that has gone", async () => {
    const before = await metric('requests_total{route="/v1/rerank",status="499"}');
    for (const headers of [{ "content-length": 1000 }, { "transfer-encoding": "chunked" }]) {
      const socket = net.connect(Number(new URL(server.url).port), "127.0.0.1");
      for (const part of request("POST /v1/rerank", { ...JSON_TYPE, ...headers }, "3\r\n{")) socket.write(part);
      await new Promise((resolve) => setTimeout(resolve, 100));
      socket.destroy();
    }
    await expect.poll(() => metric('requests_total{route="/v1/rerank",status="499"}')).toBe(before + 2);
    expect(warnings).toEqual([]);
  });

  it("stops without waiting for connections that ask nothing", async () => {
    const other = await serveTiny();
    const { hostname, port } = new URL(other.url);
    const silent = ["", "GET /hea"].map((text) => {
      const socket = net.connect(Number(port), hostname);
      socket.write(text);
      return new Promise((resolve) => {
        socket.on("error", () => {});
        socket.on("close", resolve);
        socket.resume();
      });
    });
    expect((await fetch(`${other.url}/health`)).status).toBe(200);
    const begun = performance.now();
    await other.close();
    await Promise.all(silent);
    // They could hold it for a minute.
    expect(performance.now() - begun).toBeLessThan(20_000);
  });
});
