// Documents that stay read: the same scores as without, on disk and back, within a bound of memory.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Corpus, LoadOptions, QRRetriever, RankResult } from "../../src/index.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { rivers as documents } from "../helpers/documents.ts";
import { loadTiny } from "../helpers/retriever.ts";

const queries = [
  "Which river carries most water?",
  "What grows?",
  "Where does the river reach the sea, and how long is it?",
];
const files = temporaryFolder();

const scoresOf = ({ results }: RankResult) => results.map(({ id, score }): [string, number] => [id, score]);

let retriever: QRRetriever;
let expected: [string, number][][];
beforeAll(async () => {
  retriever = await loadTiny("tiny-llama-spm", { batchSize: 32 });
  expected = [];
  for (const query of queries) expected.push(scoresOf(await retriever.rank(query, documents)));
});
afterAll(async () => {
  await retriever.dispose();
  files.remove();
});

describe("a corpus", () => {
  test("gives the scores of rank to the last bit, and reads documents once", async () => {
    await using corpus = await retriever.corpus(documents);
    for (const [index, query] of queries.entries()) {
      const result = await corpus.rank(query);
      expect(scoresOf(result)).toEqual(expected[index]);
      expect(result.timings.prefillMs).toBe(0);
    }
    expect(corpus.documents.map(({ id }) => id)).toEqual(documents.map(({ id }) => id));
  });

  test("keeps its documents while others are ranked", async () => {
    await using first = await retriever.corpus(documents);
    await using second = await retriever.corpus(documents.slice(0, 2), { order: "reverse" });
    const other = await retriever.rank(queries[0]!, documents.slice(0, 2), { order: "reverse" });
    expect(scoresOf(await second.rank(queries[0]!))).toEqual(scoresOf(other));
    const result = await first.rank(queries[0]!);
    expect(result.timings.prefillMs).toBe(0);
    expect(scoresOf(result)).toEqual(expected[0]);
  });

  test("ranks many queries and says how fast", async () => {
    await using corpus = await retriever.corpus(documents);
    const seen: number[] = [];
    const asked = corpus.rankMany(queries);
    for await (const { query: text } of asked) seen.push(queries.indexOf(text));
    const { results, throughput } = await asked;
    // In one pass, where sums are made in another order: corpus-changes.test.ts bounds what that moves.
    const close = expected.map((scores) => scores.map(([id, score]) => [id, expect.closeTo(score, 4)]));
    expect(results.map(scoresOf)).toEqual(close);
    expect(seen).toEqual([0, 1, 2]);
    expect(throughput.queries).toBe(3);
    expect(throughput.queriesPerSecond).toBeCloseTo(3000 / throughput.totalMs, 6);
    const without = await retriever.rankMany(queries, documents);
    expect(without.results.map(scoresOf)).toEqual(results.map(scoresOf));
    expect((await corpus.rankMany([])).results).toEqual([]);
    await expect(corpus.rankMany("no list" as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(corpus.rankMany(["a", " "])).rejects.toThrow("queries[1]");
    // Leaving the loop stops the rest, and the retriever goes on.
    const left = corpus.rankMany(queries);
    for await (const _ of left) break;
    expect(scoresOf(await corpus.rank(queries[1]!))).toEqual(expected[1]);
  });

  test("is stopped by its signal while it is read, and the retriever works on", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = () => controller.abort(reason);
    const many = Array.from({ length: 12 }, (_, i) => `${documents[0]!.text} ${i}`);
    await expect(retriever.corpus(many, { signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(scoresOf(await retriever.rank(queries[0]!, documents))).toEqual(expected[0]);
  });

  test("refuses options in the wrong place, and to be used when it has gone", async () => {
    await expect(retriever.corpus(documents, { topK: 3 } as never)).rejects.toThrow("corpus.rank");
    const corpus = await retriever.corpus(documents);
    await expect(corpus.rank(queries[0]!, { order: "reverse" })).rejects.toThrow("retriever.corpus");
    await expect(corpus.rank(" ")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await corpus.dispose();
    await corpus.dispose();
    await expect(corpus.rank(queries[0]!)).rejects.toMatchObject({ code: "DISPOSED" });
    expect(corpus.bytes).toBe(0);
  });
});

describe("disposal", () => {
  test.each<[string, (own: QRRetriever, corpus: Corpus) => Promise<unknown>]>([
    ["retriever and corpus at once", (own, corpus) => Promise.all([own.dispose(), corpus.dispose()])],
    ["corpus and retriever at once", (own, corpus) => Promise.all([corpus.dispose(), own.dispose()])],
    ["the corpus first", (own, corpus) => corpus.dispose().then(() => own.dispose())],
    ["the retriever first", (own, corpus) => own.dispose().then(() => corpus.dispose())],
    ["the retriever alone", (own) => own.dispose()],
    [
      "both in the middle of a call",
      async (own, corpus) => {
        const call = corpus.rank(queries[0]!);
        await Promise.all([own.dispose(), corpus.dispose()]);
        expect((await call).results).toHaveLength(3);
      },
    ],
  ])("of %s leaves nothing", async (_, dispose) => {
    for (const layout of ["listwise", "independent"] as const) {
      const own = await loadTiny("tiny-llama-spm", { batchSize: 32 });
      const corpus = await own.corpus(documents.slice(0, 3), { layout });
      expect(corpus.bytes).toBeGreaterThan(0);
      await dispose(own, corpus);
      expect([corpus.bytes, corpus.disposed]).toEqual([0, true]);
      await expect(corpus.rank(queries[0]!)).rejects.toMatchObject({ code: "DISPOSED" });
    }
  });

  test("of many corpora, of documents that differ, leaves none of their texts", async () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const used = () => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const rounds = async (begin: number, end: number) => {
      for (let count = begin; count < end; count++) {
        const texts = Array.from({ length: 8 }, (_, index) => `Text ${count} of a river, and its part ${index}.`);
        await (await retriever.corpus(texts, { layout: "independent" })).dispose();
      }
    };
    await rounds(0, 10);
    const before = used();
    await rounds(10, 250);
    // About 13 KB a corpus where its texts and tokens are kept.
    expect(used() - before).toBeLessThan(1_500_000);
  });

  test("while a corpus is being made leaves nothing of it, and its maker hears why", async () => {
    const own = await loadTiny("tiny-llama-spm", { batchSize: 32 });
    const making = own.corpus(documents, { saveTo: files.path("never.corpus") });
    const [outcome] = await Promise.allSettled([making, own.dispose()]);
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "DISPOSED" } });
  });
});

describe("the memory bound", () => {
  test("is one for the caches of corpora and for documents that were read by themselves", async () => {
    const limit = 10e6;
    await using own = await loadTiny("tiny-llama-spm", { corpusMemory: limit });
    const corpora: Corpus[] = [];
    for (let i = 0; i < 8; i++) {
      const texts = Array.from({ length: 20 }, (_, j) => `Document ${i}.${j}: ${documents[0]!.text}`.repeat(3));
      corpora.push(await own.corpus(texts, { layout: "independent" }));
      const held = corpora.reduce((sum, corpus) => sum + corpus.bytes, 0);
      expect(held).toBeLessThanOrEqual(limit);
    }
    expect(corpora.at(-1)!.bytes).toBeGreaterThan(0);
    expect(corpora[0]!.bytes).toBe(0);
    const first = await corpora[0]!.rank(queries[0]!);
    expect(first.results).toHaveLength(20);
  });

  test("holds, and what was let go of is read again with the same scores", async () => {
    await using own = await loadTiny("tiny-llama-spm", { batchSize: 32, corpusMemory: 1 });
    await using first = await own.corpus(documents);
    expect(first.bytes).toBeGreaterThan(0);
    await using second = await own.corpus(documents.slice(1));
    expect([first.bytes > 0, second.bytes > 0]).toEqual([false, true]);
    const again = await first.rank(queries[0]!);
    expect(again.timings.prefillMs).toBeGreaterThan(0);
    expect(scoresOf(again)).toEqual(expected[0]);
    expect([first.bytes > 0, second.bytes > 0]).toEqual([true, false]);
  });
});

describe("a saved corpus", () => {
  const saved = files.path("saved.corpus");
  let whole: Buffer;
  beforeAll(async () => {
    await using corpus = await retriever.corpus(documents);
    await corpus.save(saved);
    whole = readFileSync(saved);
  });
  const load = (options: LoadOptions = {}, name = "tiny-llama-spm") => loadTiny(name, { batchSize: 32, ...options });

  test.each<[string, LoadOptions]>([
    ["", {}],
    [" with flash attention off", { flashAttention: false }],
    [" with a quantised cache", { cacheTypeK: "q8_0", cacheTypeV: "q8_0" }],
    [" in reverse and cut", { order: "reverse", maxDocumentTokens: 5 }],
  ])("gives the scores it gave to the last bit%s", async (what, options) => {
    const file = files.path(`same${what}.corpus`);
    let before: unknown[];
    {
      await using first = await load(options);
      await using corpus = await first.corpus(documents);
      before = (await corpus.rankMany(queries)).results.map(scoresOf);
      await corpus.save(file);
      expect((await corpus.rankMany(queries)).results.map(scoresOf)).toEqual(before);
    }
    await using second = await load(options);
    await using corpus = await second.loadCorpus(file);
    const result = await corpus.rank(queries[0]!);
    expect(result.timings.prefillMs).toBe(0);
    expect((await corpus.rankMany(queries)).results.map(scoresOf)).toEqual(before);
    expect(corpus.documents).toEqual(documents);
  });

  test("is loaded again when it was let go of, or read again when the file has gone", async () => {
    const file = files.path("evicted.corpus");
    copyFileSync(saved, file);
    await using own = await load({ corpusMemory: 1 });
    await using first = await own.loadCorpus(file);
    await using second = await own.corpus(documents.slice(1));
    expect(scoresOf(await first.rank(queries[0]!))).toEqual(expected[0]);
    await second.rank(queries[0]!);
    writeFileSync(file, "something else");
    expect(scoresOf(await first.rank(queries[0]!))).toEqual(expected[0]);
  });

  test("of a model with a sliding window is read again when loaded", async () => {
    await using gemma = await load({}, "tiny-gemma3");
    await using corpus = await gemma.corpus(documents);
    const wanted = scoresOf(await corpus.rank(queries[0]!));
    const file = files.path("window.corpus");
    await corpus.save(file);
    await using loaded = await gemma.loadCorpus(file);
    expect(scoresOf(await loaded.rank(queries[0]!))).toEqual(wanted);
  });

  test("cut short, damaged or foreign is an error that names the file, and never a ranking", async () => {
    const file = files.path("broken.corpus");
    const refuse = async (bytes: Uint8Array, code = "CORPUS_INVALID") => {
      writeFileSync(file, bytes);
      await expect(retriever.loadCorpus(file)).rejects.toMatchObject({ name: "InputError", code });
      await expect(retriever.loadCorpus(file)).rejects.toThrow("broken.corpus");
    };
    for (const size of [0, 7, 15, 47, 48, 400, whole.length / 2, whole.length - 1]) {
      await refuse(whole.subarray(0, size));
    }
    await refuse(Buffer.concat([whole, Buffer.of(0)]));
    await refuse(Buffer.from("Once upon a time there was a text of more than sixty-four bytes, and no corpus."));
    // Everywhere: magic, version, sizes, header, cells, checksum.
    const step = Math.floor(whole.length / 40);
    for (const offset of [
      0,
      8,
      12,
      16,
      20,
      24,
      31,
      32,
      40,
      whole.length - 1,
      ...Array.from({ length: 40 }, (_, i) => i * step),
    ]) {
      const flipped = Buffer.from(whole);
      flipped[offset]! ^= 1;
      await refuse(flipped);
    }
    await expect(retriever.loadCorpus(files.path("none.corpus"))).rejects.toThrow("does not exist");
    await expect(retriever.loadCorpus(files.folder)).rejects.toThrow("folder");
  });

  test("with a right checksum over wrong contents is an error all the same", async () => {
    const file = files.path("forged.corpus");
    const headerBytes = whole.readUInt32LE(12);
    const forge = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(whole.subarray(0, -32));
      change(bytes);
      writeFileSync(file, Buffer.concat([bytes, createHash("sha256").update(bytes).digest()]));
      return retriever.loadCorpus(file);
    };
    const invalid = { name: "InputError", code: "CORPUS_INVALID" };
    await expect(forge((bytes) => bytes.fill(0x20, 16, 24))).rejects.toMatchObject(invalid);
    // The record of cells: their number and length; then llama.cpp's magic number, streams, number of cells, positions,
    // number of sequences, types and sizes.
    for (const offset of [0, 8, 16, 24, 28, 32, 36, 44, 56]) {
      await expect(forge((bytes) => bytes.writeInt32LE(-77, 16 + headerBytes + offset))).rejects.toMatchObject(invalid);
    }
    await expect(forge((bytes) => bytes.writeUInt32LE(3, 16 + headerBytes))).rejects.toMatchObject(invalid);
    // Other documents of the same length: their tokens are not those of the cells.
    const swap = (bytes: Buffer) => {
      const at = bytes.indexOf("Amazon carries");
      bytes.write("Ganges carries", at);
    };
    await expect(forge(swap)).rejects.toMatchObject({ name: "InputError", code: "CORPUS_MISMATCH" });
    expect(scoresOf(await retriever.rank(queries[0]!, documents))).toEqual(expected[0]);
  });

  test.each<[string, LoadOptions, string | undefined, string]>([
    ["another model", {}, "tiny-qwen2", "tiny-llama-spm"],
    ["another prompt", { prompt: "qwen2.5" }, undefined, "prompt"],
    ["another null query", { nullQuery: "nothing" }, undefined, "null query"],
    ["another K cache", { cacheTypeK: "f32" }, undefined, "K cache"],
    ["another kind of attention", { flashAttention: false }, undefined, "flash attention"],
  ])("is refused with %s", async (_, options, name, part) => {
    await using other = await load(options, name);
    const loading = other.loadCorpus(saved);
    await expect(loading).rejects.toMatchObject({ name: "InputError", code: "CORPUS_MISMATCH" });
    if (name === undefined) await expect(other.loadCorpus(saved)).rejects.toThrow(part);
  });

  test("that ended after a shallow layer is refused for deeper heads, and serves shallower ones", async () => {
    const file = files.path("shallow.corpus");
    {
      await using shallow = await load({ heads: [[1, 0]] });
      await using corpus = await shallow.corpus(documents);
      await corpus.save(file);
    }
    await expect(retriever.loadCorpus(file)).rejects.toThrow("up to layer 1");
    await using shallower = await load({
      heads: [
        [0, 2],
        [1, 3],
      ],
    });
    await using corpus = await shallower.loadCorpus(file);
    const wanted = await shallower.rank(queries[0]!, documents);
    expect(scoresOf(await corpus.rank(queries[0]!))).toEqual(scoresOf(wanted));
  });

  test("is not written over a file, nor into nowhere, and leaves nothing behind", async () => {
    await using corpus: Corpus = await retriever.corpus(documents);
    await expect(corpus.save(saved)).rejects.toThrow("exists");
    await corpus.save(saved, { force: true });
    expect(readFileSync(saved).equals(whole)).toBe(true);
    await expect(corpus.save(files.path("no/where.corpus"))).rejects.toMatchObject({ code: "INVALID_INPUT" });
    const controller = new AbortController();
    controller.abort(new Error("enough"));
    await expect(corpus.save(files.path("aborted"), { signal: controller.signal })).rejects.toThrow("enough");
    expect(existsSync(files.path("aborted"))).toBe(false);
    expect(readdirSync(files.folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
  });
});
