// A rerank service of your own, with a bounded queue; the model is in a process of its own. `qrhead serve` has more.
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { isQRHeadError } from "qrhead";
import { IsolatedRetriever } from "qrhead/isolated";

type Body = { query: string; documents: string[]; top_n?: number };

const retriever = await IsolatedRetriever.load({ model: process.env.QRHEAD_MODEL });
const app = new Hono();
app.get("/ready", (c) => c.json({ pending: retriever.pending, restarts: retriever.restarts }));
app.post("/v1/rerank", async (c) => {
  if (retriever.pending >= 4) return c.json({ message: "Too many requests wait" }, 503, { "retry-after": "1" });
  const { query, documents, top_n } = await c.req.json<Body>();
  const { results, usage } = await retriever.rank(query, documents, { topK: top_n, signal: c.req.raw.signal });
  const found = results.map(({ index, relevance, document }) => ({ index, relevance_score: relevance, document }));
  return c.json({ results: found, usage: { prompt_tokens: usage.promptTokens } });
});
app.onError((error, c) => {
  const isWrong = isQRHeadError(error) && error.name === "InputError";
  return c.json({ message: error.message }, isWrong ? 400 : 500);
});

const server = serve({ fetch: app.fetch, port: 0 }, async ({ port }) => {
  const ask = async (body: unknown) => {
    const address = `http://127.0.0.1:${port}/v1/rerank`;
    const response = await fetch(address, { method: "POST", body: JSON.stringify(body) });
    return `${response.status} ${JSON.stringify(await response.json())}`;
  };
  const documents = ["Grass is green.", "Air scatters blue light, so the sky looks blue."];
  console.log(await ask({ query: "Why is the sky blue?", documents, top_n: 1 }));
  console.log(await ask({ query: "Why?", documents: [{ id: "a" }] }));
  server.close();
  await retriever.dispose();
});
