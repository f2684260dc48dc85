// Rankings that say nothing, and documents that have nothing to say.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { QRRetriever, type RankOptions, type RankResult } from "../../src/index.ts";
import { loadTiny } from "../helpers/retriever.ts";

const query = "When does the lease end?";
const documents = ["rent is due monthly.", "the dog barked.", "", "-"];

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await QRRetriever.load({ gpu: false, threads: 1 });
});
afterAll(async () => {
  await retriever.dispose();
});

describe("blank and short documents", () => {
  test.each<RankOptions>([{}, { order: "reverse" }, { layout: "independent" }, { windows: { windowTokens: 100 } }])(
    "stand behind those with content, with %o",
    async (options) => {
      const { results } = await retriever.rank(query, documents, options);
      expect(results.map(({ demoted }) => demoted)).toEqual([undefined, undefined, "blank", "blank"]);
      expect(results.slice(0, 2).map(({ index }) => index)).toEqual(expect.arrayContaining([0, 1]));
    },
  );

  test("keep their scores, and a tail stands behind what answers", async () => {
    const answer = "The lease of the flat ends on 31 March 2027, and nobody has to give notice before it does.";
    const given = ["nd.", "", answer, "the dog barked at the postman who came up the stairs at noon."];
    const { results } = await retriever.rank(query, given, { tokenScores: true });
    const places = results.map(({ index }) => index);
    expect(places.indexOf(0)).toBeGreaterThan(places.indexOf(2));
    expect(results.at(-1)).toMatchObject({ index: 1, demoted: "blank" });
    for (const { attention, tokenScores } of results) {
      expect(tokenScores!.reduce((sum, token) => sum + (token.kept ? token.score : 0), 0)).toBeCloseTo(attention!, 5);
    }
  });
});

describe("a query that is the null query", () => {
  const warned = (result: Pick<RankResult, "warnings">) =>
    expect(result.warnings.at(-1)).toMatch(/^The query is the null query/);

  test("is warned of by every verb", async () => {
    warned(await retriever.rank("N/A", documents));
    warned(await retriever.rank(query, documents, { nullQuery: query }));
    warned(await retriever.rank("N/A", documents, { layout: "independent" }));
    const windows = await retriever.rank("N/A", documents, { windows: { windowTokens: 80, windowDocuments: 2 } });
    expect(windows.windows!.count).toBeGreaterThan(1);
    warned(windows);
    const [ordinary, empty] = (await retriever.rankMany([query, "N/A"], documents)).results as [RankResult, RankResult];
    expect(ordinary.warnings).toEqual([]);
    warned(empty);
    for (const layout of ["listwise", "independent"] as const) {
      await using corpus = await retriever.corpus(documents, { layout });
      warned(await corpus.rank("N/A"));
    }
    warned(await retriever.inspect("N/A", documents));
    expect((await retriever.rank("N/A", documents, { calibration: false })).warnings).toEqual([]);
  });
});

describe("a context beyond what the model was trained for", () => {
  test("is warned of, and takes memory for what a call needs", async () => {
    await using large = await loadTiny("tiny-llama", { contextSize: 1 << 20 });
    const { warnings } = await large.rank(query, documents);
    expect(warnings.join()).toMatch(/^The contextSize 1048576 is beyond the \d+ tokens that the model was trained for/);
    await using corpus = await large.corpus(documents);
    // A token takes some kilobytes: a million of them would be gigabytes.
    expect(corpus.bytes).toBeLessThan(50e6);
  });
});
