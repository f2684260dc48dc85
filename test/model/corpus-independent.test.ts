// Corpora of independent documents on disk: the same scores to the last bit, and never a wrong ranking.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LoadOptions, QRRetriever, RankResult } from "../../src/index.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { variedDocuments as documents } from "../helpers/documents.ts";
import { loadTiny } from "../helpers/retriever.ts";

const layout = "independent" as const;
/** More than is read at a time. */
const many = Array.from({ length: 260 }, (_, i) => `Number ${i}: ${documents[i % 3]!.text} ${i * i}`);
const queries = ["Which river carries most water?", "What grows?"];
const files = temporaryFolder();
const scoresOf = ({ results }: RankResult) => results.map(({ id, score }) => [id, score]);
const load = (options: LoadOptions = {}, name = "tiny-llama-spm") => loadTiny(name, { batchSize: 32, ...options });
/** Calls `onProgress` was told of as reading, in tokens. */
function reading() {
  const totals = new Set<number>();
  const onProgress = ({ phase, total }: { phase: string; total: number }) => {
    if (phase === "prefill") totals.add(total);
  };
  return { totals, onProgress };
}

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await load();
});
afterAll(async () => {
  await retriever.dispose();
  files.remove();
});

describe("a saved corpus of independent documents", () => {
  test.each<[string, LoadOptions, string | undefined]>([
    ["", {}, undefined],
    [" with flash attention off", { flashAttention: false }, undefined],
    [" with a quantised cache", { cacheTypeK: "q8_0", cacheTypeV: "q8_0" }, undefined],
    [" in reverse and cut", { order: "reverse", maxDocumentTokens: 5 }, undefined],
    [" where memory keeps none", { corpusMemory: 0 }, undefined],
    [" of a model with a sliding window", {}, "tiny-gemma3"],
  ])("gives the scores it gave to the last bit%s", async (what, options, name) => {
    const file = files.path(`same${what}.corpus`);
    let before: unknown[];
    {
      await using first = await load(options, name);
      await using corpus = await first.corpus(documents, { layout });
      before = (await corpus.rankMany(queries)).results.map(scoresOf);
      await corpus.save(file);
      expect((await corpus.rankMany(queries)).results.map(scoresOf)).toEqual(before);
    }
    await using second = await load(options, name);
    const { totals, onProgress } = reading();
    await using corpus = await second.loadCorpus(file, { onProgress });
    expect(corpus.layout).toBe(layout);
    expect((await corpus.rankMany(queries, { onProgress })).results.map(scoresOf)).toEqual(before);
    expect(totals.size).toBe(0);
    expect(corpus.documents).toEqual(documents);
  });

  test("is what the corpus ranked with, also where some documents had been read in other company", async () => {
    const file = files.path("company.corpus");
    await using own = await load();
    await own.rank(queries[0]!, many.slice(100, 107), { layout });
    await using corpus = await own.corpus(many.slice(90, 120), { layout });
    const before = scoresOf(await corpus.rank(queries[0]!));
    await corpus.save(file);
    await using loaded = await retriever.loadCorpus(file);
    expect(scoresOf(await loaded.rank(queries[0]!))).toEqual(before);
  });

  test("can be written as it is read, of more than memory may keep, and saved again from its file", async () => {
    const [file, copy] = [files.path("streamed.corpus"), files.path("copy.corpus")];
    await using small = await load({ corpusMemory: 100_000 });
    await using corpus = await small.corpus(many, { layout, saveTo: file });
    const before = scoresOf(await corpus.rank(queries[0]!));
    const { totals, onProgress } = reading();
    await corpus.save(copy, { onProgress });
    expect(totals.size).toBe(0);
    expect(readFileSync(copy).equals(readFileSync(file))).toBe(true);
    await using loaded = await retriever.loadCorpus(copy);
    expect(scoresOf(await loaded.rank(queries[0]!))).toEqual(before);
    // What memory kept of it meanwhile, if anything, is not used in place of the file's.
    await small.rank(queries[0]!, many.slice(3, 40), { layout });
    await using other = await small.corpus(documents, { layout });
    await other.rank(queries[0]!);
    expect(scoresOf(await corpus.rank(queries[0]!, { onProgress }))).toEqual(before);
    expect(totals.size).toBe(0);
    await expect(small.corpus(documents, { layout, saveTo: file })).rejects.toThrow("exists");
  });

  test("that was stopped while it was read leaves no file, and the next call makes it", async () => {
    const file = files.path("stopped.corpus");
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = () => controller.abort(reason);
    const call = retriever.corpus(many, { layout, saveTo: file, signal: controller.signal, onProgress });
    await expect(call).rejects.toBe(reason);
    expect(readdirSync(files.folder).filter((name) => name.includes("stopped"))).toEqual([]);
    await using corpus = await retriever.corpus(many, { layout, saveTo: file });
    expect(existsSync(file)).toBe(true);
    expect((await corpus.rank(queries[0]!)).results).toHaveLength(many.length);
  });

  test("survives a query that was stopped", async () => {
    const file = files.path("interrupted.corpus");
    await using corpus = await retriever.corpus(documents, { layout, saveTo: file });
    const before = scoresOf(await corpus.rank(queries[1]!));
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = ({ phase }: { phase: string }) => {
      if (phase === "query") controller.abort(reason);
    };
    await expect(corpus.rank(queries[0]!, { signal: controller.signal, onProgress })).rejects.toBe(reason);
    const after = await corpus.rank(queries[1]!);
    expect(after.timings.prefillMs).toBe(0);
    expect(scoresOf(after)).toEqual(before);
  });

  test("is read again where its file has gone", async () => {
    const file = files.path("gone.corpus");
    await using own = await load({ corpusMemory: 1 });
    await using corpus = await own.corpus(documents, { layout, saveTo: file });
    const before = scoresOf(await corpus.rank(queries[0]!));
    await using other = await own.corpus(documents.slice(1), { layout });
    await other.rank(queries[0]!);
    rmSync(file);
    expect(scoresOf(await corpus.rank(queries[0]!))).toEqual(before);
  });

  describe("that is not what it was", () => {
    const saved = files.path("saved.corpus");
    let whole: Buffer;
    beforeAll(async () => {
      await using _ = await retriever.corpus(documents, { layout, saveTo: saved });
      whole = readFileSync(saved);
    });

    test("is an error wherever it was cut or changed", async () => {
      const file = files.path("broken.corpus");
      const step = Math.floor(whole.length / 40);
      const places = Array.from({ length: 40 }, (_, i) => i * step);
      const damaged = [
        ...places.map((size) => whole.subarray(0, size)),
        whole.subarray(0, -1),
        Buffer.concat([whole, Buffer.of(0)]),
        ...[...places, whole.length - 1].map((offset) => {
          const flipped = Buffer.from(whole);
          flipped[offset]! ^= 1;
          return flipped;
        }),
      ];
      for (const bytes of damaged) {
        writeFileSync(file, bytes);
        await expect(retriever.loadCorpus(file)).rejects.toMatchObject({ name: "InputError", code: "CORPUS_INVALID" });
      }
    });

    test("is an error also with a right checksum", async () => {
      const file = files.path("forged.corpus");
      const forge = (bytes: Buffer) => {
        writeFileSync(file, Buffer.concat([bytes, createHash("sha256").update(bytes).digest()]));
        return retriever.loadCorpus(file);
      };
      const invalid = { name: "InputError", code: "CORPUS_INVALID" };
      const body = () => Buffer.from(whole.subarray(0, -32));
      const first = 16 + whole.readUInt32LE(12);
      const second = first + 16 + Number(whole.readBigUInt64LE(first + 8));
      const record = whole.subarray(first, second);
      // One record too few, one too many, one twice in place of another, and positions behind another prefix.
      await expect(forge(Buffer.concat([body().subarray(0, first), body().subarray(second)]))).rejects.toMatchObject(
        invalid,
      );
      await expect(
        forge(Buffer.concat([body().subarray(0, second), record, body().subarray(second)])),
      ).rejects.toMatchObject(invalid);
      const moved = body();
      moved.writeUInt32LE(moved.readUInt32LE(first + 16 + 16) + 1, first + 16 + 16);
      await expect(forge(moved)).rejects.toMatchObject(invalid);
      const swapped = body();
      swapped.write("Ganges carries", swapped.indexOf("Amazon carries"));
      await expect(forge(swapped)).rejects.toMatchObject({ name: "InputError", code: "CORPUS_MISMATCH" });
    });

    test.each<[string, LoadOptions, string | undefined]>([
      ["another model", {}, "tiny-qwen2"],
      ["another prompt", { prompt: "qwen2.5" }, undefined],
      ["another null query", { nullQuery: "nothing" }, undefined],
      ["another V cache", { cacheTypeV: "f32" }, undefined],
    ])("is refused with %s", async (_, options, name) => {
      await using other = await load(options, name);
      await expect(other.loadCorpus(saved)).rejects.toMatchObject({ name: "InputError", code: "CORPUS_MISMATCH" });
    });
  });
});
