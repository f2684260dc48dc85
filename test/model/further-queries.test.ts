// A query that goes on from what earlier ones left, with the bits of one that is asked first. Without flash attention no pass
// is filled up, so that tiny models keep the instruction and the null query as large ones do.
import { afterAll, describe, expect, test } from "vitest";
import type { RankOptions, RankResult } from "../../src/index.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { rivers as documents } from "../helpers/documents.ts";
import { loadTiny } from "../helpers/retriever.ts";

const query = "Which river carries most water?";
const calls: [string, RankOptions][] = [
  [query, {}],
  ["What grows?", {}],
  [query, { headScores: true }],
  [query, { calibration: false }],
  ["N/A", {}],
  [query, { nullQuery: "Nothing at all" }],
  // Its first character joins the label before it, in some vocabularies.
  [":: which one?", {}],
  // The cache grows for it, and its cells are copied.
  ["river ".repeat(1000), {}],
  [query, { headScores: true, calibration: false }],
  [query, {}],
];
const files = temporaryFolder();
afterAll(() => files.remove());

const contents = ({ timings: _, ...result }: RankResult) => result;

describe.each([
  ["tiny-llama-spm", "listwise"],
  ["tiny-gemma3", "listwise"],
  ["tiny-llama-spm", "independent"],
] as const)("%s, %s", (name, layout) => {
  const load = { flashAttention: false, layout, contextSize: 4096 };

  test("a query has the same results whatever was asked before it, also in a corpus that was saved", async () => {
    const expected: unknown[] = [];
    for (const [asked, options] of calls) {
      await using fresh = await loadTiny(name, load);
      expected.push(contents(await fresh.rank(asked, documents, options)));
    }
    await using retriever = await loadTiny(name, load);
    for (const order of [calls.keys(), [...calls.keys()].reverse()]) {
      for (const index of order) {
        const [asked, options] = calls[index]!;
        expect(contents(await retriever.rank(asked, documents, options)), asked).toEqual(expected[index]);
      }
    }
    const file = files.path(`${name}-${layout}.corpus`);
    await using corpus = await retriever.corpus(documents);
    expect(contents(await corpus.rank(query))).toEqual(expected[0]);
    // While the instruction stands behind the documents.
    await corpus.save(file);
    expect(contents(await corpus.rank("What grows?"))).toEqual(expected[1]);
    await using loaded = await retriever.loadCorpus(file);
    for (const index of [2, 0, 1]) {
      const [asked, options] = calls[index]!;
      expect(contents(await loaded.rank(asked, options))).toEqual(expected[index]);
    }
    const { results } = await loaded.rankMany([query, "N/A"]);
    expect(results.map(contents)).toEqual([expected[0], expected[4]]);
  });
});

test("what is kept for the next query counts as memory of the corpus, and goes with it", async () => {
  await using retriever = await loadTiny("tiny-llama", { flashAttention: false });
  await using corpus = await retriever.corpus(documents);
  const { bytes } = corpus;
  const { usage } = await corpus.rank(query);
  const cells = usage.promptTokens - usage.queryTokens;
  // A number a token for the instruction, and one for the null query.
  expect(corpus.bytes).toBe(bytes + 2 * 4 * cells);
  const phases = new Set<string>();
  await corpus.rank("What grows?", { onProgress: ({ phase }) => phases.add(phase) });
  expect([...phases]).toEqual(["query"]);
  await corpus.dispose();
  expect(corpus.bytes).toBe(0);
});
