// A first stage's scores join the heads' in the library and on the command line.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { QRRetriever } from "../../src/index.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";

const documents = [
  "The night train leaves Vienna at 21:40 and reaches Venice shortly after eight in the morning.",
  "Octopuses have three hearts: two of them serve the gills, and one the rest of the body.",
  "The museum is closed on Mondays. On the first Sunday of a month admission is free.",
];
const query = "when does the night train to Venice leave";

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await QRRetriever.load({ gpu: false, threads: 1 });
});
afterAll(() => retriever.dispose());

describe("fusion", () => {
  test("a prior changes the order, and nothing that the heads say", async () => {
    const alone = await retriever.rank(query, documents, { fuse: "none" });
    const fused = await retriever.rank(query, documents, { prior: [0, 0, 1], fuse: { weight: 0.1 } });
    const byHeads = ({ results }: typeof alone) =>
      Object.fromEntries(
        results.map(({ id, score, attention = score, share, relevance }) => [id, [attention, share, relevance]]),
      );
    expect(alone.results[0]!.index).toBe(0);
    expect(fused.results[0]).toMatchObject({ index: 2, prior: 1 });
    expect(byHeads(fused)).toEqual(byHeads(alone));
    for (const name of ["attention", "prior", "fused"]) expect(alone.results[0]).not.toHaveProperty(name);
    expect(alone).not.toHaveProperty("fusion");
  });

  test("a typed array is a prior as good as an array", async () => {
    const settings = { fuse: { weight: 0.1 } };
    const [listed, single, double] = [
      await retriever.rank(query, documents, { prior: [0, 0, 1], ...settings }),
      await retriever.rank(query, documents, { prior: Float32Array.of(0, 0, 1), ...settings }),
      await retriever.rank(query, documents, { prior: Float64Array.of(9, 0, 0, 1).subarray(1), ...settings }),
    ];
    expect([single.results, double.results]).toEqual([listed.results, listed.results]);
  });

  test("bm25 is computed for every query of a batch, and over a corpus", async () => {
    const queries = [query, "which day is the museum closed"];
    const { results } = await retriever.rankMany(queries, documents, { prior: "bm25", fuse: "rrf" });
    expect(results.map((result) => result.results[0]!.index)).toEqual([0, 2]);
    expect(results[0]!.results[0]!.prior).toBeGreaterThan(results[0]!.results[1]!.prior!);
    await using corpus = await retriever.corpus(documents);
    const asked = await corpus.rank(query, { prior: "bm25", topK: 1 });
    expect(asked).toMatchObject({ results: [{ index: 0 }], fusion: { prior: "bm25", fuse: { weight: 0.5 } } });
  });

  test.each([
    [{ prior: "tfidf" }, /"bm25" or an array of finite numbers, one per document for prior/],
    [{ prior: [1, 2] }, /3 finite numbers, one per document for prior/],
    [{ prior: new Float32Array(2) }, /3 finite numbers, one per document for prior/],
    [{ prior: Float32Array.of(0, Number.NaN, 1) }, /an array of finite numbers, one per document for prior/],
    [{ prior: new Array(3) }, /an array of finite numbers, one per document for prior/],
    [{ prior: "bm25", fuse: "sum" }, /"none", "rrf" or \{ weight \} .*for fuse/],
    [{ prior: "bm25", fuse: { weight: 2 } }, /number from 0 to 1 for fuse/],
  ])("refuses %j", async (options, message) => {
    await expect(retriever.rank(query, documents, options as object)).rejects.toThrow(message);
  });

  test("--fuse adds what the heads say to the JSON and to the table", async () => {
    const files = temporaryFolder();
    const docs = files.write("docs.jsonl", documents.map((text) => JSON.stringify({ text })).join("\n"));
    const args = ["rerank", "--query", query, "--docs", docs, "--threads", "1", "--gpu", "false", "--fuse", "bm25:0.4"];
    const { stdout } = await run([...args, "--json"]);
    const { results, fusion } = JSON.parse(stdout);
    expect(fusion).toEqual({ prior: "bm25", fuse: { weight: 0.4 } });
    const scores = results.map(({ score }: { score: number }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    for (const one of results) expect(one).toMatchObject({ attention: expect.any(Number), prior: expect.any(Number) });
    const { stdout: table, stderr } = await run(args);
    expect(table).toMatch(/Rank +Score +Heads +Id/);
    expect(stderr).toContain("fused with BM25 (heads 0.4; --fuse none: heads alone)");
    const alone = await run([...args.slice(0, -1), "none"]);
    expect(alone.stdout).toMatch(/Rank +Score +Id/);
    expect(alone.stderr).not.toContain("BM25");
    expectFailure(await run([...args.slice(0, -1), "bm25:4"]), 2, "--fuse", "bm25:4");
    files.remove();
  });
});
