import type { LoadOptions } from "../index.ts";

export type ServeOptions = {
  /** GGUF files or `hf:` URIs to serve, the first of them by default. Defaults to the built-in model. */
  models?: readonly string[] | undefined;
  /** How each is loaded. */
  load?: Omit<LoadOptions, "model" | "signal" | "onProgress"> | undefined;
  /** Address to listen on. Defaults to `"127.0.0.1"`: this machine only. */
  host?: string | undefined;
  /** Port to listen on, 0 for a free one. Defaults to 8080. */
  port?: number | undefined;
  /** Keys of which a request must bring one. Defaults to none, and no key is asked for. */
  apiKeys?: readonly string[] | undefined;
  /** Requests of a model that may wait, at least 1. Defaults to 100; one more is answered 429. */
  queue?: number | undefined;
  /** Milliseconds that a request may take, waiting included. Defaults to 120,000. */
  timeout?: number | undefined;
  /** Bytes that a body may have. Defaults to 32 MiB. */
  maxBody?: number | undefined;
  /** Bytes of model files that may be loaded together. Defaults to no bound. */
  modelMemory?: number | undefined;
  /** Milliseconds after which a model that nobody asks is unloaded. Defaults to never. */
  idle?: number | undefined;
  /** Folder that keeps corpora. Defaults to none, and there are no corpora. */
  corpora?: string | undefined;
  /** Load models into this process, where what ends llama.cpp ends the server. Defaults to `false`. */
  inProcess?: boolean | undefined;
  /** Answer `GET /` with a page for people. Defaults to `true`. */
  page?: boolean | undefined;
  /** Told what goes wrong without a request to say it to. */
  onWarning?: ((text: string) => void) | undefined;
};

export const DEFAULTS = {
  host: "127.0.0.1",
  port: 8080,
  queue: 100,
  timeout: 120_000,
  maxBody: 32 * 2 ** 20,
} as const;
