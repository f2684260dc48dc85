// More text than a prompt holds: windows, pruning, answering, on the built-in model and on models with random weights.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ask,
  ContextOverflowError,
  chunkDocuments,
  InputError,
  inspectionPage,
  type LoadOptions,
  type MergeRule,
  type Progress,
  QRRetriever,
} from "../../src/index.ts";
import { slimModel } from "../../src/model/slim.ts";
import { MERGE_RULES } from "../../src/ranking/windows/options.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const subjects = [
  "Granite",
  "The tram",
  "A heron",
  "Rye bread",
  "The lighthouse",
  "Copper wire",
  "Wool",
  "The orchard",
  "A kettle",
  "The ferry",
];
const filler = Array.from(
  { length: 40 },
  (_, i) => `${subjects[i % 10]} number ${i} stood near the river, and nobody wrote down why it was there that year.`,
);
const ANSWER = "Octopuses have three hearts: two of them serve the gills, and one the rest of the body.";
const QUERY = "How many hearts does an octopus have?";
const documents = filler.with(23, ANSWER);

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await QRRetriever.load({ gpu: false, threads: 1 });
});
afterAll(() => retriever.dispose());

describe("windows", () => {
  test.each<MergeRule>(MERGE_RULES)("find the answer by %s", async (merge) => {
    const { results, windows, usage } = await retriever.rank(QUERY, documents, {
      windows: { merge, windowTokens: 400 },
    });
    expect(results[0]!.index).toBe(23);
    expect(results.map(({ index }) => index).sort((a, b) => a - b)).toEqual(documents.map((_, index) => index));
    expect(windows).toMatchObject({ merge, windowTokens: 400, split: 0 });
    expect(windows!.count).toBeGreaterThan(2);
    expect(usage.promptTokens).toBeLessThanOrEqual(400 * windows!.count);
    expect(usage.documentTokens).toHaveLength(40);
  });

  test("are not used where one prompt does, and give its scores when they are one", async () => {
    const one = await retriever.rank(QUERY, documents.slice(20, 26), { layout: "listwise" });
    expect(one.windows).toBeUndefined();
    const same = await retriever.rank(QUERY, documents.slice(20, 26), { windows: { windowTokens: 1000 } });
    expect(same.windows!.count).toBe(1);
    expect(same.results).toEqual(one.results);
  });

  test("give a long document back as one result that names its passages", async () => {
    const text = `${filler.slice(0, 20).join(" ")} ${ANSWER} ${filler.slice(20, 30).join(" ")}`;
    const windows = { windowTokens: 300, passageTokens: 60 };
    const { results, windows: used } = await retriever.rank(QUERY, [filler[1]!, { id: "long", text }], {
      windows,
      topK: 1,
    });
    expect(used!.split).toBe(1);
    expect(results).toHaveLength(1);
    const [{ id, index, passages, attention }] = results as [(typeof results)[number]];
    expect([id, index, attention]).toEqual(["long", 1, passages![0]!.score]);
    expect(passages!.length).toBeGreaterThan(1);
    expect(text.slice(passages![0]!.begin, passages![0]!.end)).toContain(ANSWER);
  });

  test("take over by themselves when the prompt does not fit, with progress that only grows, and stop when told", async () => {
    await using small = await loadTiny("tiny-llama-spm", { contextSize: 256 });
    const done: number[] = [];
    const { results, windows } = await small.rank(QUERY, documents, {
      onProgress: (progress) => done.push(progress.done),
      topK: 5,
    });
    expect(results).toHaveLength(5);
    expect(windows!.count).toBeGreaterThan(3);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    const controller = new AbortController();
    const stopped = small.rank(QUERY, documents, {
      signal: controller.signal,
      onProgress: () => controller.abort("enough"),
    });
    await expect(stopped).rejects.toBe("enough");
    await expect(small.rank("long ".repeat(300), documents)).rejects.toBeInstanceOf(ContextOverflowError);
    await expect(small.rank(QUERY, documents, { windows: { windowTokens: 999 } })).rejects.toThrow(
      "at most the 256 tokens",
    );
    await expect(small.rank(QUERY, documents, { windows: { merge: "best" as never } })).rejects.toThrow("tournament");
  });
});

test("many queries in windows say that documents are read again, and their progress never goes back", async () => {
  const seen: Progress[] = [];
  const queries = [QUERY, "What is a tram?", "Where did the heron stand?"];
  const { results } = await retriever.rankMany(queries, documents, {
    ...{ windows: { windowTokens: 400 }, topK: 1 },
    onProgress: (progress) => seen.push(progress),
  });
  for (const { warnings } of results) expect(warnings.join()).toContain('layout: "independent"');
  for (const phase of ["prefill", "query"] as const) {
    const reports = seen.filter((progress) => progress.phase === phase);
    expect(new Set(reports.map(({ total }) => total)).size).toBe(1);
    expect(reports.map(({ done }) => done)).toEqual(reports.map(({ done }) => done).sort((a, b) => a - b));
    expect(reports.at(-1)!.done).toBe(reports.at(-1)!.total);
  }
  const independent = await retriever.rankMany(queries, documents, { layout: "independent", topK: 1 });
  expect(independent.results.map(({ warnings }) => warnings)).toEqual([[], [], []]);
  expect(independent.results[1]!.timings.prefillMs).toBe(0);
});

describe("prune", () => {
  const text = `# Notes\n\n${documents.slice(0, 20).join(" ")}\n\n## More\n\n${documents.slice(20).join(" ")}\n`;

  test("keeps the sentences that answer, verbatim, within the budget and in order", async () => {
    const {
      text: short,
      documents: [pruned],
      usage,
    } = await retriever.prune(QUERY, text, { budgetTokens: 120 });
    expect(short).toContain("Octopuses have three hearts:");
    expect(usage.tokens).toBeLessThanOrEqual(120);
    expect(usage.tokens).toBeGreaterThan(80);
    expect((await retriever.tokenize(short)).tokens.length).toBe(usage.tokens);
    let at = 0;
    for (const part of short.split("[…] ").filter(Boolean)) {
      const found = text.indexOf(part, at);
      expect(found).toBeGreaterThanOrEqual(at);
      at = found + part.length;
    }
    for (const { begin, end } of pruned!.kept) expect(short).toContain(text.slice(begin, end));
    expect(pruned!.dropped).toBeGreaterThan(20);
  });

  test("gives everything back when everything fits, and counts with the reader's tokenizer", async () => {
    const whole = await retriever.prune(QUERY, text, { budgetTokens: 100_000 });
    expect(whole.text).toBe(text);
    const countTokens = (given: string) => given.length;
    const { text: short, usage } = await retriever.prune(QUERY, text, { budgetTokens: 500, countTokens, marker: "" });
    expect(usage).toMatchObject({ tokens: short.length, originalTokens: text.length });
    expect(short.length).toBeLessThanOrEqual(500);
    expect(short.length).toBeGreaterThan(350);
  });

  test("never drops what is protected, and says so when the budget is smaller", async () => {
    const protect = {
      headings: true,
      spans: [[text.indexOf(filler[5]!), text.indexOf(filler[5]!) + 4]] as [number, number][],
    };
    const { text: short } = await retriever.prune(QUERY, text, { topK: 1, protect });
    expect(short).toContain("# Notes\n");
    expect(short).toContain("## More\n");
    expect(short).toContain(filler[5]);
    const call = retriever.prune(QUERY, text, { budgetTokens: 10, protect });
    await expect(call).rejects.toThrow(
      /^The protected text has \d+ tokens but the budget is 10: use a budget of at least \d+/,
    );
  });

  test("prunes documents in windows, by chunks", async () => {
    const {
      documents: pruned,
      windows,
      text: joined,
    } = await retriever.prune(QUERY, [text, { id: "b", text: ANSWER }], {
      ...{ topK: 2, unit: "chunk", chunk: { by: "sentences" }, windows: { windowTokens: 500 } },
    });
    expect(windows!.count).toBeGreaterThan(2);
    expect(pruned.map(({ id, kept }) => [id, kept.length])).toEqual([
      ["0", 1],
      ["b", 1],
    ]);
    expect(joined.endsWith(`\n\n${ANSWER}`)).toBe(true);
  });

  test("hears its signal while it cuts and counts", async () => {
    const book = `${text.repeat(40)}`;
    const controller = new AbortController();
    const stopped = retriever.prune(QUERY, book, { topK: 1, signal: controller.signal });
    setTimeout(() => controller.abort("enough"), 1);
    await expect(stopped).rejects.toBe("enough");
    await expect(retriever.prune(QUERY, book, { topK: 1, signal: AbortSignal.abort("no") })).rejects.toBe("no");
  });

  test.each<[string, unknown, string | RegExp]>([
    ["", { topK: 1 }, "is empty"],
    [" \n", { topK: 1 }, "is empty"],
    ["a", {}, "exactly one of budgetTokens, threshold and topK, or relative, but received none of them"],
    ["a", { topK: 1, threshold: 1 }, "topK"],
    ["a", { topK: 1, unit: "word" }, "auto, sentence, chunk"],
    ["a", { topK: 1, chunk: { size: 9, overlap: 2 } }, "no overlap"],
    ["a", { topK: 1, tokens: 5 }, "Unknown option tokens"],
    ["a", { topK: 1, maxDocumentTokens: 5 }, "Unknown option maxDocumentTokens"],
    ["a", { relative: 2 }, "above 0 and at most 1"],
    ["a", { topK: 1, protect: { speakers: [" "] } }, "protect.speakers"],
  ])("refuses %j with %j", async (given, options, message) => {
    const call = retriever.prune(QUERY, given, options as never);
    await expect(call).rejects.toBeInstanceOf(InputError);
    await expect(retriever.prune(QUERY, given, options as never)).rejects.toThrow(message);
  });
});

describe("prune after load with", () => {
  const text = `${filler.slice(0, 6).join(" ")}\n\n${ANSWER} ${filler.slice(6, 12).join(" ")}\n`;
  const keptOf = async (options: LoadOptions) => {
    await using other = await QRRetriever.load({ gpu: false, threads: 1, ...options });
    const { documents: pruned, text: short } = await other.prune(QUERY, text, { topK: 3 });
    return { short, kept: pruned[0]!.kept.map(({ begin, end }) => text.slice(begin, end)) };
  };

  // Texts are read whole, and how they are read is no matter of what stays; where scores are others the answer stays.
  test.each<[LoadOptions, "the same" | "the answer"]>([
    [{ maxDocumentTokens: 5 }, "the same"],
    [{ maxDocumentTokens: 60 }, "the same"],
    [{ windows: "never" }, "the same"],
    [{ contextSize: 2048, batchSize: 64 }, "the same"],
    [{ weights: false }, "the same"],
    [{ earlyStop: false }, "the same"],
    [{ windows: { windowTokens: 300 } }, "the answer"],
    [{ windows: { windowDocuments: 2, merge: "tournament" } }, "the answer"],
    [{ windows: { windowDocuments: 4, merge: "final" } }, "the answer"],
    [{ order: "reverse" }, "the answer"],
    [{ layout: "independent", maxDocumentTokens: 20 }, "the answer"],
    [{ calibration: false }, "the answer"],
    [{ mask: false }, "the answer"],
    [{ nullQuery: "What is there?" }, "the answer"],
  ])("%j keeps %s", async (options, what) => {
    const plain = await retriever.prune(QUERY, text, { topK: 3 });
    const { short, kept } = await keptOf(options);
    expect(kept.filter((part) => part.trim() === ANSWER)).toHaveLength(1);
    expect(kept).toHaveLength(3);
    if (what === "the same") expect(short).toBe(plain.text);
  });
});

test("inspect agrees with rank, and its page escapes what it shows", async () => {
  const evil = '</script><script>alert(1)</script> & "hearts" <!--';
  const given = [ANSWER, { id: "<i>", text: evil }];
  const inspection = await retriever.inspect(QUERY, given);
  const { results } = await retriever.rank(QUERY, given, { layout: "listwise" });
  for (const { index, attention } of results) expect(inspection.documents[index]!.score).toBeCloseTo(attention!, 5);
  expect(inspection.documents[1]!.tokens.join("")).toBe(`[2] ${evil}`);
  expect(inspection.heads).toHaveLength(10);
  for (const kind of ["calibrated", "raw"] as const) {
    const [all, ...single] = inspection.heads.map((head) => head[kind].flat());
    for (const [token, value] of all!.entries()) {
      expect(single.reduce((sum, row) => sum + row[token]!, 0)).toBeCloseTo(value, 5);
    }
  }
  const page = inspectionPage(inspection, { name: "<m>", headSet: "x" });
  expect(page.match(/<\/script>/g)).toHaveLength(1);
  expect(page).not.toContain("<!--");
  expect(page).not.toContain("<i>");
  expect(page).not.toMatch(/https?:/);
});

describe("ask", () => {
  const files = temporaryFolder();
  afterAll(() => files.remove());
  const tiny = { gpu: false as const, threads: 1 };
  const generator = { ...tiny, contextSize: 768, maxTokens: 2 };

  test("streams what it answers, with sources within the budget, in the order of the text", async () => {
    const book = { id: "book", text: documents.join("\n\n") };
    let streamed = "";
    const phases = new Set<string>();
    const { answer, shown, sources, cites, usage, stopped } = await ask(QUERY, [book], {
      neighbours: 1,
      ...{
        ...generator,
        generate: modelPath("tiny-llama"),
        retriever,
        chunkTokens: 60,
        budgetTokens: 300,
        maxTokens: 8,
      },
      onText: (text) => {
        streamed += text;
      },
      onProgress: ({ phase }) => phases.add(phase),
    });
    expect(streamed).toBe(answer);
    expect(["end", "maxTokens"]).toContain(stopped);
    expect(usage.answerTokens).toBeLessThanOrEqual(12);
    expect(usage.contextTokens).toBeLessThanOrEqual(300);
    expect(shown.length).toBeGreaterThan(1);
    expect(shown.map(({ citation }) => citation)).toEqual(shown.map((_, index) => index + 1));
    expect(shown.map(({ begin }) => begin)).toEqual(shown.map(({ begin }) => begin).sort((a, b) => a - b));
    expect(cites ? sources.length < shown.length : sources[0]!.text.includes("hearts")).toBe(true);
    // What shares no word and has no more attention than the null query gives has this relevance: a of the head set.
    const nothing = 1 / (1 + Math.exp(4.26));
    for (const { begin, end, text, line, relevance, neighbour } of shown) {
      expect(text).toBe(book.text.slice(begin, end));
      expect(line).toBe(book.text.slice(0, begin).split("\n").length);
      expect(relevance > nothing || neighbour).toBe(true);
    }
    expect(usage.irrelevantChunks).toBeGreaterThan(0);
    expect(phases).toContain("sources");
    expect(retriever.disposed).toBe(false);
  });

  test("works with a slim retriever, and with one file for both", async () => {
    const slim = files.path("slim.gguf");
    await slimModel({
      load: QRRetriever.load,
      model: modelPath("tiny-llama"),
      heads: "1-0",
      output: slim,
      verify: false,
    });
    for (const model of [slim, modelPath("tiny-llama")]) {
      const { shown } = await ask(QUERY, documents.slice(0, 5), {
        ...{
          ...tiny,
          generate: modelPath("tiny-llama"),
          retriever: { ...tiny, model, heads: "1-0" },
          maxTokens: 2,
          topK: 2,
        },
      });
      // Random weights: as many as score higher than nothing.
      expect(shown.length).toBeGreaterThan(0);
      expect(shown.length).toBeLessThanOrEqual(2);
    }
  });

  test("answers from a corpus, which outlives an answer that was stopped", async () => {
    const library = { ...generator, generate: modelPath("tiny-llama"), maxTokens: 8 };
    const book = { id: "book", text: documents.join("\n\n") };
    const chunks = await chunkDocuments(retriever, [" ", book], { chunkTokens: 60 });
    await using corpus = await retriever.corpus(chunks, { layout: "independent" });
    const controller = new AbortController();
    const stopped = ask(QUERY, corpus, {
      ...{ ...library, signal: controller.signal },
      onText: () => controller.abort("enough"),
    });
    await expect(stopped).rejects.toBe("enough");
    const phases = new Set<string>();
    const { sources, usage } = await ask(QUERY, corpus, { ...library, onProgress: ({ phase }) => phases.add(phase) });
    expect(phases.has("prefill")).toBe(false);
    expect(usage.chunks).toBe(chunks.length);
    for (const { documentId, begin, end, id } of sources) {
      expect(documentId).toBe("book");
      expect(book.text.slice(begin, end)).toBe(chunks.find((chunk) => chunk.id === id)!.text);
    }
    const given = { retriever, chunkTokens: 60, layout: "independent" as const };
    const uncached = await ask(QUERY, [" ", book], { ...library, ...given });
    expect(uncached.sources.map(({ id, score }) => [id, score])).toEqual(sources.map(({ id, score }) => [id, score]));
    expect(uncached.sources.every(({ document }) => document === 1)).toBe(true);
    await expect(ask(QUERY, corpus, { ...library, chunkTokens: 60 })).rejects.toThrow("chunkTokens");
  });

  test("takes ids that only look like places for what they are", async () => {
    const library = { ...generator, generate: modelPath("tiny-llama"), maxTokens: 2 };
    await using corpus = await retriever.corpus([{ id: "page#3-7", text: documents[0]! }], { layout: "independent" });
    const { sources } = await ask(QUERY, corpus, library);
    expect(sources).toMatchObject([{ documentId: "page#3-7", begin: 0, end: documents[0]!.length }]);
  });

  test("stops when told, and says what is wrong", async () => {
    const generate = modelPath("tiny-llama");
    const controller = new AbortController();
    const stopped = ask(QUERY, documents.slice(0, 3), {
      ...generator,
      generate,
      retriever,
      signal: controller.signal,
      onText: () => controller.abort("enough"),
    });
    await expect(stopped).rejects.toBe("enough");
    await expect(ask(" ", documents, { generate })).rejects.toThrow("not blank");
    await expect(ask(QUERY, [" "], { ...generator, generate, retriever })).rejects.toThrow("at least one is not blank");
    await expect(ask(QUERY, documents, { ...generator, generate, retriever, maxTokens: 5000 })).rejects.toBeInstanceOf(
      ContextOverflowError,
    );
    await expect(ask(QUERY, documents, { retriever } as never)).rejects.toThrow(
      /the built-in model cannot\).* for generate/,
    );
    await expect(ask(QUERY, documents, { ...tiny, generate: "/nowhere.gguf", retriever })).rejects.toThrow(
      "does not exist",
    );
  });
});
