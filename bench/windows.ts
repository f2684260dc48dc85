// Quality of each merge rule against one window, on a BEIR folder or a folder of conversations:
//   npx tsx bench/windows.ts FOLDER [--documents 40] [--queries 30] [--window 1024] [--cut 48] [--order bm25|shuffled] [--model M]
import path from "node:path";
import { parseArgs } from "node:util";
import { QRRetriever } from "../src/index.ts";
import type { RankOptions } from "../src/options.ts";
import { MERGE_RULES } from "../src/windows/options.ts";
import { candidates, mean, ndcg10, randomFrom, readQuestions, shuffled, spread } from "./data.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: "string", default: "40" },
    queries: { type: "string", default: "30" },
    window: { type: "string", default: "1024" },
    cut: { type: "string", default: "48" },
    order: { type: "string", default: "shuffled" },
    threads: { type: "string", default: "2" },
    rules: { type: "string", default: MERGE_RULES.join(",") },
    model: { type: "string" },
    single: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const [folder] = positionals;
if (!folder) throw new Error("Expected a folder: npx tsx bench/windows.ts FOLDER");

const questions = spread(readQuestions(folder), Number(values.queries));
await using retriever = await QRRetriever.load({
  model: values.model,
  threads: Number(values.threads),
  maxDocumentTokens: Number(values.cut),
});
const windowTokens = Number(values.window);
const settings: [name: string, options: RankOptions][] = [
  ...(values.single ? ([["one window", { windows: "never" }]] as [string, RankOptions][]) : []),
  ...(values.rules.split(",") as (typeof MERGE_RULES)[number][]).map(
    (merge) => [merge, { windows: { merge, windowTokens } }] as [string, RankOptions],
  ),
];
const table = new Map(
  settings.map(([name]) => [name, { ndcg: [] as number[], windows: [] as number[], ms: [] as number[] }]),
);
const first: number[] = [];
const random = randomFrom(7);
for (const question of questions) {
  const best = candidates(question, Number(values.documents));
  const documents = values.order === "shuffled" ? shuffled(best, random) : best;
  first.push(
    ndcg10(
      best.map(({ id }) => id),
      question.grades,
    ),
  );
  for (const [name, options] of settings) {
    const result = await retriever.rank(question.query, documents, options);
    const row = table.get(name)!;
    row.ndcg.push(
      ndcg10(
        result.results.map(({ id }) => id),
        question.grades,
      ),
    );
    row.windows.push(result.windows?.count ?? 1);
    row.ms.push(result.timings.totalMs);
  }
}
const { documents, cut, order } = values;
console.log(
  `${path.basename(path.resolve(folder))}: ${questions.length} queries, BM25's best ${documents} documents (${order}), ` +
    `cut at ${cut} tokens, windows of ${windowTokens}; nDCG@10 of BM25 ${mean(first).toFixed(3)}`,
);
for (const [name, row] of table) {
  const [ndcg, windows, ms] = [mean(row.ndcg), mean(row.windows), mean(row.ms)];
  console.log(`| ${name.padEnd(11)} | ${ndcg.toFixed(3)} | ${windows.toFixed(1)} | ${Math.round(ms)} ms |`);
}
