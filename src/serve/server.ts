import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { InputError } from "../index.ts";
import { parseOptions } from "../options/parse.ts";
import { SERVING } from "../options/serving.ts";
import { createApp, type State } from "./app.ts";
import { CorpusStore } from "./corpora.ts";
import { Metrics } from "./metrics.ts";
import { Models } from "./models.ts";
import { DEFAULTS, type ServeOptions } from "./options.ts";

/** Milliseconds that requests may still take when the server stops. */
const DRAIN_MS = 30_000;

/** A server that listens. */
export type RunningServer = {
  /** Such as `http://127.0.0.1:8080`. */
  url: string;
  /** Takes no more requests, waits for those that run, and frees the models. Idempotent. */
  close(): Promise<void>;
};

/**
 * Serves rerank requests over HTTP, in the shapes of Cohere, Jina, llama.cpp and TEI. Resolves when the first model is
 * loaded and requests are taken.
 *
 * @throws InputError for an option that is not as `ServeOptions` says, for an address that cannot be listened on, and what loading the first model throws.
 */
export async function startServer(given: ServeOptions = {}): Promise<RunningServer> {
  const options = parseOptions(SERVING, given) as ServeOptions;
  const metrics = new Metrics();
  const models = new Models(options, metrics);
  metrics.watch(models.list);
  try {
    const corpora = options.corpora === undefined ? undefined : new CorpusStore(options.corpora, models);
    const state: State = { isDraining: false };
    const app = createApp({ models, metrics, corpora }, options, state);
    await models.first.engine();
    const server = createAdaptorServer({ fetch: app.fetch }) as Server;
    const { host = DEFAULTS.host, port = DEFAULTS.port } = options;
    await listen(server, host, port);
    const { port: actual } = server.address() as AddressInfo;
    const name = host.includes(":") ? `[${host}]` : host;
    let closing: Promise<void> | undefined;
    return {
      url: `http://${name}:${actual}`,
      close: () => {
        closing ??= close(server, models, state);
        return closing;
      },
    };
  } catch (error) {
    await models.dispose();
    throw error;
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new InputError("INVALID_ARGUMENT", `Cannot listen on ${host}, port ${port} (${reason})`, {
      ...{ option: "port", cause: error },
    });
  }
}

async function close(server: Server, models: Models, state: State): Promise<void> {
  state.isDraining = true;
  const closed = once(server, "close");
  server.close();
  const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
  await closed;
  clearTimeout(timer);
  await models.dispose();
}
