// Corpora whose documents change, or of which a part is ranked: the scores of a corpus made at once, and nothing read twice.
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Corpus, DocumentInput, QRRetriever, RankResult } from "../../src/index.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { variedDocuments as varied } from "../helpers/documents.ts";
import { loadTiny } from "../helpers/retriever.ts";

const layout = "independent" as const;
const query = "Which river carries most water?";
const documents = varied.map((document, index) => ({ ...document, id: document.id ?? `d${index}` }));
const more = [
  { id: "lena", text: "The Lena freezes from below, and thaws at its upper end first." },
  "A lake without a name.",
];
/** Of the largest score: sums are made in another order. */
const TOLERANCE = 1e-5;
const files = temporaryFolder();

const scoresOf = ({ results }: RankResult) => Object.fromEntries(results.map(({ id, score }) => [id, score]));
/** Tokens of documents that were read meanwhile. */
function reading() {
  let tokens = 0;
  const onProgress = ({ phase, done, total }: { phase: string; done: number; total: number }) => {
    if (phase === "prefill" && done === total) tokens += total;
  };
  return { onProgress, read: () => tokens };
}

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await loadTiny("tiny-llama-spm", { batchSize: 64 });
});
afterAll(async () => {
  await retriever.dispose();
  files.remove();
});

describe("a corpus of independent documents", () => {
  test("takes more documents, reads them alone, and ranks as one of all of them", async () => {
    await using own = await loadTiny("tiny-llama-spm", { batchSize: 64 });
    await using corpus = await own.corpus<DocumentInput>(documents, { layout });
    const { onProgress, read } = reading();
    await corpus.add(more, { onProgress });
    expect(corpus.documents.map(({ id }) => id)).toEqual([...documents.map(({ id }) => id), "lena", "6"]);
    const result = await corpus.rank(query, { onProgress });
    const added = result.usage.documentTokens.slice(-2).reduce((sum, tokens) => sum + tokens, 0);
    expect(read()).toBeGreaterThanOrEqual(added);
    expect(read()).toBeLessThan(added + 10);
    expect(result.timings.prefillMs).toBe(0);
    await using whole = await own.corpus(corpus.documents, { layout });
    expect(scoresOf(result)).toEqual(scoresOf(await whole.rank(query)));
  });

  test("leaves documents out, and ranks as one without them", async () => {
    await using corpus = await retriever.corpus<DocumentInput>(documents, { layout });
    const { onProgress, read } = reading();
    await corpus.remove([documents[1]!.id, documents[3]!.id]);
    const left = documents.filter((_, index) => index !== 1 && index !== 3);
    expect(corpus.documents).toEqual(left);
    const result = await corpus.rank(query, { onProgress });
    expect(read()).toBe(0);
    await using whole = await retriever.corpus(left, { layout });
    expect(result.results).toEqual((await whole.rank(query)).results);
    // A number that is gone names no other document.
    await corpus.add(["New."]);
    expect(corpus.documents.at(-1)!.id).toBe(String(documents.length));
  });

  test("ranks a part of its documents as if the others were not there, and all of them again", async () => {
    await using corpus = await retriever.corpus<DocumentInput>(documents, { layout });
    const before = await corpus.rank(query);
    const only = [documents[4]!.id, documents[0]!.id];
    const { onProgress, read } = reading();
    const part = await corpus.rank(query, { only, onProgress });
    const alone = await retriever.rank(query, [documents[0]!, documents[4]!], { layout });
    expect(scoresOf(part)).toEqual(scoresOf(alone));
    expect(part.results.map(({ index, id }) => documents[index]!.id === id)).toEqual([true, true]);
    expect(part.usage.documentTokens).toHaveLength(2);
    const many = await corpus.rankMany([query, "What grows?"], { only });
    expect(many.results.map(({ results }) => results.length)).toEqual([2, 2]);
    expect((await corpus.rank(query, { onProgress })).results).toEqual(before.results);
    expect(read()).toBe(0);
  });

  test("from a file copies from it what it had, and reads what it had not", async () => {
    const file = files.path("grows.corpus");
    {
      await using _ = await retriever.corpus<DocumentInput>(documents, { layout, saveTo: file });
    }
    await using own = await loadTiny("tiny-llama-spm", { batchSize: 64, corpusMemory: 0 });
    await using corpus = await own.loadCorpus<DocumentInput>(file);
    const { onProgress, read } = reading();
    await corpus.add(more, { onProgress });
    const added = read();
    expect(added).toBeGreaterThan(0);
    const part = documents.slice(0, 2);
    const scores = scoresOf(await corpus.rank(query, { only: part.map(({ id }) => id), onProgress }));
    // Other company in the forward pass that read them: last digits of half precision.
    for (const [id, score] of Object.entries(scoresOf(await retriever.rank(query, part, { layout })))) {
      expect(Math.abs(scores[id]! - score)).toBeLessThan(5e-3);
    }
    expect(read()).toBe(added);
    const again = files.path("grown.corpus");
    await corpus.save(again);
    const result = await corpus.rank(query);
    await using loaded = await own.loadCorpus(again);
    expect(loaded.documents).toEqual(corpus.documents);
    expect(scoresOf(await loaded.rank(query))).toEqual(scoresOf(result));
  });

  test("stays as it was where a change fails", async () => {
    await using corpus = await retriever.corpus<DocumentInput>(documents, { layout });
    const before = await corpus.rank(query);
    const controller = new AbortController();
    const reason = new Error("enough");
    const many = Array.from({ length: 40 }, (_, i) => `${documents[0]!.text} ${i}`);
    const stopped = corpus.add(many, { signal: controller.signal, onProgress: () => controller.abort(reason) });
    await expect(stopped).rejects.toBe(reason);
    await expect(corpus.add([documents[0]!])).rejects.toThrow(`has a document "${documents[0]!.id}"`);
    await expect(corpus.remove(["nobody"])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(corpus.remove(documents.map(({ id }) => id))).rejects.toThrow("leave at least one document");
    await expect(corpus.rank(query, { only: [] })).rejects.toMatchObject({ option: "only" });
    await expect(corpus.rank(query, { only: ["nobody"] })).rejects.toMatchObject({ option: "only" });
    expect(corpus.documents).toEqual(documents);
    expect((await corpus.rank(query)).results).toEqual(before.results);
  });
});

test("a listwise corpus refuses to change, and says what would do", async () => {
  await using corpus = await retriever.corpus<DocumentInput>(documents);
  for (const call of [corpus.add(["New."]), corpus.remove(["0"]), corpus.rank(query, { only: ["0"] })]) {
    await expect(call).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      advice: 'make it with layout: "independent"',
    });
  }
});

describe("queries that share a pass", () => {
  const texts = documents.slice(0, 3);
  const queries = [query, "What grows?", "N/A", "Where does the river reach the sea, and how long is it?", "Everest"];
  const all = Array.from({ length: 21 }, (_, i) => (i < 5 ? queries[i]! : `${queries[i % 5]} ${i}`));

  test.each(["tiny-llama", "tiny-qwen2", "tiny-llama-spm"])(
    "%s: give the scores that each gives alone",
    async (name) => {
      const f32 = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;
      await using own = await loadTiny(name, f32);
      for (const how of ["listwise", "independent"] as const) {
        await using corpus = await own.corpus(texts, { layout: how });
        const { results } = await corpus.rankMany(all);
        const seen = results.map(({ query: asked }) => asked);
        expect(seen).toEqual(all);
        const alone: Record<string, number>[] = [];
        for (const asked of all) alone.push(scoresOf(await corpus.rank(asked)));
        const largest = Math.max(...alone.flatMap((scores) => Object.values(scores).map(Math.abs)));
        for (const [index, scores] of alone.entries()) {
          for (const [id, score] of Object.entries(scoresOf(results[index]!))) {
            expect(Math.abs(score - scores[id]!) / largest).toBeLessThan(TOLERANCE);
          }
        }
      }
    },
  );

  test("end between two passes when they are stopped, and what was ranked was handed over in order", async () => {
    await using corpus = await retriever.corpus(texts);
    const controller = new AbortController();
    const seen: number[] = [];
    const asking = async () => {
      for await (const { query: asked } of corpus.rankMany(all, { signal: controller.signal })) {
        seen.push(all.indexOf(asked));
        if (seen.length === 3) controller.abort("enough");
      }
    };
    await expect(asking).rejects.toBe("enough");
    expect(seen.slice(0, 3)).toEqual([0, 1, 2]);
    expect(seen.length).toBeLessThan(all.length);
  });

  test("depend on nothing that was asked before, to the last bit", async () => {
    await using corpus = await retriever.corpus(texts);
    const first = (await corpus.rank(query)).results;
    for (const asked of queries) await corpus.rank(asked, { headScores: true });
    await corpus.rank(query, { nullQuery: undefined, calibration: false });
    expect((await corpus.rank(query)).results).toEqual(first);
  });

  test("score exactly 0 where they are the null query", async () => {
    const { results } = await retriever.rankMany(all, texts);
    expect(results[2]!.results.map(({ score }) => score)).toEqual([0, 0, 0]);
    expect(results[2]!.warnings.join()).toContain("is the null query");
  });
});

test("a query that outgrows the cache reads nothing again", async () => {
  await using own = await loadTiny("tiny-llama-spm", { batchSize: 64 });
  const long = Array.from({ length: 30 }, (_, i) => `${documents[i % 5]!.text} ${i}`);
  for (const how of ["listwise", "independent"] as const) {
    await using corpus: Corpus = await own.corpus(long, { layout: how });
    const before = await corpus.rank(query);
    const { bytes } = corpus;
    const { onProgress, read } = reading();
    const outgrown = await corpus.rank(`${query} ${"And which least? ".repeat(150)}`, { onProgress });
    expect(outgrown.timings.prefillMs).toBe(0);
    expect(corpus.bytes).toBeGreaterThan(1.4 * bytes);
    expect((await corpus.rank(query, { onProgress })).results).toEqual(before.results);
    expect(read()).toBe(0);
  }
});

test("a file of another version of the format says that it is to be saved again", async () => {
  const file = files.path("old.corpus");
  await using corpus = await retriever.corpus<DocumentInput>(documents);
  await corpus.save(file);
  const bytes = readFileSync(file);
  bytes.writeUInt32LE(2, 8);
  writeFileSync(file, bytes);
  const loading = retriever.loadCorpus(file);
  await expect(loading).rejects.toMatchObject({ code: "CORPUS_INVALID" });
  await expect(loading).rejects.toThrow(/version 2: expected \d+: save the corpus again/);
});
