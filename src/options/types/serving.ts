// Written by `npm run options` from registry.ts: change it there.
import type { LoadOptions } from "./ranking.ts";

/** What `qrhead serve` runs with. */
export type ServeOptions = {
  /** GGUF files or `hf:` URIs to serve, the first of them by default. Defaults to the built-in model. */
  models?: readonly string[] | undefined;
  /** How each is loaded. Defaults to the defaults of loading. */
  load?: Omit<LoadOptions, "model" | "signal" | "onProgress"> | undefined;
  /** Address to listen on. Defaults to `"127.0.0.1"`. The default is this machine only. */
  host?: string | undefined;
  /** Port to listen on, 0 for a free one. An integer from 0 to 65535. Defaults to `8080`. */
  port?: number | undefined;
  /** Keys of which a request must bring one. Defaults to none, and no key is asked for. */
  apiKeys?: readonly string[] | undefined;
  /** Requests of a model that may wait; one more is answered 429. An integer from 1 to 1000000. Defaults to `100`. */
  queue?: number | undefined;
  /**
   * Time that a request may take, waiting included. An integer from 1 to 86400000, in milliseconds. Defaults to
   * `120000`.
   */
  timeout?: number | undefined;
  /** Size that a body may have. An integer from 1 to 4294967296, in bytes. Defaults to `33554432`. */
  maxBody?: number | undefined;
  /** Model files that may be loaded together. Defaults to no bound. */
  modelMemory?: number | undefined;
  /**
   * Time after which a model that nobody asks is unloaded. An integer from 1 to 2000000000, in milliseconds. Defaults
   * to never.
   */
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

/** What `qrhead mcp` runs with. */
export type McpOptions = {
  /** Folders that tools may read. */
  roots: readonly string[];
  /**
   * How the retriever is loaded, into a process of its own, when a tool first needs it. Defaults to the built-in
   * model.
   */
  load?: LoadOptions | undefined;
  /** GGUF that answers, for the tool `ask`. Defaults to none, and there is no such tool. */
  generator?: string | undefined;
  /** Version that the client is told. */
  version: string;
};
