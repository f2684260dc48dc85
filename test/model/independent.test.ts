// The layout in which every document is read by itself.
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { QRRetriever, RankResult } from "../../src/index.ts";
import { variedDocuments as documents } from "../helpers/documents.ts";
import { loadTiny } from "../helpers/retriever.ts";

const layout = "independent" as const;
const query = "Which river carries most water?";
/** Of a score: one read of the documents cuts ubatches elsewhere than another, and flash attention works in half precision. */
const ROUNDING = 5e-3;

const byId = ({ results }: RankResult) => Object.fromEntries(results.map(({ id, score }) => [id, score]));
function expectClose(a: Record<string, number>, b: Record<string, number>) {
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  for (const [id, score] of Object.entries(a)) expect(Math.abs(score - b[id]!), id).toBeLessThan(ROUNDING);
}

describe.each(["tiny-llama", "tiny-qwen2", "tiny-llama-spm", "tiny-gemma3", "tiny-mpt"])("%s", (name) => {
  let retriever: QRRetriever;
  beforeAll(async () => {
    retriever = await loadTiny(name);
  });
  afterAll(() => retriever.dispose());

  test("gives a single document the score of the listwise layout", async () => {
    for (const document of [documents[0]!, documents[4]!]) {
      const alone = await retriever.rank(query, [document], { layout });
      const listed = await retriever.rank(query, [document]);
      expect(alone.usage).toEqual(listed.usage);
      expectClose(byId(alone), byId(listed));
    }
  });

  test("gives the same scores to the last bit whatever the order, without reading again", async () => {
    const given = await retriever.rank(query, documents, { layout });
    const turned = await retriever.rank(query, documents.toReversed(), { layout });
    expect(turned.timings.prefillMs).toBe(0);
    // Two documents with the same text stand in either order and differ by where they stand in a sum.
    const { copy: _a, amazon: _b, ...others } = byId(given);
    expect(byId(turned)).toMatchObject(others);
    expectClose(byId(turned), byId(given));
    expect(turned.usage.documentTokens).toEqual(given.usage.documentTokens.toReversed());
    expect((await retriever.rank(query, documents, { layout, order: "reverse" })).results).toEqual(given.results);
  });

  test("gives documents of the same text the same score", async () => {
    const { amazon, copy } = byId(await retriever.rank(query, documents, { layout }));
    expect(Math.abs(amazon! - copy!)).toBeLessThan(ROUNDING);
  });

  test("gives what a fresh retriever gives, whatever was read before", async () => {
    await retriever.rank("What grows?", documents.slice(2), { layout });
    const after = await retriever.rank(query, documents.slice(0, 3), { layout });
    await using fresh = await loadTiny(name);
    expectClose(byId(after), byId(await fresh.rank(query, documents.slice(0, 3), { layout })));
  });
});

describe("independent documents", () => {
  let retriever: QRRetriever;
  beforeAll(async () => {
    retriever = await loadTiny("tiny-llama-spm", { batchSize: 32 });
  });
  afterAll(() => retriever.dispose());

  test("are read once, also in other company", async () => {
    await using own = await loadTiny("tiny-llama-spm");
    const read: number[] = [];
    const onProgress = ({ phase, total }: { phase: string; total: number }) => {
      if (phase === "prefill") read.push(total);
    };
    await own.rank(query, documents.slice(0, 2), { layout, onProgress });
    expect(read.length).toBeGreaterThan(0);
    read.length = 0;
    await own.rank(query, [documents[1]!, documents[3]!], { layout, onProgress });
    await own.rank(query, [documents[0]!], { layout, onProgress });
    expect(read).toEqual([]);
    await own.rank(query, [documents[0]!, documents[2]!], { layout, onProgress });
    expect(read.length).toBeGreaterThan(0);
  });

  test("are read again where memory holds none, with the same scores", async () => {
    await using own = await loadTiny("tiny-llama-spm", { batchSize: 32, corpusMemory: 0 });
    const first = await own.rank(query, documents, { layout });
    await own.rank(query, documents.slice(1), { layout });
    expect(byId(await own.rank(query, documents, { layout }))).toEqual(byId(first));
  });

  test("may be more than a prompt of the model holds", async () => {
    const context = Number(retriever.model.metadata["llama.context_length"]);
    const count = Math.ceil(context / 30);
    const many = Array.from(
      { length: count },
      (_, i) => `Number ${i}: ${documents[0]!.text} ${documents[1]!.text} ${i * i}`,
    );
    await using own = await loadTiny("tiny-llama-spm", { heads: [[0, 1]] });
    const { usage, results } = await own.rank(query, many, { layout });
    expect(usage.promptTokens).toBeGreaterThan(context);
    expect(results).toHaveLength(count);
  });

  test("add up: head scores to the score, kept tokens to the score, tokens to the document", async () => {
    const { results } = await retriever.rank(query, documents.slice(0, 3), {
      layout,
      headScores: true,
      tokenScores: true,
    });
    for (const { score, headScores, tokenScores, index } of results) {
      expect(headScores!.reduce((sum, value) => sum + value, 0)).toBeCloseTo(score, 5);
      expect(tokenScores!.filter(({ kept }) => kept).reduce((sum, token) => sum + token.score, 0)).toBeCloseTo(
        score,
        5,
      );
      const { title, text } = documents[index]!;
      expect(tokenScores!.map((token) => token.text).join("")).toBe(`[1] ${title ? `${title}\n` : ""}${text}`);
    }
  });

  test("make a corpus, with the same scores", async () => {
    const wanted = byId(await retriever.rank(query, documents, { layout }));
    await using corpus = await retriever.corpus(documents, { layout });
    expect(byId(await corpus.rank(query))).toEqual(wanted);
  });

  test("are stopped by a signal, and what was read before it is kept", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const many = Array.from({ length: 60 }, (_, i) => `${documents[0]!.text} ${i}`);
    const onProgress = ({ phase }: { phase: string }) => {
      if (phase === "prefill") controller.abort(reason);
    };
    const call = retriever.rank(query, many, { layout, signal: controller.signal, onProgress });
    await expect(call).rejects.toBe(reason);
    expect((await retriever.rank(query, many, { layout })).results).toHaveLength(60);
  });

  test("of a model with a sliding window must be shorter than it", async () => {
    await using gemma = await loadTiny("tiny-gemma3");
    const long = Array.from({ length: 12 }, () => documents[1]!.text).join(" ");
    await expect(gemma.rank(query, [long], { layout })).rejects.toThrow("sliding window");
    await expect(gemma.rank(query, [long], { layout })).rejects.toMatchObject({ name: "InputError" });
    expect((await gemma.rank(query, [long], { layout, maxDocumentTokens: 10 })).results).toHaveLength(1);
    // Nothing advises a layout that such documents cannot have.
    const [windows, two] = [{ windowTokens: 100 }, ["Iron.", long, "Zinc."]];
    const asked = await gemma.rankMany([query, "metal"], two, { layout: "listwise", windows });
    expect(asked.results[0]!.warnings.join()).toContain("windows read them again for every query");
    expect(asked.results[0]!.warnings.join()).not.toContain("independent");
    await using small = await loadTiny("tiny-gemma3", { contextSize: 250, windows: "never" });
    const overflow = await small.rank(query, ["Iron. ".repeat(60), long]).catch((error: Error) => error.message);
    expect(overflow).toMatch(/^The prompt has \d+ tokens .*rank in windows/);
    expect(overflow).not.toContain("independent");
  });
});

test("advice for documents that do not fit is something that the caller can do", async () => {
  await using small = await loadTiny("tiny-llama", { contextSize: 250 });
  const long = ["Iron is a metal. ".repeat(200), "Zinc."];
  const adviceOf = async (call: Promise<unknown>) =>
    String(
      await call.then(
        () => "none",
        (error: Error) => error.message,
      ),
    );
  // A call of its own can have windows. A corpus cannot, whatever its layout, and however it is made.
  expect(await adviceOf(small.rank(query, long, { layout }))).toContain('rank in windows with layout: "listwise"');
  expect(await adviceOf(small.rank(query, long, { windows: "never" }))).toContain('windows: "auto"');
  const saveTo = path.join(os.tmpdir(), "qrhead-never.corpus");
  for (const options of [{ layout }, { layout: "listwise" }, { layout, saveTo }, { saveTo }] as const) {
    const advice = await adviceOf(small.corpus(long, options));
    expect(advice).toMatch(/^Document "0" has \d+ tokens .*: split it into chunks, cut it with maxDocumentTokens/);
    expect(advice).not.toContain("windows");
  }
  await using corpus = await small.corpus(["Zinc."], { layout });
  expect(await adviceOf(corpus.add([long[0]!]))).toContain("split it into chunks");
  const together = await adviceOf(small.corpus(Array<string>(40).fill("Iron is a metal."), { layout: "listwise" }));
  expect(together).toContain("The prompt has");
  expect(together).toContain('layout: "independent"');
  expect(together).not.toContain("windows");
});
