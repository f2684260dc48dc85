// What ranking costs: processor time and peak memory of one process that ranks the same few queries in one way.
//
//   npx tsx bench/released/cost.ts MODEL.gguf HEADS|dense FILE
//
// FILE holds `[{query, documents}]`. Prints one JSON object.
import { readFileSync } from "node:fs";
import { dense } from "../../src/eval/methods/dense.ts";
import { QRRetriever } from "../../src/retriever.ts";
import type { RankDocument } from "../../src/types.ts";
import { config } from "./config.ts";

type Query = { query: string; documents: RankDocument[] };
export type Cost = { cpuSeconds: number; peakMiB: number };

const [model, heads, file] = process.argv.slice(2) as [string, string, string];
const queries = JSON.parse(readFileSync(file, "utf8")) as Query[];
const load = { gpu: false as const, threads: 1 };
await using ranker = heads === "dense" ? await embedder() : await retriever();
const began = process.cpuUsage();
for (const query of queries) await ranker.rank(query);
const { user, system } = process.cpuUsage(began);
const cpuSeconds = (user + system) / 1e6 / queries.length;
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(JSON.stringify({ cpuSeconds, peakMiB } satisfies Cost));

async function retriever() {
  const { maxDocumentTokens } = config;
  const loaded = await QRRetriever.load({ ...load, model, heads, order: "reverse", maxDocumentTokens });
  return {
    rank: ({ query, documents }: Query): Promise<unknown> => loaded.rank(query, documents),
    [Symbol.asyncDispose]: () => loaded.dispose(),
  };
}

async function embedder() {
  const method = await dense(model, "dense", "dense").open({ load });
  return {
    rank: ({ query, documents }: Query): Promise<unknown> =>
      method.rank({ topic: { id: "", query, grades: new Map() }, documents, scores: [], bm25: async () => [] }),
    [Symbol.asyncDispose]: () => method[Symbol.asyncDispose](),
  };
}
