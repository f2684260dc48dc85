// What the built-in model does where nothing is asked for: its heads and BM25, in every way that gives a ranking.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createQRHead } from "../../src/adapters/ai-sdk.ts";
import { openIndex, QRRetriever, relevanceByPlace } from "../../src/index.ts";
import { IsolatedRetriever } from "../../src/isolate/index.ts";
import { startServer } from "../../src/serve/server.ts";
import { run, temporaryFolder } from "../helpers/cli.ts";
import { send } from "../helpers/server.ts";

// No two words here have one stem, so that what BM25 counts can be read off.
const texts = [
  "ferry boat rope anchor mast sail deck",
  "the night train leaves Vienna at ten and stops in Venice at eight",
  "dog cat bird frog fish snail worm",
  "the boat over the river takes two pounds from everybody",
  "a ticket for the night ferry has a price of nine pounds",
  "ferry ferry ferry ferry ferry ferry in the harbour",
];
const documents = texts.map((text, index) => ({ id: `d${index}`, text }));
const query = "ferry boat price";
/** In how many of 77,575 passages of English text these are. */
const IN_ENGLISH: Record<string, number> = { ferry: 44, boat: 180, price: 960 };
const STOP = new Set(["the", "at", "and", "in", "a", "for", "of"]);

const inverse = (all: number, having: number) => Math.log(1 + (all - having + 0.5) / (having + 0.5));

/** BM25 by its formula: k1 .9, b .4; a word is as rare as in English text (¾) and in these texts (¼), geometric mean. */
function bm25(asked: string): number[] {
  const words = texts.map((text) =>
    text
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .filter((word) => word && !STOP.has(word)),
  );
  const average = words.reduce((sum, { length }) => sum + length, 0) / words.length;
  return words.map((own) =>
    asked.split(" ").reduce((sum, term) => {
      const holding = words.filter((some) => some.includes(term)).length;
      const idf = inverse(77_575, IN_ENGLISH[term]!) ** 0.75 * inverse(texts.length, holding) ** 0.25;
      const count = own.filter((word) => word === term).length;
      return sum + (idf * count * 1.9) / (count + 0.9 * (0.6 + (0.4 * own.length) / average));
    }, 0),
  );
}

function z(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return values.map((value) => (value - mean) / deviation);
}

/** Score by document, from what the heads give alone. */
function expected(heads: readonly number[], prior = bm25(query), weight = 0.5): number[] {
  const [a, b] = [z(heads), z(prior)];
  return heads.map((_, index) => weight * a[index]! + (1 - weight) * b[index]!);
}

type Shown = { index: number; score: number };
const inOrder = (scores: readonly number[]) => [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);

function expectFused(results: readonly Shown[], scores: readonly number[]): void {
  expect(results.map(({ index }) => index)).toEqual(inOrder(scores));
  for (const { index, score } of results) expect(score).toBeCloseTo(scores[index]!, 6);
}

const load = { gpu: false, threads: 1 } as const;
const files = temporaryFolder();
let retriever: QRRetriever;
let heads: number[];
let docs: string;

beforeAll(async () => {
  retriever = await QRRetriever.load(load);
  heads = await alone();
  docs = files.write("docs.jsonl", documents.map((document) => JSON.stringify(document)).join("\n"));
});
afterAll(async () => {
  await retriever.dispose();
  files.remove();
});

async function alone(layout?: "independent"): Promise<number[]> {
  const { results } = await retriever.rank(query, documents, { fuse: "none", layout });
  const scores: number[] = [];
  for (const { index, score } of results) scores[index] = score;
  return scores;
}

describe("the built-in model ranks by z(heads) + z(BM25)", () => {
  test("in rank and rankMany, where heads alone have another order", async () => {
    expect(retriever.fuse).toEqual({ weight: 0.5 });
    expect(inOrder(expected(heads))).not.toEqual(inOrder(heads));
    const { results, fusion } = await retriever.rank(query, documents);
    expect(fusion).toEqual({ prior: "bm25", fuse: { weight: 0.5 } });
    expectFused(results, expected(heads));
    for (const { index, attention, prior } of results) {
      expect(attention).toBe(heads[index]);
      expect(prior).toBeCloseTo(bm25(query)[index]!, 9);
    }
    const batch = await retriever.rankMany([query, "dog"], documents);
    expectFused(batch.results[0]!.results, expected(heads));
    expect(batch.results[1]!.results[0]!.index).toBe(2);
  });

  test("in a corpus, and in another process", async () => {
    await using corpus = await retriever.corpus(documents, { layout: "independent" });
    expectFused((await corpus.rank(query)).results, expected(await alone("independent")));
    expect((await corpus.rank(query, { fuse: "none" })).results[0]).not.toHaveProperty("prior");
    await using isolated = await IsolatedRetriever.load(load);
    expect(isolated.fuse).toEqual({ weight: 0.5 });
    expectFused((await isolated.rank(query, documents)).results, expected(heads));
  });

  test("on the command line", async () => {
    const args = ["rerank", query, "--threads", "1", "--gpu", "false", "--json"];
    const { stdout } = await run([...args.slice(0, 2), docs, ...args.slice(2)]);
    expectFused(JSON.parse(stdout).results, expected(heads));
  });

  test("with an index beside its BM25 over all chunks, weighted alike", async () => {
    const file = files.path("notes.index");
    await using index = await openIndex(file);
    await index.update([docs]);
    const asked = "the night ferry";
    const found = await index.search(asked, 10);
    expect(found.length).toBeGreaterThan(2);
    const printed = await run(["rerank", asked, "--index", file, "--threads", "1", "--gpu", "false", "--json"]);
    const { results, fusion } = JSON.parse(printed.stdout) as {
      results: { score: number; attention: number; prior: number; text: string }[];
      fusion: object;
    };
    expect(fusion).toEqual({ prior: "given", fuse: { weight: 0.5 } });
    const priors = results.map(({ text }) => found.find((one) => one.text === text)!.score);
    const sums = expected(
      results.map(({ attention }) => attention),
      priors,
      0.5,
    );
    expect(inOrder(sums)).toEqual([...results.keys()]);
    for (const [place, { score, prior }] of results.entries()) {
      expect(score).toBeCloseTo(sums[place]!, 9);
      expect(prior).toBe(priors[place]);
    }
    const { sources } = await retriever.retrieve(asked, index, { topK: 10, order: "score" });
    const shown = sources.map(({ score }) => score);
    expect(shown).toEqual([...shown].sort((a, b) => b - a));
  });

  test("in the server, whose numbers fall from rank to rank", async () => {
    const server = await startServer({ load, port: 0, inProcess: true });
    const ask = async (route: string, body: object) => send(`${server.url}${route}`, body);
    const order = inOrder(expected(heads));
    const own = relevanceByPlace((await retriever.rank(query, documents)).results);
    for (const route of ["/v1/rerank", "/v2/rerank"]) {
      const { body } = await ask(route, { query, documents: texts, return_raw_scores: true });
      expectFused(
        body.results.map(({ index, raw_score }: { index: number; raw_score: number }) => ({ index, score: raw_score })),
        expected(heads),
      );
      const relevances = body.results.map(({ relevance_score }: { relevance_score: number }) => relevance_score);
      for (const [place, value] of relevances.entries()) expect(value).toBeCloseTo(own[place]!, 9);
      expect(relevances).toEqual([...relevances].sort((a, b) => b - a));
    }
    const tei = (await ask("/rerank", { query, texts })).body as Shown[];
    expect(tei.map(({ index }) => index)).toEqual(order);
    expect(tei.map(({ score }) => score)).toEqual([...tei.map(({ score }) => score)].sort((a, b) => b - a));
    const byHeads = (await ask("/v1/rerank", { query, documents: texts, fuse: "none" })).body;
    expect(byHeads.results.map(({ index }: { index: number }) => index)).toEqual(inOrder(heads));
    expect((await ask("/v1/rerank", { query, documents: texts, fuse: { weight: 2 } })).status).toBe(400);
    await server.close();
  });

  test("in an adapter, with relevance scores that fall", async () => {
    const provider = createQRHead({ retriever });
    const { ranking, providerMetadata } = await provider
      .reranking()
      .doRerank({ query, documents: { type: "text", values: texts } });
    const { scores } = providerMetadata.qrhead;
    expectFused(
      ranking.map(({ index }, place) => ({ index, score: scores[place]! })),
      expected(heads),
    );
    const relevances = ranking.map(({ relevanceScore }) => relevanceScore);
    expect(relevances).toEqual([...relevances].sort((a, b) => b - a));
    for (const value of relevances) expect(value >= 0 && value <= 1).toBe(true);
  });
});

test("what is the same for all, and a document alone, have finite scores", async () => {
  const one = await retriever.rank(query, [texts[0]!]);
  expect(one.results).toMatchObject([{ score: 0, attention: expect.any(Number) }]);
  // The query itself as null query leaves nothing to the heads, and no document has a word of this one.
  const none = await retriever.rank("zebra", documents, { nullQuery: "zebra" });
  expect(none.results.map(({ index, score }) => [index, score])).toEqual(documents.map((_, index) => [index, 0]));
});

test("blank documents stay last, and threshold goes by what the heads say", async () => {
  const { results } = await retriever.rank(query, ["?!", ...texts]);
  expect(results.at(-1)).toMatchObject({ index: 0, demoted: "blank" });
  const { results: ranked } = await retriever.rank(query, documents);
  const threshold = [...ranked.map(({ relevance }) => relevance)].sort((a, b) => b - a)[2]!;
  const some = await retriever.rank(query, documents, { threshold });
  expect(some).toMatchObject({ abstained: false, belowThreshold: texts.length - 3 });
  expect(some.results).toEqual(ranked.filter(({ relevance }) => relevance >= threshold));
});
