// What a caller gets back: their own documents, shares and relevances of the attention itself, batches, and other heads.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { QRRetriever, RankResult } from "../../src/index.ts";
import { variedDocuments } from "../helpers/documents.ts";
import { loadTiny } from "../helpers/retriever.ts";

const query = "Which river carries most water?";
const documents = variedDocuments.map((document, page) => ({ ...document, page, read: new Date(page) }));
let retriever: QRRetriever;

beforeAll(async () => {
  retriever = await loadTiny("tiny-llama-spm");
});
afterAll(() => retriever.dispose());

const idsOf = ({ results }: RankResult) => results.map(({ id }) => id);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe("documents", () => {
  test("come back as they were passed, the same objects", async () => {
    for (const layout of ["listwise", "independent"] as const) {
      const { results } = await retriever.rank(query, documents, { layout });
      for (const { index, id, document } of results) {
        expect(document).toBe(documents[index]);
        expect(document.page).toBe(index);
        expect(document.id).toBe(id);
      }
      await using corpus = await retriever.corpus(documents, { layout });
      for (const { index, document } of (await corpus.rank(query)).results) expect(document).toBe(documents[index]);
    }
    const texts = await retriever.rank(query, ["A river.", "A lake."]);
    expect(texts.results.map(({ document }) => document).sort()).toEqual(["A lake.", "A river."]);
  });

  test("of a corpus stay with their ids when others go and come", async () => {
    await using corpus = await retriever.corpus(documents, { layout: "independent" });
    await corpus.remove([documents[0]!.id]);
    const late = { ...documents[0]!, id: "late" };
    await corpus.add([late]);
    const { results } = await corpus.rank(query, { only: ["late", documents[2]!.id] });
    expect(new Set(results.map(({ document }) => document))).toEqual(new Set([late, documents[2]]));
  });

  test("that are none give nothing, and options and query are checked all the same", async () => {
    expect(await retriever.rank(query, [])).toMatchObject({ results: [], abstained: true, belowThreshold: 0 });
    const { results } = await retriever.rankMany([query, "What else?"], []);
    expect(results.map(({ query: asked, results: found }) => [asked, found])).toEqual([
      [query, []],
      ["What else?", []],
    ]);
    expect(await retriever.rank(query, [], { fuse: "rrf", windows: { windowTokens: 100 } })).toMatchObject({
      results: [],
    });
    const found = await retriever.retrieve(query, [], { fuse: "rrf" });
    expect(found).toMatchObject({ text: "", sources: [], abstained: true, belowThreshold: 0, warnings: [] });
    expect(found.usage).toMatchObject({ chunks: 0, candidates: 0, contextTokens: 0 });
    expect(await retriever.prune(query, [], { topK: 1 })).toMatchObject({ text: "", documents: [] });
    await expect(retriever.rank(" ", [])).rejects.toMatchObject({ option: "query" });
    await expect(retriever.rank(query, [], { topK: 0 })).rejects.toMatchObject({ option: "topK" });
    await expect(retriever.retrieve(query, [], { topK: 0 })).rejects.toMatchObject({ option: "topK" });
    await expect(retriever.corpus([])).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });
});

describe("share and relevance", () => {
  test("are of the attention that inspect shows", async () => {
    const { heads, documents: seen } = await retriever.inspect(query, documents);
    const masses = heads[0]!.raw.map(sum);
    const rest = retriever.heads.length - sum(masses);
    const { results, calibration } = await retriever.rank(query, documents);
    expect(sum(results.map(({ share }) => share))).toBeCloseTo(1, 9);
    for (const { index, share, relevance, score, demoted } of results) {
      expect(share).toBeCloseTo(masses[index]! / sum(masses), 5);
      expect(score).toBeCloseTo(seen[index]!.score, 6);
      const logit = Math.log(relevance / (1 - relevance));
      if (!demoted) expect(logit).toBeCloseTo(calibration.a + (calibration.b * score) / rest, 4);
    }
  });

  test("weigh heads as their set does", async () => {
    const set = { format: "qrhead-heads", version: 1, heads: retriever.heads } as const;
    const weights = retriever.heads.map((_, index) => (index === 1 ? 2 : 0));
    await using weighted = retriever.withHeads({ ...set, heads: [...set.heads], weights });
    await using single = retriever.withHeads([retriever.heads[1]!]);
    const [one, other] = [await weighted.rank(query, documents), await single.rank(query, documents)];
    const numbers = ({ results }: RankResult) =>
      results.flatMap(({ share, relevance }) => [expect.closeTo(share, 5), expect.closeTo(relevance, 5)]);
    expect(one.results.flatMap(({ share, relevance }) => [share, relevance])).toEqual(numbers(other));
  });

  test.each(["listwise", "independent"] as const)(
    "fall with the score, and a threshold cuts there, %s",
    async (layout) => {
      const all = await retriever.rank(query, documents, { layout });
      const relevances = all.results.map(({ relevance }) => relevance);
      expect(relevances).toEqual(relevances.toSorted((a, b) => b - a));
      const threshold = relevances[1]!;
      const some = await retriever.rank(query, documents, { layout, threshold });
      expect(some.results.map(({ id }) => id)).toEqual(idsOf(all).slice(0, some.results.length));
      expect(some.results.length + some.belowThreshold).toBe(documents.length);
      expect(some.results.every(({ relevance }) => relevance >= threshold)).toBe(true);
      expect(some.warnings.join()).toContain("generic constants");
    },
  );

  test("in windows add up and fall too", async () => {
    const many = Array.from({ length: 12 }, (_, index) => `${documents[index % 4]!.text} Number ${index}.`);
    const { results, windows } = await retriever.rank(query, many, { windows: { windowDocuments: 4 } });
    expect(windows!.count).toBeGreaterThan(2);
    expect(sum(results.map(({ share }) => share))).toBeCloseTo(1, 9);
    const relevances = results.map(({ relevance }) => relevance);
    expect(relevances).toEqual(relevances.toSorted((a, b) => b - a));
  });

  test("come with a head set's own constants, for the layout that they are for", async () => {
    const calibration = { listwise: { a: -3, b: 50 } };
    const heads = { format: "qrhead-heads", version: 1, heads: [...retriever.heads], calibration } as const;
    await using own = retriever.withHeads(heads);
    expect((await own.rank(query, documents)).calibration).toEqual({ a: -3, b: 50, fitted: true });
    for (const options of [{ layout: "independent" }, { calibration: false }, { mask: false }] as const) {
      expect((await own.rank(query, documents, options)).calibration.fitted).toBe(false);
    }
  });
});

describe("a batch", () => {
  const queries = [query, "Which mountain grows?", "Where does it flow?"];

  test("is awaited, gone through, or both, more than once", async () => {
    const batch = retriever.rankMany(queries, documents);
    const seen: RankResult[] = [];
    for await (const result of batch) seen.push(result);
    const { results, throughput } = await batch;
    expect(seen).toEqual(results);
    expect(results.map((result) => result.query)).toEqual(queries);
    expect(throughput.queries).toBe(3);
    let again = 0;
    for await (const result of batch) expect(result).toBe(results[again++]);
    expect(results[0]!.results[0]!.document).toBe(documents[results[0]!.results[0]!.index]);
    expect((await retriever.rankMany([], documents)).results).toEqual([]);
  });

  test("lets the retriever be asked inside the loop", async () => {
    const inside: string[] = [];
    for await (const result of retriever.rankMany(queries, documents)) {
      inside.push((await retriever.rank(result.query, documents)).query);
    }
    expect(inside).toEqual(queries);
  });

  test("ends when its loop is left, and throws in the loop what it rejects with", async () => {
    const many = Array.from({ length: 60 }, (_, index) => `${query} ${index}`);
    const batch = retriever.rankMany(many, documents);
    for await (const _ of batch) break;
    await expect(batch).rejects.toMatchObject({ name: "AbortError" });
    const wrong = async () => {
      for await (const _ of retriever.rankMany([" "], documents));
    };
    await expect(wrong).rejects.toMatchObject({ option: "queries[0]" });
    const reason = new Error("enough");
    await expect(retriever.rankMany(many, documents, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect((await retriever.rank(query, documents)).results).toHaveLength(documents.length);
  });
});

describe("other heads", () => {
  test("rank on the same model as if it had been loaded with them, whichever is deeper", async () => {
    const expected: RankResult[] = [];
    const specs = ["0-0,0-1", "1-0,1-1", "all"];
    for (const heads of specs) {
      await using loaded = await loadTiny("tiny-llama-spm", { heads });
      expected.push(await loaded.rank(query, documents));
    }
    await using first = await loadTiny("tiny-llama-spm", { heads: specs[0]! });
    const found = await Promise.all(
      specs.map(async (heads) => {
        await using other = first.withHeads(heads);
        expect(other.headSet).toBe(heads);
        return await other.rank(query, documents);
      }),
    );
    for (const [index, { results }] of found.entries()) expect(results).toEqual(expected[index]!.results);
    expect(() => first.withHeads("99-0")).toThrow(/99-0/);
  });

  test("outlive the retriever that they came from, and the other way round", async () => {
    const first = await loadTiny("tiny-llama-spm");
    const second = first.withHeads("0-0");
    const third = second.withHeads("1-0");
    const corpus = await second.corpus(documents);
    const begun = first.rank(query, documents);
    const waiting = expect(first.rank(query, documents)).rejects.toMatchObject({ code: "DISPOSED" });
    await first.dispose();
    expect((await begun).results).toHaveLength(documents.length);
    await waiting;
    expect(() => first.withHeads("all")).toThrow(/disposed/);
    expect((await corpus.rank(query)).results).toHaveLength(documents.length);
    const running = third.rank(query, documents);
    await second.dispose();
    await expect(corpus.rank(query)).rejects.toMatchObject({ code: "DISPOSED" });
    expect((await running).results).toHaveLength(documents.length);
    await third.dispose();
  });

  test("wait for each other, and calls say how long", async () => {
    await using other = retriever.withHeads("0-0");
    const long = Array.from({ length: 8 }, (_, index) => `${"water ".repeat(60)} ${index}`);
    const running = retriever.rank(query, long);
    const waiting = other.rank(query, documents);
    const batch = other.rankMany([query], documents);
    await Promise.resolve();
    expect([retriever.pending, other.pending]).toEqual([2, 2]);
    const [first, second, third] = [await running, await waiting, (await batch).results[0]!];
    expect(second.timings.waitMs).toBeGreaterThanOrEqual(first.timings.queryMs);
    expect(third.timings.waitMs).toBeGreaterThanOrEqual(second.timings.waitMs!);
    expect(retriever.pending).toBe(0);
  });
});
