import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { parseBody, rerankTei } from "./bodies.ts";
import { errorBody, type Family, HttpError, MethodError, toHttpError } from "./failure.ts";
import { keyCheck, readJson, withDeadline } from "./guard.ts";
import { openApi } from "./openapi.ts";
import { DEFAULTS, type ServeOptions } from "./options.ts";
import { addPage } from "./page.ts";
import { type Services, storeOf } from "./ranking.ts";
import { type Answer, answerTei, answerV1, answerV2 } from "./rerank.ts";
import { answerPrune, answerRetrieve, answerUpload } from "./texts.ts";

type Env = { Variables: { route: string; family: Family } };
type Handler = (body: unknown, signal: AbortSignal, c: Context<Env>) => Promise<Answer>;

/** What a server is doing. */
export type State = { isDraining: boolean };

/** The routes of `qrhead serve`. */
export function createApp(services: Services, options: ServeOptions, state: State): Hono<Env> {
  const { models, metrics } = services;
  const { timeout = DEFAULTS.timeout, maxBody = DEFAULTS.maxBody, apiKeys = [], page = true } = options;
  const hasKey = keyCheck(apiKeys);
  const app = new Hono<Env>();
  const fail = (c: Context<Env>, error: unknown) => {
    const isTeis = c.get("family") === "tei";
    const failure = toHttpError(error, !isTeis && /\/rerank(ing)?$/.test(c.get("route")));
    if (failure.status === 500) options.onWarning?.(`${c.get("route")}: ${describe(error)}`);
    if (failure.retryAfter !== undefined) c.header("retry-after", String(failure.retryAfter));
    // The rest of a body that is too large or too slow is not read, and nothing else can come after it.
    if (failure.status === 413 || failure.status === 408) c.header("connection", "close");
    if (failure.allow) c.header("allow", failure.allow);
    if (failure.status === 401) c.header("www-authenticate", "Bearer");
    return c.json(errorBody(failure, c.get("family") ?? "any"), failure.status as ContentfulStatusCode);
  };

  app.use("*", async (c, next) => {
    const began = performance.now();
    c.set("route", "other");
    await next();
    c.header("x-content-type-options", "nosniff");
    if (state.isDraining) c.header("connection", "close");
    metrics.answered(c.get("route"), c.res.status, performance.now() - began);
  });
  app.onError((error, c) => fail(c, error));
  app.notFound((c) => fail(c, new HttpError(404, `There is no ${c.req.method} ${c.req.path}`)));
  app.use("*", methodNotAllowed({ app, onMethodNotAllowed: (c, methods) => fail(c, new MethodError(c.req, methods)) }));

  /** A route that computes: it needs a key, a bounded body, and ends with its client or its time. */
  const answer = (method: "post" | "put", path: string, family: Family, handler: Handler) => {
    const limit = bodyLimit({
      maxSize: maxBody,
      onError: () => {
        throw new HttpError(413, `The body has more than ${maxBody} bytes`);
      },
    });
    app[method](path, async (c) => {
      c.set("route", path);
      c.set("family", family);
      checkKey(c);
      if (state.isDraining) throw new HttpError(503, "The server is stopping", undefined, 1);
      const done = await withDeadline(c, timeout, async (signal) => {
        const body = await readJson(c, limit, signal);
        return handler(body, signal, c);
      });
      if (done.timings) c.header("server-timing", serverTiming(done.timings));
      if (done.model) c.header("x-model", encodeURIComponent(done.model));
      return c.json(done.body as object);
    });
  };
  const checkKey = (c: Context<Env>) => {
    if (!hasKey(c.req.header("authorization"))) throw new HttpError(401, "Expected a key: Authorization: Bearer KEY");
  };
  /** A route that tells. */
  const tell = (path: string, needsKey: boolean, handler: (c: Context<Env>) => Response | Promise<Response>) =>
    app.get(path, async (c) => {
      c.set("route", path);
      if (needsKey) checkKey(c);
      return handler(c);
    });

  answer("post", "/v2/rerank", "cohere", (body, signal) => answerV2(services, body, signal));
  for (const path of ["/v1/rerank", "/v1/reranking"]) {
    answer("post", path, "any", (body, signal) => answerV1(services, body, signal));
  }
  for (const path of ["/rerank", "/reranking"]) {
    answer("post", path, "any", (body, signal, c) => {
      if (!isTei(body)) return answerV1(services, body, signal, NOTHING_TO_RANK);
      c.set("family", "tei");
      return answerTei(services, parseBody(rerankTei, body), signal);
    });
  }
  answer("post", "/v1/prune", "any", (body, signal) => answerPrune(services, body, signal));
  answer("post", "/v1/retrieve", "any", (body, signal) => answerRetrieve(services, body, signal));
  answer("put", "/v1/corpora/:name", "any", (body, signal, c) =>
    answerUpload(services, c.req.param("name")!, body, signal),
  );
  answer("post", "/v1/corpora/:name/rerank", "any", (body, signal, c) => {
    const asked = typeof body === "object" && body !== null && !Array.isArray(body) ? body : {};
    return answerV1(services, { ...asked, documents: undefined, corpus: c.req.param("name") }, signal);
  });

  tell("/v1/corpora", true, async (c) => c.json({ object: "list", data: await storeOf(services).list() }));
  tell("/v1/corpora/:name", true, async (c) =>
    c.json({ object: "corpus", ...(await storeOf(services).describe(c.req.param("name")!)) }),
  );
  app.delete("/v1/corpora/:name", async (c) => {
    c.set("route", "/v1/corpora/:name");
    checkKey(c);
    const name = c.req.param("name");
    await storeOf(services).remove(name);
    return c.json({ object: "corpus", name, deleted: true });
  });
  tell("/v1/models", true, (c) =>
    c.json({
      object: "list",
      data: models.list.map(({ id, isLoaded, queue }) => ({
        ...{ id, object: "model", created: 0, owned_by: "qrhead", loaded: isLoaded, waiting: queue.length },
      })),
    }),
  );
  tell("/health", false, (c) => c.json({ status: "ok" }));
  tell("/ready", false, (c) =>
    state.isDraining ? c.json({ status: "stopping" }, 503) : c.json({ status: "ready", model: models.first.id }),
  );
  tell("/metrics", true, async (c) => c.text(await metrics.text(), 200, { "content-type": metrics.contentType }));
  tell("/openapi.json", false, (c) => c.json(openApi(apiKeys.length > 0)));
  if (page) addPage(app);
  return app;
}

/** What a route says that answers clients of two kinds. */
const NOTHING_TO_RANK = 'expected "documents" (Cohere, Jina, llama.cpp) or "texts" (TEI), a list of what to rank';

/** Texts and no documents, where null is as good as nothing. */
function isTei(body: unknown): boolean {
  if (typeof body !== "object" || body === null) return false;
  const { texts, documents } = body as { texts?: unknown; documents?: unknown };
  return texts != null && documents == null;
}

function serverTiming(timings: NonNullable<Answer["timings"]>): string {
  const { waitMs = 0, prefillMs, nullMs, queryMs, totalMs } = timings;
  const parts = { wait: waitMs, prefill: prefillMs, null: nullMs, query: queryMs, total: totalMs };
  return Object.entries(parts)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(1)}`)
    .join(", ");
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
