// What a query costs behind documents that were read, and many queries together: ratios of medians, the trials of a round
// one after another.
//
//   npx tsx bench/queries.ts [MODEL] [--rounds 5] [--threads N]
import { parseArgs } from "node:util";
import { type DocumentInput, QRRetriever, type RankOptions } from "../src/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, threads: { type: "string", default: "1" } },
});
const WORDS = "the of river stone light harbour engine letter winter garden paper music road glass night bread".split(
  " ",
);
const NULL_QUERY = "N/A";

/** Texts that share words and differ; about 1.3 tokens a word. */
const texts = (count: number, words: number, seed: number) =>
  Array.from({ length: count }, (_, index) =>
    Array.from({ length: words }, (_, at) => WORDS[(index * 7 + at * at * 3 + at * seed) % WORDS.length]).join(" "),
  );
const queries = texts(10, 10, 5).map((text, index) => `Where is ${text} number ${index}?`);

await using retriever = await QRRetriever.load({
  ...{ model: positionals[0], gpu: false, threads: Number(values.threads) },
});

type Trial = { name: string; run: () => Promise<unknown> };

/** Milliseconds of each trial, the median over rounds. */
async function medians(trials: readonly Trial[]): Promise<number[]> {
  const all = trials.map((): number[] => []);
  for (const { run } of trials) await run();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [index, { run }] of trials.entries()) {
      const began = performance.now();
      await run();
      all[index]!.push(performance.now() - began);
    }
  }
  return all.map((times) => times.sort((a, b) => a - b)[times.length >>> 1]!);
}

async function compare(what: string, one: Trial, other: Trial): Promise<void> {
  const [a, b] = (await medians([one, other])) as [number, number];
  console.log(
    `| ${what}: ${one.name} / ${other.name} | ${(a / b).toFixed(2)} | ${a.toFixed(0)} ms | ${b.toFixed(0)} ms |`,
  );
}

console.log(`${retriever.model.name}, ${values.threads} thread(s), medians of ${values.rounds} rounds\n`);
console.log("| | ratio | | |\n|---|---|---|---|");
for (const [layout, count, words] of [
  ["listwise", 6, 75],
  ["listwise", 30, 75],
  ["independent", 200, 75],
] as const) {
  await using corpus = await retriever.corpus(texts(count, words, 1), { layout });
  const what = `${layout}, ${count} documents of ${words} words`;
  const rank = (query: string, options: RankOptions = {}) => corpus.rank(query, options);
  await compare(
    what,
    { name: "ten queries in one call", run: () => corpus.rankMany(queries) },
    { name: "in ten calls", run: async () => void (await Promise.all(queries.map((query) => rank(query)))) },
  );
  await compare(
    what,
    { name: "query and null query", run: () => rank(queries[0]!) },
    {
      name: "in two passes",
      run: async () => {
        await rank(queries[0]!, { calibration: false });
        await rank(NULL_QUERY, { calibration: false });
      },
    },
  );
}
let turn = 0;
/** Documents that were not read before the call that takes them first. */
let latest: string[] = [];
for (const [layout, count, words] of [
  ["listwise", 3, 62],
  ["listwise", 20, 75],
  ["independent", 20, 75],
] as const) {
  const fresh = () => {
    latest = texts(count, words, 2).map((text) => `${turn++} ${text}`);
    return latest;
  };
  const [first, further] = (await medians([
    { name: "first", run: () => retriever.rank(queries[0]!, fresh(), { layout }) },
    { name: "further", run: () => retriever.rank(queries[1]!, latest, { layout }) },
  ])) as [number, number];
  console.log(
    `| ${layout}, ${count} documents of ${words} words: a further query / the first call | ${(further / first).toFixed(3)} | ${further.toFixed(0)} ms | ${first.toFixed(0)} ms |`,
  );
}
const many = texts(200, 75, 3);
await using grown = await retriever.corpus<DocumentInput>(many, { layout: "independent" });
await compare(
  "independent corpus of 200",
  {
    name: "one more document, and a query",
    run: async () => {
      await grown.add([{ id: `new ${turn++}`, text: `${turn} ${many[0]}` }]);
      await grown.rank(queries[0]!);
    },
  },
  {
    name: "all again",
    run: async () => {
      await using whole = await retriever.corpus(
        many.map((text) => `${turn++} ${text}`),
        { layout: "independent" },
      );
      await whole.rank(queries[0]!);
    },
  },
);
