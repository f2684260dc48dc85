import type { ServeOptions } from "../../src/serve/options.ts";
import { type RunningServer, startServer } from "../../src/serve/server.ts";
import { modelPath } from "./models.ts";

/** A server of test models on a free port, in this process unless told otherwise. */
export function serveTiny(options: ServeOptions = {}): Promise<RunningServer> {
  return startServer({
    models: [modelPath("tiny-llama")],
    load: { heads: "all", gpu: false, threads: 1 },
    ...{ port: 0, inProcess: true },
    ...options,
  });
}

/** Sends JSON and reads JSON. */
export async function send(
  url: string,
  body: unknown,
  {
    method = "POST",
    headers = {},
    signal,
  }: { method?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
) {
  const response = await fetch(url, {
    ...{ method, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) },
    ...(signal && { signal }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: the shape of the answer is what is tested.
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}
