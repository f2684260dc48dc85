// What a query costs behind documents that were read, many queries together, and one that needs a larger cache.
import { type DocumentInput, QRRetriever, type RankOptions } from "../src/index.ts";
import { freshTexts, medians, queries, type Row, ratio, type Settings, shortQueries, texts } from "./rows.ts";
import { HALF_A_BILLION } from "./shapes.ts";

const NULL_QUERY = "N/A";

/** On one thread. */
export async function* queryRows({ rounds, model }: Settings): AsyncGenerator<Row> {
  await using retriever = await QRRetriever.load({ model, gpu: false, threads: 1 });
  const { name } = retriever.model;
  for (const [layout, count, words, goal] of [
    ["listwise", 6, 75, null],
    ["listwise", 30, 75, 0.35],
    ["independent", 200, 75, null],
    ["independent", 1000, 75, 0.35],
  ] as const) {
    await using corpus = await retriever.corpus(texts(count, words, 1), { layout });
    const what = `${name}, ${layout}, ${count} documents of ${words} words`;
    const rank = (query: string, options: RankOptions = {}) => corpus.rank(query, options);
    for (const [length, ten] of [
      ["10", shortQueries],
      ["14", queries],
    ] as const) {
      const together = await medians(rounds, [
        { run: () => corpus.rankMany(ten) },
        { run: () => Promise.all(ten.map((query) => rank(query))) },
      ]);
      yield ratio(`${what}: ten queries of ${length} words in one call / in ten`, goal, together);
    }
    const [both, query, nullQuery] = await medians(rounds, [
      { run: () => rank(queries[0]!) },
      { run: () => rank(queries[0]!, { calibration: false }) },
      { run: () => rank(NULL_QUERY, { calibration: false }) },
    ]);
    const detail = `${both.toFixed(0)}, ${query.toFixed(0)} and ${nullQuery.toFixed(0)} ms`;
    yield {
      ...{ measure: `${what}: query and null query in a call / each in its own`, detail },
      ...{ value: both / (query + nullQuery), atMost: layout === "listwise" ? 0.65 : null },
    };
    yield { measure: `${what}: query and null query / the query alone`, value: both / query, atMost: null, detail };
  }
  for (const [layout, count, words] of [
    ["listwise", 3, 62],
    ["listwise", 20, 75],
    ["independent", 20, 75],
  ] as const) {
    /** Documents that were not read before the call that takes them first. */
    let latest: string[] = [];
    const [first, further] = await medians(rounds, [
      {
        before: async () => {
          latest = freshTexts(count, words);
        },
        run: () => retriever.rank(queries[0]!, latest, { layout }),
      },
      { run: () => retriever.rank(queries[1]!, latest, { layout }) },
    ]);
    const what = `${name}, ${layout}, ${count} documents of ${words} words`;
    yield ratio(`${what}: a further query / the first call`, null, [further, first]);
  }
  yield await oneMore(retriever, rounds);
}

/** One more document in an independent corpus, beside reading all again. */
async function oneMore(retriever: QRRetriever, rounds: number): Promise<Row> {
  await using corpus = await retriever.corpus<DocumentInput>(texts(200, 75, 3), { layout: "independent" });
  const times = await medians(rounds, [
    {
      run: async () => {
        await corpus.add(freshTexts(1, 75));
        await corpus.rank(queries[0]!);
      },
    },
    {
      run: async () => {
        await using whole = await retriever.corpus(freshTexts(200, 75), { layout: "independent" });
        await whole.rank(queries[0]!);
      },
    },
  ]);
  return ratio(`${retriever.model.name}, independent, 200 documents: one more and a query / all again`, null, times);
}

/** A query that does not fit the cache that the documents are in, beside an equally long one that does. */
export async function* outgrowing({ rounds }: Settings): AsyncGenerator<Row> {
  await using retriever = await QRRetriever.load({ ...HALF_A_BILLION, gpu: false });
  // More tokens than caches grow by in a step.
  const long = texts(2, 1000, 7);
  let corpus: Awaited<ReturnType<typeof retriever.corpus>> | undefined;
  const times = await medians(Math.min(rounds, 3), [
    {
      before: async () => {
        await corpus?.dispose();
        corpus = await retriever.corpus(freshTexts(10, 100), { layout: "listwise" });
        await corpus.rank(queries[0]!);
      },
      run: () => corpus!.rank(long[0]!),
    },
    { run: () => corpus!.rank(long[1]!) },
  ]);
  await corpus?.dispose();
  yield ratio("0.5B, 10 documents of 100 words: a query that outgrows the cache / one that fits", 1.2, times);
}
