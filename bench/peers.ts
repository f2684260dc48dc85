// 32 documents of about 150 tokens in both layouts, beside a cross-encoder of MiniLM-L6's shape on the same documents, through
// node-llama-cpp's `rankAll`. Its weights are random: what it costs does not depend on them. All on two threads.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { QRRetriever } from "../src/index.ts";
import { freshTexts, medians, queries, type Row, type Settings } from "./rows.ts";

const THREADS = 2;
const CROSS_ENCODER = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  "../.cache/models/bench-cross-encoder.gguf",
);

export async function* peerRows({ rounds, model }: Settings): AsyncGenerator<Row> {
  await using retriever = await QRRetriever.load({ model, gpu: false, threads: THREADS });
  const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
  const peer = await llama.loadModel({ modelPath: CROSS_ENCODER });
  const ranking = await peer.createRankingContext({ threads: THREADS, contextSize: 512 });
  const query = queries[0]!;
  let documents: string[] = [];
  let tokens = 0;
  const next = async () => {
    documents = freshTexts(32, 113);
  };
  const rank = async (layout: "listwise" | "independent") => {
    const { usage } = await retriever.rank(query, documents, { layout, fuse: "none" });
    tokens = usage.documentTokens.reduce((sum, count) => sum + count, 0);
  };
  // Every round has documents of its own, which each way reads for the first time.
  const [independent, listwise, encoder] = await medians(rounds, [
    { before: next, run: () => rank("independent") },
    { run: () => rank("listwise") },
    { run: () => ranking.rankAll(query, documents) },
  ]);
  const what = `${retriever.model.name}, 32 documents, ${tokens} tokens, ${THREADS} threads`;
  yield { measure: `${what}: independent`, value: independent / 1000, unit: " s", atMost: 0.3 };
  yield { measure: `${what}: listwise`, value: listwise / 1000, unit: " s", atMost: 0.6 };
  const lengths = documents.map((text) => ranking.calculateInputLength(query, text));
  const own = lengths.reduce((sum, count) => sum + count, 0);
  yield {
    ...{ measure: "the same documents: rankAll of a cross-encoder of MiniLM-L6's shape (Q8_0)", unit: " s" },
    ...{ value: encoder / 1000, atMost: null, detail: `${own} tokens, queries among them` },
  };
  await llama.dispose();
}
