import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { InputError, QRHeadError } from "../errors.ts";
import type { Progress } from "../options.ts";
import { lockFile } from "../util/lock.ts";
import { makeFolder, writeWhole } from "../util/output-file.ts";
import { CATALOGUE } from "./catalogue.ts";
import { type ModelRecord, modelsFolder, type PulledModel, recordOf } from "./store.ts";

export type PullOptions = {
  /** SHA-256 that the file must have, in hexadecimal. Defaults to what the server says of it, where it does. */
  sha256?: string | undefined;
  /** Folder to fetch it into. Defaults to the models folder. */
  directory?: string | undefined;
  /** Fetch it again where it is there. Defaults to `false`. */
  force?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
};

/** How often a connection that breaks is taken up again. */
const TRIES = 4;

/**
 * Fetches a GGUF into the models folder, where its name then stands for it. What an interrupted call has fetched is taken up
 * again.
 *
 * @param spec A name of the catalogue, `hf:OWNER/REPOSITORY/FILE.gguf`, or an http(s) address.
 * @throws InputError for what is none of these; QRHeadError `MODEL_LOAD_FAILED` when it cannot be fetched, is no GGUF, or is
 * another file than `sha256` says.
 */
export async function pullModel(spec: string, options: PullOptions = {}): Promise<PulledModel & { fetched: boolean }> {
  const url = addressOf(spec);
  const name = path.posix.basename(decodeURIComponent(url.pathname));
  const folder = options.directory === undefined ? modelsFolder() : path.resolve(options.directory);
  const file = path.join(folder, name);
  await makeFolder(folder);
  const unlock = await lockFile(file, { signal: options.signal });
  try {
    const there = options.force ? undefined : await stat(file).catch(() => undefined);
    if (there) return { name: nameOf(file), file, bytes: there.size, source: spec, fetched: false };
    const record = await fetchInto(file, url, spec, options);
    await writeWhole(recordOf(file), `${JSON.stringify(record)}\n`, { force: true, shared: true });
    return { name: nameOf(file), file, ...record, fetched: true };
  } finally {
    unlock();
  }
}

const nameOf = (file: string) => path.basename(file, ".gguf");

/** Whether `pullModel` can fetch what is named so. */
export function canPull(spec: string): boolean {
  try {
    addressOf(spec);
    return true;
  } catch {
    return false;
  }
}

/** Where to fetch a model. @throws InputError for what is no name of the catalogue, hf: URI or http(s) address of a GGUF. */
export function addressOf(spec: string): URL {
  const uri = CATALOGUE[spec.toLowerCase()] ?? spec;
  const [, owner, repository, file] = /^hf:([\w.-]+)\/([\w.-]+)\/(.+\.gguf)$/i.exec(uri) ?? [];
  const endpoint = (process.env.HF_ENDPOINT ?? "https://huggingface.co").replace(/\/+$/, "");
  const address = file === undefined ? uri : `${endpoint}/${owner}/${repository}/resolve/main/${file}`;
  if (/^https?:/i.test(address) && URL.canParse(address) && /\.gguf$/i.test(new URL(address).pathname)) {
    return new URL(address);
  }
  const names = Object.keys(CATALOGUE).join(", ");
  const ways = `use ${names}, hf:OWNER/REPOSITORY/FILE.gguf, or the http(s) address of a .gguf file`;
  throw new InputError("INVALID_ARGUMENT", `${JSON.stringify(spec)} cannot be downloaded: ${ways}`);
}

async function fetchInto(file: string, url: URL, spec: string, options: PullOptions): Promise<ModelRecord> {
  const { signal } = options;
  const failed = (reason: string, cause?: unknown) =>
    new QRHeadError("MODEL_LOAD_FAILED", `Could not download ${spec}: ${reason}`, cause === undefined ? {} : { cause });
  const partial = `${file}.part`;
  const said = await sha256Of(url, signal);
  for (let tries = 1; ; tries++) {
    try {
      await fetchRest(partial, url, options, failed);
      break;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof QRHeadError) throw error;
      if (tries === TRIES) throw failed(reasonOf(error, url), error);
    }
  }
  const { size } = await stat(partial);
  const sha256 = await digest(partial, signal);
  const expected = options.sha256?.toLowerCase() ?? said;
  const magic = await firstBytes(partial);
  const problem =
    magic !== "GGUF"
      ? "the downloaded file is not a GGUF file"
      : expected !== undefined && expected !== sha256
        ? `its SHA-256 is ${sha256} where ${expected} was expected`
        : undefined;
  await rm(`${partial}.tag`, { force: true });
  if (problem !== undefined) {
    await rm(partial, { force: true });
    throw failed(problem);
  }
  await rename(partial, file);
  return { source: url.href, sha256, bytes: size };
}

/** Appends what is missing of a partial file, or begins anew where the server has another file than before. */
async function fetchRest(
  partial: string,
  url: URL,
  { signal, onProgress }: PullOptions,
  failed: (reason: string) => QRHeadError,
): Promise<void> {
  const tag = await readFile(`${partial}.tag`, "utf8").catch(() => "");
  const begun = tag ? ((await stat(partial).catch(() => undefined))?.size ?? 0) : 0;
  const range = begun > 0 ? { Range: `bytes=${begun}-`, "If-Range": tag } : {};
  const response = await fetch(url, { headers: { ...headersFor(url), ...range }, ...(signal && { signal }) });
  if (response.status === 416 && begun > 0) return;
  if (!response.ok || !response.body) throw failed(whyRefused(response.status));
  const isRest = response.status === 206;
  const done = isRest ? begun : 0;
  const length = Number(response.headers.get("content-length"));
  const total = length > 0 ? done + length : 0;
  const etag = response.headers.get("etag") ?? "";
  // Only a strong one says that bytes of two answers belong together.
  await writeFile(`${partial}.tag`, etag.startsWith("W/") ? "" : etag);
  const handle = await open(partial, isRest ? "a" : "w");
  try {
    await write(handle, response.body, (count) => {
      onProgress?.({ phase: "download", done: done + count, total: Math.max(total, done + count) });
    });
    await handle.sync();
  } finally {
    await handle.close();
  }
  const { size } = await stat(partial);
  if (total > 0 && size < total) throw new Error(`the connection ended after ${size} of ${total} bytes`);
}

async function write(handle: FileHandle, body: AsyncIterable<Uint8Array>, onBytes: (count: number) => void) {
  let count = 0;
  for await (const part of body) {
    await handle.writeFile(part);
    count += part.length;
    onBytes(count);
  }
}

/** Hugging Face says the SHA-256 of a large file before it redirects to where the file is. */
async function sha256Of(url: URL, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    const init = { method: "HEAD", redirect: "manual", headers: headersFor(url), ...(signal && { signal }) } as const;
    const { headers } = await fetch(url, init);
    return /^"?([0-9a-f]{64})"?$/i.exec(headers.get("x-linked-etag") ?? "")?.[1]?.toLowerCase();
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

/** The token of Hugging Face, for Hugging Face alone. */
function headersFor(url: URL): Record<string, string> {
  const token = process.env.HF_TOKEN;
  const endpoint = new URL(process.env.HF_ENDPOINT ?? "https://huggingface.co");
  return token && url.origin === endpoint.origin ? { Authorization: `Bearer ${token}` } : {};
}

function whyRefused(status: number): string {
  if (status === 404) return "there is no such file";
  if (status === 401 || status === 403)
    return `the server wants a login (${status}): accept the licence there, and set HF_TOKEN`;
  return `the server answered ${status}`;
}

/** Why a server, or Hugging Face, cannot be reached at all, or undefined if it answers. */
export async function unreachable(url: URL | undefined, signal: AbortSignal | undefined): Promise<string | undefined> {
  const server = new URL(url ?? process.env.HF_ENDPOINT ?? "https://huggingface.co");
  try {
    await fetch(server.origin, { method: "HEAD", redirect: "manual", ...(signal && { signal }) });
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    const { cause, message } = error as Error;
    return offlineReason(error, server) ?? `${server.host}: ${(cause as Error | undefined)?.message ?? message}`;
  }
}

function offlineReason(error: unknown, { host, port }: URL): string | undefined {
  const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
  // Of the Fetch standard, which Node follows.
  if (message === "bad port") return `port ${port} is not allowed, as in browsers: serve the file at another port`;
  const isOffline = /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/;
  return code && isOffline.test(code) ? `${host} cannot be reached (${code}): is this machine online?` : undefined;
}

function reasonOf(error: unknown, url: URL): string {
  const { cause, message } = error as Error;
  const kept = "the downloaded part is kept: run the same command to continue";
  return offlineReason(error, url) ?? `${(cause as Error | undefined)?.message ?? message}; ${kept}`;
}

async function digest(file: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash, signal ? { signal } : {});
  return hash.digest("hex");
}

async function firstBytes(file: string): Promise<string> {
  const handle = await open(file);
  try {
    return (await handle.read(Buffer.alloc(4), 0, 4, 0)).buffer.toString("latin1");
  } finally {
    await handle.close();
  }
}
