// Fetching models: from a server of this machine that breaks off, redirects, refuses and lies.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { findModelFile } from "../../src/model/model-file.ts";
import { addressOf, pullModel } from "../../src/model/pull.ts";
import { findPulled, listPulled, removePulled } from "../../src/model/store.ts";
import { temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
const body = Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(300_000, 7)]);
const sha256 = createHash("sha256").update(body).digest("hex");
const seen: { url: string; range: string | undefined; token: string | undefined }[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const server = createServer((request, response) => {
  const { range, authorization } = request.headers;
  if (request.method === "GET") seen.push({ url: request.url!, range, token: authorization });
  answer(request, response);
});
let base = "";
let folder = "";
let count = 0;

/** Sends the file, or the part that is asked for, up to a byte at which the connection breaks. */
function send(request: IncomingMessage, response: ServerResponse, until = body.length, etag = '"v1"') {
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
  const isRest = from !== undefined && request.headers["if-range"] === etag;
  const begin = isRest ? Number(from) : 0;
  response.writeHead(isRest ? 206 : 200, { "content-length": body.length - begin, etag });
  if (request.method === "HEAD") return response.end();
  response.write(body.subarray(begin, until), () => {
    // What has not been taken from the connection when it breaks is lost.
    if (until < body.length) setTimeout(() => response.destroy(), 100);
    else response.end();
  });
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  folder = files.path(`models-${count++}`);
  vi.stubEnv("QRHEAD_MODELS", folder);
  vi.stubEnv("HF_ENDPOINT", base);
  vi.stubEnv("HF_TOKEN", "");
  seen.length = 0;
  answer = send;
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => {
  server.close();
  files.remove();
});

const HF = "hf:someone/some-GGUF/sub/Some-Q4.gguf";

describe("modelsDirectory", () => {
  it("is where a model that is named by a URI is fetched to, once, and where names are looked up", async () => {
    const modelsDirectory = files.path("user-data");
    const phases = new Set<string>();
    const options = { modelsDirectory, onProgress: ({ phase }: { phase: string }) => void phases.add(phase) };
    const file = path.join(modelsDirectory, "Some-Q4.gguf");
    expect(await findModelFile(HF, options)).toBe(file);
    expect(await findModelFile(HF, options)).toBe(file);
    expect(await findModelFile("Some-Q4", options)).toBe(file);
    expect([seen.length, [...phases], existsSync(folder)]).toEqual([1, ["download"], false]);
    await expect(findModelFile("Some-Q4")).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });
});

describe("pullModel", () => {
  it("puts a file into the models folder, where its name then finds it", async () => {
    const steps: number[] = [];
    const pulled = await pullModel(HF, { onProgress: ({ done, total }) => steps.push(done / total) });
    expect(pulled).toMatchObject({ name: "Some-Q4", file: path.join(folder, "Some-Q4.gguf"), sha256, fetched: true });
    expect(seen.map(({ url }) => url)).toEqual(["/someone/some-GGUF/resolve/main/sub/Some-Q4.gguf"]);
    expect(readFileSync(pulled.file).equals(body)).toBe(true);
    expect(steps.at(-1)).toBe(1);
    expect(await listPulled()).toMatchObject([{ name: "Some-Q4", bytes: body.length, sha256 }]);
    expect(await findModelFile("Some-Q4")).toBe(pulled.file);
    expect(readdirSync(folder).sort()).toEqual(["Some-Q4.gguf", "Some-Q4.gguf.json"]);
    expect(await pullModel(HF)).toMatchObject({ fetched: false });
    expect(seen).toHaveLength(1);
    await removePulled("Some-Q4");
    expect([await listPulled(), await findPulled("Some-Q4"), readdirSync(folder)]).toEqual([[], undefined, []]);
    await expect(removePulled("Some-Q4")).rejects.toThrow(/No pulled model is called Some-Q4/);
  });

  it("goes on where the connection broke, in the same call and in a later one", async () => {
    let breaks = 2;
    answer = (request, response) => {
      const isBroken = request.method === "GET" && breaks-- > 0;
      send(request, response, isBroken ? 100_000 * (2 - breaks) : undefined);
    };
    expect(readFileSync((await pullModel(HF)).file).equals(body)).toBe(true);
    expect(seen.map(({ range }) => range !== undefined)).toEqual([false, true, true]);

    answer = (request, response) => send(request, response, 50_000);
    const other = "hf:someone/some-GGUF/Other.gguf";
    await expect(pullModel(other)).rejects.toThrow(/Could not download .*the downloaded part is kept/);
    expect(existsSync(path.join(folder, "Other.gguf"))).toBe(false);
    seen.length = 0;
    answer = send;
    expect(readFileSync((await pullModel(other)).file).equals(body)).toBe(true);
    expect(seen.map(({ range }) => range)).toEqual(["bytes=50000-"]);
  });

  it("begins anew where the server has another file by now", async () => {
    mkdirSync(folder);
    writeFileSync(path.join(folder, "New.gguf.part"), Buffer.alloc(1000, 1));
    writeFileSync(path.join(folder, "New.gguf.part.tag"), '"v0"');
    const { file } = await pullModel("hf:someone/some-GGUF/New.gguf");
    expect(readFileSync(file).equals(body)).toBe(true);
  });

  it("checks the SHA-256 that it is given, and the one that the server names", async () => {
    await expect(pullModel(HF, { sha256: "0".repeat(64) })).rejects.toThrow(/SHA-256 is .* where 0+ was expected/);
    expect(readdirSync(folder)).toEqual([]);
    answer = (request, response) => {
      if (request.method !== "HEAD") return send(request, response);
      response.writeHead(302, { location: `${base}/elsewhere`, "x-linked-etag": `"${"a".repeat(64)}"` }).end();
    };
    await expect(pullModel(HF)).rejects.toThrow(/where a+ was expected/);
    expect((await pullModel(HF, { sha256: sha256.toUpperCase() })).sha256).toBe(sha256);
  });

  it("sends the token to the server of Hugging Face alone", async () => {
    vi.stubEnv("HF_TOKEN", "secret");
    await pullModel(HF);
    await pullModel(`${base.replace("127.0.0.1", "localhost")}/direct.gguf`);
    expect(seen.map(({ token }) => token)).toEqual(["Bearer secret", undefined]);
  });

  it.each<[number, RegExp]>([
    [404, /there is no such file/],
    [403, /wants a login \(403\).*HF_TOKEN/],
    [500, /the server answered 500/],
  ])("says what a server with %d means", async (status, message) => {
    answer = (_, response) => response.writeHead(status).end();
    await expect(pullModel(HF)).rejects.toThrow(message);
  });

  it("says that nothing can be reached, and that what came is no GGUF", async () => {
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:9");
    await expect(pullModel(HF)).rejects.toThrow(/127\.0\.0\.1:9 cannot be reached|Could not download/);
    answer = (_, response) => response.writeHead(200, { "content-length": 4 }).end("html");
    await expect(pullModel(`${base}/page.gguf`)).rejects.toThrow(/is not a GGUF file/);
  });

  it("names a port that fetch forbids, and speaks of no part", async () => {
    const pulling = pullModel("http://127.0.0.1:6000/x.gguf");
    await expect(pulling).rejects.toThrow(/port 6000 is not allowed, as in browsers: serve the file at another port$/);
  });

  it("ends with its signal, and keeps what has come", async () => {
    const controller = new AbortController();
    answer = (request, response) => {
      if (request.method === "HEAD") return send(request, response);
      response.writeHead(200, { "content-length": body.length, etag: '"v1"' });
      response.write(body.subarray(0, 1000));
    };
    const onProgress = () => controller.abort(new Error("enough"));
    await expect(pullModel(HF, { signal: controller.signal, onProgress })).rejects.toThrow("enough");
    expect(readFileSync(path.join(folder, "Some-Q4.gguf.part")).length).toBe(1000);
  });

  it("knows addresses, names of the catalogue, and nothing else", () => {
    expect(addressOf("llama-3.2-3b").pathname).toMatch(/Llama-3\.2-3B-Instruct-Q4_K_M\.gguf$/);
    for (const wrong of ["llama", "hf:owner/repo", "https://host/a.bin", "ftp://host/a.gguf", "../a.gguf"]) {
      expect(() => addressOf(wrong), wrong).toThrow(/cannot be downloaded: use llama-3\.2-1b, /);
    }
  });
});
