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

/** Milliseconds that answering a request that took too long may take. */
const GRACE_MS = 1000;

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
    const { host = DEFAULTS.host, port = DEFAULTS.port, timeout = DEFAULTS.timeout } = options;
    // HTTP 1.0, which health checks of load balancers use, has no Host header.
    const server = createAdaptorServer({ fetch: app.fetch, hostname: "localhost" }) as Server;
    const requests = new Requests(server);
    await listen(server, host, port);
    const { port: actual } = server.address() as AddressInfo;
    const name = host.includes(":") ? `[${host}]` : host;
    let closing: Promise<void> | undefined;
    return {
      url: `http://${name}:${actual}`,
      close: () => {
        closing ??= close(server, () => requests.over(timeout), models, state);
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

/** Counts the requests that run. */
class Requests {
  #running = 0;
  readonly #onEnd: (() => void)[] = [];

  constructor(server: Server) {
    server.on("request", (_, response) => {
      this.#running += 1;
      response.once("close", () => {
        this.#running -= 1;
        if (this.#running === 0) for (const end of this.#onEnd.splice(0)) end();
      });
    });
  }

  /** Resolves when no request runs, or when the running ones have had their time. */
  async over(milliseconds: number): Promise<void> {
    if (this.#running === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onEnd.push(resolve);
      timer = setTimeout(resolve, milliseconds + GRACE_MS);
    });
    clearTimeout(timer);
  }
}

async function close(server: Server, over: () => Promise<void>, models: Models, state: State): Promise<void> {
  state.isDraining = true;
  const closed = once(server, "close");
  server.close();
  await over();
  // Otherwise `close` would wait for idle connections.
  server.closeAllConnections();
  await closed;
  await models.dispose();
}
