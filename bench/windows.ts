// Quality of each merge rule against one window, on BEIR folders or folders of conversations:
//   npx tsx bench/windows.ts FOLDER… [--documents 40] [--queries 20] [--window 1024] [--cut 48] [--order bm25|shuffled]
//     [--rules calibrated,final] [--against tournament] [--no-single] [--model M]
import path from "node:path";
import { parseArgs } from "node:util";
import { bootstrap } from "../src/eval/metrics/statistics.ts";
import { QRRetriever } from "../src/index.ts";
import type { RankOptions } from "../src/options.ts";
import { DEFAULT_MERGE, MERGE_RULES, type MergeRule } from "../src/ranking/windows/options.ts";
import { KvContext, type Observed } from "../src/reading/kv-context.ts";
import { mean } from "../src/util/mean.ts";
import { candidates, ndcg10, randomFrom, readQuestions, shuffled, spread } from "./data.ts";

const { values, positionals: folders } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: "string", default: "40" },
    queries: { type: "string", default: "20" },
    window: { type: "string", default: "1024" },
    cut: { type: "string", default: "48" },
    order: { type: "string", default: "shuffled" },
    threads: { type: "string", default: "1" },
    rules: { type: "string", default: MERGE_RULES.join(",") },
    against: { type: "string", default: DEFAULT_MERGE },
    model: { type: "string" },
    single: { type: "boolean", default: true },
  },
  allowNegative: true,
});
if (folders.length === 0) throw new Error("Expected a folder: npx tsx bench/windows.ts FOLDER…");

// Rules begin with the same windows, and a window's scores depend on nothing else: each is read once for all of them.
const read = new Map<string, Observed>();
const observe = KvContext.prototype.observe;
KvContext.prototype.observe = async function* (this: KvContext, prompts, how, options, saved) {
  for (const prompt of prompts) {
    const key = `${prompt.trunk.key} ${prompt.query.join()}`;
    if (!read.has(key)) {
      for await (const one of observe.call(this, [prompt], how, options, saved)) read.set(key, one);
    }
    yield read.get(key)!;
  }
} as typeof observe;

await using retriever = await QRRetriever.load({
  model: values.model,
  gpu: false,
  threads: Number(values.threads),
  maxDocumentTokens: Number(values.cut),
});
const windowTokens = Number(values.window);
const settings: [name: string, options: RankOptions][] = [
  ...(values.single ? ([["one window", { windows: "never" }]] as [string, RankOptions][]) : []),
  ...(values.rules.split(",") as MergeRule[]).map(
    (merge) => [merge, { windows: { merge, windowTokens } }] as [string, RankOptions],
  ),
];
const BM25 = "BM25's order";
type Row = { ndcg: number[][]; prompts: number[] };
const table = new Map(
  [BM25, ...settings.map(([name]) => name)].map((name): [string, Row] => [name, { ndcg: [], prompts: [] }]),
);
const random = randomFrom(7);
for (const folder of folders) {
  for (const row of table.values()) row.ndcg.push([]);
  for (const question of spread(readQuestions(folder), Number(values.queries))) {
    const best = candidates(question, Number(values.documents));
    const documents = values.order === "shuffled" ? shuffled(best, random) : best;
    note(BM25, best, 0);
    for (const [name, options] of settings) {
      const { results, windows } = await retriever.rank(question.query, documents, options);
      note(name, results, windows?.count ?? 1);
    }
    read.clear();

    function note(name: string, ranking: readonly { id: string }[], prompts: number): void {
      const row = table.get(name)!;
      row.ndcg.at(-1)!.push(
        ndcg10(
          ranking.map(({ id }) => id),
          question.grades,
        ),
      );
      row.prompts.push(prompts);
    }
  }
}

const { documents, queries, cut, order, against } = values;
console.log(
  `${queries} queries a set, BM25's best ${documents} documents (${order}), cut at ${cut} tokens, ` +
    `windows of ${windowTokens}: nDCG@10`,
);
const names = folders.map((folder) => path.basename(path.resolve(folder)));
console.log(`| | ${names.join(" | ")} | mean | less ${against}, 95 % | prompts |\n|${"---|".repeat(names.length + 4)}`);
for (const [name, { ndcg, prompts }] of table) {
  const base = table.get(against)?.ndcg.flat();
  const all = ndcg.flat();
  const cells = [...ndcg.map((one) => three(mean(one))), three(mean(all))];
  console.log(
    `| ${name} | ${cells.join(" | ")} | ${base ? difference(all, base) : ""} | ${mean(prompts).toFixed(1)} |`,
  );
}

/** Query by query, with the interval of the bootstrap over all queries. */
function difference(a: readonly number[], b: readonly number[]): string {
  const interval = bootstrap(
    a.map((value, query) => value - b[query]!),
    1,
  );
  return `${three(interval.mean)} [${three(interval.low)}, ${three(interval.high)}]`;
}

function three(value: number): string {
  return value.toFixed(3);
}
