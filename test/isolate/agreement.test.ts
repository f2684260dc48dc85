// A retriever in a process of its own gives what one in this process gives: results, errors, progress, corpora.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ChatMessage,
  ContextOverflowError,
  type DocumentInput,
  InputError,
  type Progress,
  type QRRetriever,
  type RankResult,
  type Retriever,
} from "../../src/index.ts";
import type { IsolatedRetriever } from "../../src/isolate/index.ts";
import { loadIsolated } from "../helpers/isolated.ts";
import { loadTiny } from "../helpers/retriever.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
const query = "Where is the tower?";
const documents = [
  "Bananas are yellow.",
  { id: "tower", title: "Paris", text: "The tower stands in Paris. It is made of iron." },
  { text: "", title: "" },
  { text: "Bread is baked \u{1F35E} in an oven.", id: 7, extra: () => "cannot be copied" },
];
let own: QRRetriever;
let isolated: IsolatedRetriever;

beforeAll(async () => {
  const options = { contextSize: 2048 };
  [own, isolated] = await Promise.all([loadTiny("tiny-llama", options), loadIsolated("tiny-llama", options)]);
});
afterAll(async () => {
  await Promise.all([own.dispose(), isolated.dispose()]);
  rmSync(folder, { recursive: true });
});

/** Without what differs from call to call. */
function withoutTimes<T extends { timings?: unknown }>({ timings: _, ...rest }: T) {
  return rest;
}

/** The same without the caller's documents, which a file does not keep. */
function bare({ results, ...result }: RankResult) {
  return { ...withoutTimes(result), results: results.map(({ document: _, ...one }) => one) };
}

describe("a retriever in a process of its own", () => {
  it("tells of its model what the other one tells", () => {
    const facts = ({ model, heads, headSet, prompt }: QRRetriever | IsolatedRetriever) => ({
      ...{ model, heads, headSet, prompt },
    });
    expect(facts(isolated)).toEqual(facts(own));
    expect(isolated.pid).not.toBe(process.pid);
    expect(isolated.loadMs).toBeGreaterThan(0);
  });

  it("ranks alike, with head and token scores", async () => {
    const options = { headScores: true, tokenScores: true, topK: 3 };
    const [one, other] = await Promise.all([
      own.rank(query, documents, options),
      isolated.rank(query, documents, options),
    ]);
    expect(withoutTimes(other)).toEqual(withoutTimes(one));
  });

  it("ranks alike with the scores of a search in a typed array", async () => {
    const options = { prior: Float32Array.of(5, 1, 1, 0.5) };
    const [here, there] = [await own.rank(query, documents, options), await isolated.rank(query, documents, options)];
    expect(there.results.map(({ id, score, prior }) => [id, score, prior])).toEqual(
      here.results.map(({ id, score, prior }) => [id, score, prior]),
    );
    expect(there.fusion).toEqual({ prior: "given", fuse: { weight: 0.5 } });
  });

  it("ranks many queries, and hands each result over as it comes", async () => {
    const queries = [query, "Who bakes?", "What is yellow?"];
    const seen: RankResult[] = [];
    const asked = isolated.rankMany(queries, documents);
    for await (const result of asked) seen.push(result);
    const batch = await asked;
    expect(batch.results.map(withoutTimes)).toEqual((await own.rankMany(queries, documents)).results.map(withoutTimes));
    expect(seen).toEqual(batch.results);
  });

  it("gives back the caller's own documents, which never leave this process", async () => {
    const { results } = await isolated.rank(query, documents);
    for (const { index, document } of results) expect(document).toBe(documents[index]);
    for await (const { results: batched } of isolated.rankMany([query], documents)) {
      for (const { index, document } of batched) expect(document).toBe(documents[index]);
    }
    expect(await isolated.rank(query, [])).toMatchObject({ results: [], abstained: true });
  });

  it("writes the same text, piece by piece, and stops when its reader does", async () => {
    const messages: ChatMessage[] = [{ role: "user", content: "Which river is the longest?" }];
    const written = async (retriever: Retriever) => {
      const pieces: string[] = [];
      const stream = retriever.generate(messages, { maxTokens: 12, cachePrompt: false });
      for (let next = await stream.next(); ; next = await stream.next()) {
        if (next.done) return { pieces, ...withoutTimes(next.value) };
        pieces.push(next.value);
      }
    };
    expect(await written(isolated)).toEqual(await written(own));
    expect(await isolated.countTokens(messages)).toBe(await own.countTokens(messages));
    for await (const _ of isolated.generate(messages, { maxTokens: 4000, temperature: 10, topP: 1 })) break;
    expect((await isolated.rank(query, documents)).results).toHaveLength(4);
    expect(() => isolated.generate(messages, { maxTokens: 0 })).toThrow(InputError);
  });

  it("stops a batch whose loop is left, and goes on", async () => {
    const queries = Array.from({ length: 40 }, (_, index) => `${query} ${index}`);
    const batch = isolated.rankMany(queries, documents);
    for await (const _ of batch) break;
    await expect(batch).rejects.toMatchObject({ name: "AbortError" });
    expect((await isolated.rank(query, documents)).results).toHaveLength(4);
    expect(isolated.pending).toBe(0);
  });

  it("adds and removes documents of a corpus alike, and gives back the caller's own", async () => {
    const [given, more] = [
      [documents[0]!, documents[1]!],
      [{ text: "A tower of bread." }, documents[3]!],
    ];
    const [mine, theirs] = await Promise.all(
      [own, isolated].map((one) => (one as Retriever).corpus<DocumentInput>(given, { layout: "independent" })),
    );
    for (const corpus of [mine!, theirs!]) {
      await expect(corpus.add([{ id: "tower", text: "again" }])).rejects.toMatchObject({ code: "INVALID_INPUT" });
      await expect(corpus.remove(["none"])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await expect(corpus.add(more, { signal: AbortSignal.abort("no") })).rejects.toBe("no");
      await corpus.add(more);
      await corpus.remove(["0"]);
      await corpus.add(["Later."]);
    }
    expect(theirs!.documents).toEqual(mine!.documents);
    expect(theirs!.documents.map(({ id }) => id)).toEqual(["tower", "2", "7", "4"]);
    const result = await theirs!.rank(query);
    expect(withoutTimes(result)).toEqual(withoutTimes(await mine!.rank(query)));
    expect(result.results.find(({ id }) => id === "7")!.document).toBe(documents[3]);
    await Promise.all([mine!.dispose(), theirs!.dispose()]);
  });

  it("retrieves alike, from documents and from a corpus of its own", async () => {
    const given = { candidates: 2, chunkTokens: 16, topK: 2 };
    const texts = ["Bananas are yellow.", "The tower stands in Paris. It is made of iron.", "Bread is baked."];
    const [one, other] = await Promise.all([own.retrieve(query, texts, given), isolated.retrieve(query, texts, given)]);
    expect(withoutTimes(other)).toEqual(withoutTimes(one));
    expect(other.usage.candidates).toBe(2);
    await using corpus = await isolated.corpus(texts, { layout: "independent" });
    const { usage } = await isolated.retrieve(query, corpus, { candidates: 1 });
    expect(usage).toMatchObject({ chunks: 3, candidates: 1 });
  });

  it("prunes, cuts, counts and inspects alike", async () => {
    const text = documents.map((one) => (typeof one === "string" ? one : one.text)).join(" ");
    const countTokens = async (part: string) => part.split(" ").length;
    const prune = (retriever: QRRetriever | IsolatedRetriever) =>
      retriever.prune(query, text, { budgetTokens: 8, countTokens });
    expect(withoutTimes(await prune(isolated))).toEqual(withoutTimes(await prune(own)));
    expect(await isolated.chunk(text, { size: 8 })).toEqual(await own.chunk(text, { size: 8 }));
    expect(await isolated.tokenize(text)).toEqual(await own.tokenize(text));
    expect(await isolated.inspect(query, documents)).toEqual(await own.inspect(query, documents));
  });

  it("keeps corpora, saves and loads them", async () => {
    const file = path.join(folder, "a.corpus");
    const other = path.join(folder, "b.corpus");
    await using mine = await own.corpus(documents);
    await using theirs = await isolated.corpus(documents, { saveTo: file });
    const ranked = await mine.rank(query);
    const expected = bare(ranked);
    const found = await theirs.rank(query);
    expect(bare(found)).toEqual(expected);
    for (const { index, document } of found.results) expect(document).toBe(documents[index]);
    expect(theirs).toMatchObject({ documents: mine.documents, layout: "listwise", order: "given", bytes: mine.bytes });
    await theirs.save(other);
    await using loaded = await isolated.loadCorpus(other);
    expect(loaded.documents).toEqual(mine.documents);
    const again = await loaded.rank(query);
    expect(bare(again)).toEqual(expected);
    expect(again.results.map(({ document }) => document.id)).toEqual(again.results.map(({ id }) => id));
    const { results } = await loaded.rankMany([query, "Who bakes?"]);
    expect(results.map(bare)[0]).toEqual(expected);
    await loaded.dispose();
    await expect(loaded.rank(query)).rejects.toMatchObject({ code: "DISPOSED" });
    // The file of another process is as good: it was saved by the same code.
    await using read = await own.loadCorpus(file);
    expect(bare(await read.rank(query))).toEqual(expected);
  });

  it("ranks with other heads in the same process, also those of a file that is gone, and refuses what the model lacks", async () => {
    const file = path.join(folder, "heads.json");
    const { name, architecture, layers, heads } = own.model;
    const set = {
      ...{ format: "qrhead-heads", version: 1, model: { name, architecture, layers, heads }, nullQuery: "?" },
      ...{
        heads: [
          [1, 0],
          [0, 1],
        ],
        weights: [1, 0.25],
      },
    };
    writeFileSync(file, JSON.stringify(set));
    const specs = ["0-0", "random:3:7", [[1, 1]] as [number, number][], file];
    const pairs = specs.map((heads) => [own.withHeads(heads), isolated.withHeads(heads)] as const);
    rmSync(file);
    for (const [one, other] of pairs) {
      expect([other.heads, other.headSet, other.pid]).toEqual([one.heads, one.headSet, isolated.pid]);
      expect(withoutTimes(await other.rank(query, documents))).toEqual(withoutTimes(await one.rank(query, documents)));
      await using corpus = await other.corpus(documents);
      expect(bare(await corpus.rank(query))).toEqual(bare(await one.rank(query, documents)));
    }
    // Each has its own heads still, and the first one those of loading.
    const first = await pairs[0]![0].rank(query, documents);
    expect(withoutTimes(await pairs[0]![1].rank(query, documents))).toEqual(withoutTimes(first));
    expect(isolated.heads).toEqual(own.heads);
    expect(() => isolated.withHeads("99-0")).toThrow(InputError);
    for (const one of pairs.flat()) await one.dispose();
    await expect(pairs[0]![1].rank(query, documents)).rejects.toMatchObject({ code: "DISPOSED" });
    expect(() => pairs[0]![1].withHeads("all")).toThrow(/disposed/);
    expect((await isolated.rank(query, documents)).results).toHaveLength(4);
  });

  it("passes on errors with class, code and fields", async () => {
    const failure = (call: (retriever: QRRetriever | IsolatedRetriever) => Promise<unknown>) =>
      Promise.all(
        [own, isolated].map((one) =>
          call(one).then(
            () => undefined,
            (error: unknown) => error as Error,
          ),
        ),
      );
    for (const call of [
      (one) => one.rank("", documents),
      (one) => one.inspect(query, []),
      (one) => one.rank(query, ["a"], { topK: 0 }),
      (one) => one.rank(query, ["a"], { windows: { windowTokens: 3 } }),
      (one) => one.rank(query, ["a"], { unknown: () => {} } as object),
      (one) => one.prune(query, "a", {} as never),
      (one) => one.loadCorpus(path.join(folder, "none.corpus")),
      (one) => one.corpus(documents, { topK: 2 } as object),
      (one) => one.rank("tower ".repeat(5000), ["a"]),
    ] as ((retriever: QRRetriever | IsolatedRetriever) => Promise<unknown>)[]) {
      const [expected, received] = await failure(call);
      expect(received).toBeInstanceOf(Error);
      expect(received!.constructor).toBe(expected!.constructor);
      expect({ ...received, message: received!.message, name: received!.name }).toEqual({
        ...{ ...expected, message: expected!.message, name: expected!.name },
      });
    }
    await expect(isolated.rank("tower ".repeat(5000), ["a"])).rejects.toBeInstanceOf(ContextOverflowError);
    for (const [topK, said] of [
      [() => 1, / for topK but received a function$/],
      [[() => 1], /another process: a function could not be cloned\.$/],
    ] as [never, RegExp][]) {
      await expect(isolated.rank(query, ["a"], { topK })).rejects.toMatchObject({
        message: expect.stringMatching(said),
      });
    }
    await expect(isolated.corpus([])).rejects.toBeInstanceOf(InputError);
    await expect(isolated.rank(query, ["a"], { nullQuery: Symbol("no") as never })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it("passes on errors of loading", async () => {
    await expect(loadIsolated("tiny-bert")).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
    await expect(loadIsolated("tiny-llama", { model: "/none.gguf" })).rejects.toBeInstanceOf(InputError);
    await expect(loadIsolated("tiny-llama", { abortTimeout: 0 })).rejects.toMatchObject({ option: "abortTimeout" });
  });

  it("reports progress in the phases of the other one", async () => {
    const phases = async (retriever: QRRetriever | IsolatedRetriever) => {
      const seen: Progress[] = [];
      // Documents that neither has in its cache.
      await retriever.rank(query, ["new to both", "and this"], { onProgress: (progress) => seen.push(progress) });
      return seen;
    };
    expect(await phases(isolated)).toEqual(await phases(own));
  });

  it("stops with the signal's own reason, waiting or running", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const options = { signal: controller.signal };
    const running = isolated.rank(query, ["long ".repeat(500)], {
      ...options,
      onProgress: () => controller.abort(reason),
    });
    const waiting = isolated.rank(query, documents, options);
    await expect(running).rejects.toBe(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(isolated.rank(query, documents, options)).rejects.toBe(reason);
    expect((await isolated.rank(query, documents)).results).toHaveLength(4);
  });

  it("rejects with what a function of the caller's throws", async () => {
    const thrown = new Error("mine");
    const fail = () => {
      throw thrown;
    };
    await expect(isolated.rank(query, ["fresh text"], { onProgress: fail })).rejects.toBe(thrown);
    await expect(isolated.rankMany([query], ["another fresh text"], { onProgress: fail })).rejects.toBe(thrown);
    await expect(isolated.prune(query, "One. Two.", { topK: 1, countTokens: fail })).rejects.toBe(thrown);
    expect((await isolated.rank(query, documents)).results).toHaveLength(4);
  });

  it("says how long a call waited for another", async () => {
    const [first, second] = await Promise.all([
      isolated.rank(query, ["word ".repeat(300)]),
      isolated.rank(query, ["another ".repeat(300)]),
    ]);
    expect(second.timings.waitMs).toBeGreaterThanOrEqual(first.timings.totalMs);
  });
});
