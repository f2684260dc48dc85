// What a question is answered from: documents, files, a corpus and an index, with the built-in model.
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openModel } from "../../src/answering/generator.ts";
import { ask, type ChatMessage, chunkDocuments, openIndex, QRRetriever, type RetrieveResult } from "../../src/index.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

// node-llama-cpp tries its build in a process of its own first.
vi.setConfig({ testTimeout: 300_000 });

const subjects = ["Granite", "The tram", "A heron", "Rye bread", "The lighthouse", "Copper wire", "Wool", "A kettle"];
const filler = (n: number) =>
  `${subjects[n % 8]} number ${n} stood near the river, and nobody wrote down why it was there that year.`;
const ANSWER = "Octopuses have three hearts: two of them serve the gills, and one the rest of the body.";
const QUERY = "How many hearts does an octopus have?";

const files = temporaryFolder();
const folder = files.path("notes");
const contents = Array.from({ length: 12 }, (_, file) =>
  Array.from({ length: 5 }, (_, line) => (file === 7 && line === 2 ? ANSWER : filler(5 * file + line))).join("\n\n"),
);
const nameOf = (index: number) => `note-${String(index).padStart(2, "0")}.txt`;
const documents = contents.map((text, index) => ({ id: nameOf(index), title: nameOf(index), text }));

let retriever: QRRetriever;
beforeAll(async () => {
  mkdirSync(folder);
  for (const [index, text] of contents.entries()) writeFileSync(files.path(`notes/${nameOf(index)}`), text);
  retriever = await QRRetriever.load({ gpu: false, threads: 1 });
});
afterAll(async () => {
  await retriever.dispose();
  files.remove();
});

const shape = ({ sources }: RetrieveResult) => sources.map(({ begin, end, score, text }) => [begin, end, score, text]);

describe("retrieve", () => {
  test("gives the chunks of files and documents with their places, as messages, and within a budget", async () => {
    const given = { chunkTokens: 60, budgetTokens: 240 };
    const fromFiles = await retriever.retrieve(QUERY, { paths: [folder] }, given);
    const best = fromFiles.sources.reduce((a, b) => (b.score > a.score ? b : a));
    expect(best).toMatchObject({
      file: files.path(`notes/${nameOf(7)}`),
      documentId: nameOf(7),
      title: nameOf(7),
      neighbour: false,
    });
    expect(best.text).toContain("three hearts");
    expect(best.line).toBe(contents[7]!.slice(0, best.begin).split("\n").length);
    for (const { document, begin, end, text, citation } of fromFiles.sources) {
      expect(contents[document]!.slice(begin, end)).toBe(text);
      expect(fromFiles.text).toContain(`[${citation}] ${nameOf(document)}\n${text.trim()}`);
    }
    expect(fromFiles.usage.contextTokens).toBeLessThanOrEqual(240);
    expect(fromFiles.usage).toMatchObject({ contextTokens: (await retriever.tokenize(fromFiles.text)).tokens.length });
    expect(fromFiles.usage.candidates).toBe(fromFiles.usage.chunks);
    expect(fromFiles.messages.map(({ role }) => role)).toEqual(["system", "user"]);
    expect(fromFiles.messages[1]!.content).toBe(`Sources:\n\n${fromFiles.text}\n\nQuestion: ${QUERY}`);
    expect(shape(await retriever.retrieve(QUERY, documents, given))).toEqual(shape(fromFiles));
  });

  test("lets BM25 choose the candidates, and ranks these alone", async () => {
    const { usage, sources } = await retriever.retrieve(QUERY, documents, { chunkTokens: 60, candidates: 3, topK: 1 });
    expect(usage.candidates).toBe(3);
    expect(usage.chunks).toBeGreaterThan(12);
    expect(sources).toMatchObject([{ documentId: nameOf(7) }]);
    // As the ranking of the three says, which nothing else is in.
    const chunks = await chunkDocuments(retriever, documents, { chunkTokens: 60 });
    const three = chunks.filter(({ text }) => /heart|octopus/i.test(text));
    expect(three).toHaveLength(1);
    const { results } = await retriever.rank(QUERY, [chunks[0]!, chunks[1]!, ...three]);
    expect(sources[0]!.score).toBe(results[0]!.score);
  });

  test("takes an index, with neighbours, and says what has changed since", async () => {
    const file = files.path("notes.index");
    for (let i = 0; i < 12; i++) utimesSync(files.path(`notes/${nameOf(i)}`), 1e9, 1e9);
    await using index = await openIndex(file);
    await index.update([folder], { chunkTokens: 30 });
    const given = { candidates: 20, topK: 1, neighbours: 1 };
    const { sources, usage, warnings } = await retriever.retrieve(`${QUERY} Or a kettle near the river?`, index, given);
    expect(usage).toMatchObject({ chunks: index.size, candidates: 20 });
    expect(sources.map(({ neighbour }) => neighbour)).toEqual([true, false, true]);
    expect(sources[1]).toMatchObject({ file: files.path(`notes/${nameOf(7)}`), line: 5, title: `notes/${nameOf(7)}` });
    const [before, answer, after] = sources as [(typeof sources)[0], (typeof sources)[0], (typeof sources)[0]];
    expect([before.end, answer.end]).toEqual([answer.begin, after.begin]);
    expect(warnings).toEqual([]);

    writeFileSync(files.path(`notes/${nameOf(7)}`), "Something else.");
    const later = await retriever.retrieve(QUERY, index, { topK: 1 });
    expect(later.sources[0]!.text).toBe(answer.text);
    expect(later.warnings).toEqual([expect.stringMatching(/note-07\.txt has changed since the index was updated$/)]);
    writeFileSync(files.path(`notes/${nameOf(7)}`), contents[7]!);

    const nothing = await retriever.retrieve("Xylophone?", index);
    expect(nothing).toMatchObject({ text: "", sources: [], usage: { candidates: 0, promptTokens: 0 } });
    expect(nothing.warnings).toEqual(["no chunk of the index shares a word with the question"]);
    await expect(retriever.retrieve(QUERY, index, { chunkTokens: 60 })).rejects.toThrow(
      "chunkTokens cannot be combined with an index",
    );
  });

  test("takes a corpus as it has been read, or of an independent one the candidates", async () => {
    const chunks = await chunkDocuments(retriever, documents, { chunkTokens: 60 });
    await using corpus = await retriever.corpus(chunks, { layout: "independent" });
    const all = await retriever.retrieve(QUERY, corpus);
    expect(all.usage).toMatchObject({ chunks: chunks.length, candidates: chunks.length });
    expect(shape(all)).toEqual(
      shape(await retriever.retrieve(QUERY, documents, { chunkTokens: 60, layout: "independent", candidates: 1000 })),
    );
    const some = await retriever.retrieve(QUERY, corpus, { candidates: 4, topK: 2 });
    expect(some.usage.candidates).toBe(4);
    expect(some.sources.map(({ documentId }) => documentId)).toContain(nameOf(7));
    await using listwise = await retriever.corpus(chunks.slice(0, 4), { layout: "listwise" });
    await expect(retriever.retrieve(QUERY, listwise, { candidates: 2 })).rejects.toThrow("is ranked as a whole");
    await expect(retriever.retrieve(QUERY, corpus, { layout: "listwise" })).rejects.toThrow(
      "layout cannot be combined with a corpus",
    );
  });

  test("orders by what is fused where a first stage joins", async () => {
    const plain = await retriever.retrieve("the kettle", documents, { topK: 1, chunkTokens: 30 });
    const fused = await retriever.retrieve("the kettle", documents, { topK: 1, chunkTokens: 30, fuse: { weight: 0 } });
    expect(fused.sources[0]!.text).toMatch(/kettle/i);
    expect(plain.sources).toHaveLength(1);
    const chunks = await chunkDocuments(retriever, documents, { chunkTokens: 30 });
    const { results } = await retriever.rank("the kettle", chunks, { prior: "bm25", fuse: { weight: 0 } });
    expect(fused.sources[0]!.id).toBe(results.find(({ score }) => score > 0)!.id);
  });

  test("takes nothing below a threshold, and abstains where nothing reaches it", async () => {
    const given = { chunkTokens: 30, topK: 60 };
    const all = await retriever.retrieve(QUERY, documents, given);
    expect(all.belowThreshold).toBe(0);
    const ranks = await retriever.rank(QUERY, await chunkDocuments(retriever, documents, { chunkTokens: 30 }));
    const [best, second] = ranks.results.map(({ relevance }) => relevance) as [number, number];
    expect(best).toBeGreaterThan(second);
    const count = ranks.results.length;
    const between = await retriever.retrieve(QUERY, documents, { ...given, threshold: (best + second) / 2 });
    expect(between.sources.map(({ relevance }) => relevance)).toEqual([best]);
    expect(between.abstained).toBe(false);
    // Every chunk counts once: as taken, as below the threshold, or as one that the question says nothing of.
    expect(between.usage.irrelevantChunks).toBe(all.usage.irrelevantChunks);
    expect(between.belowThreshold).toBe(count - 1 - all.usage.irrelevantChunks);
    // A neighbour comes along, with the relevance that it has.
    const near = await retriever.retrieve(QUERY, documents, {
      ...given,
      threshold: (best + second) / 2,
      neighbours: 1,
    });
    expect(near.sources.map(({ neighbour }) => neighbour)).toEqual([true, false, true]);
    expect(near.sources[0]!.relevance).toBe(ranks.results.find(({ id }) => id === near.sources[0]!.id)!.relevance);
    const none = await retriever.retrieve(QUERY, documents, { ...given, threshold: 1 });
    expect(none).toMatchObject({ sources: [], text: "", abstained: true });
    expect(none.messages.at(-1)!.content).toMatch(/^Sources: none were found\.\n\nQuestion: /);
    expect(none.belowThreshold).toBe(count - all.usage.irrelevantChunks);
    const wrong = retriever.retrieve(QUERY, documents, { threshold: 1.5 });
    await expect(wrong).rejects.toMatchObject({
      option: "threshold",
      expected: "a number from 0 to 1",
      received: "1.5",
    });
  });

  test("stops when told, and says what is wrong", async () => {
    await expect(retriever.retrieve(QUERY, documents, { signal: AbortSignal.abort("no") })).rejects.toBe("no");
    const invalid = { name: "InputError", code: "INVALID_ARGUMENT" };
    await expect(retriever.retrieve(" ", documents)).rejects.toMatchObject({ ...invalid, option: "query" });
    await expect(retriever.retrieve(QUERY, {} as never)).rejects.toMatchObject({ ...invalid, option: "from" });
    await expect(retriever.retrieve(QUERY, null as never)).rejects.toMatchObject({ ...invalid, option: "from" });
    await expect(retriever.retrieve(QUERY, documents, { budget: 9 } as never)).rejects.toThrow("Unknown option budget");
    await expect(retriever.retrieve(QUERY, documents, { budgetTokens: 3 })).rejects.toThrow(
      /smallest chunk has \d+ tokens, and the budget is 3: use a larger budgetTokens/,
    );
    await expect(retriever.retrieve(QUERY, { paths: [files.path("nowhere")] })).rejects.toThrow("does not exist");
  });
});

describe("ask", () => {
  const history: ChatMessage[] = [
    { role: "user", content: "Hello." },
    { role: "assistant", content: "Hello! What would you like to know?" },
  ];

  test("hands sources and messages to a function, the sources first", async () => {
    const events: string[] = [];
    const controller = new AbortController();
    let seen: ChatMessage[] = [];
    const { answer, sources, cites, shown, usage, stopped } = await ask(QUERY, documents, {
      ...{ retriever, chunkTokens: 30, topK: 1, neighbours: 1, history, signal: controller.signal },
      async *generate(messages, { signal }) {
        seen = messages;
        expect(signal?.aborted).toBe(false);
        yield "Three";
        yield " [2].";
      },
      onSources: (found) => events.push(`${found.length} sources`),
      onText: (text) => events.push(text),
    });
    expect(events).toEqual(["3 sources", "Three", " [2]."]);
    expect([answer, stopped, cites]).toEqual(["Three [2].", "end", true]);
    expect(sources).toEqual([shown[1]]);
    expect(seen.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user"]);
    expect(seen.slice(1, 3)).toEqual(history);
    expect(seen[3]!.content).toContain("three hearts");
    expect(usage).not.toHaveProperty("budgetTokens");
    const bounded = await ask(QUERY, documents, {
      ...{ retriever, chunkTokens: 60, contextSize: 300, maxTokens: undefined },
      generate: async function* () {
        yield "";
      },
    }).catch((error: unknown) => error);
    // The answer's 512 tokens alone are more.
    expect(bounded).toMatchObject({ code: "CONTEXT_OVERFLOW" });
  });

  test("abstains where no chunk reaches the threshold: no model is asked, and nothing is cited", async () => {
    const said: string[] = [];
    const given = { retriever, chunkTokens: 60, onText: (text: string) => said.push(text) };
    async function* generate() {
      yield "Three [1].";
    }
    const none = await ask(QUERY, documents, { ...given, generate, threshold: 1 });
    expect(none).toMatchObject({ abstained: true, cites: false, sources: [], shown: [], stopped: "end" });
    expect(none.answer).toBe("Nothing relevant was found.");
    expect(none.usage.answerTokens).toBe(0);
    expect(said).toEqual([none.answer]);
    const some = await ask(QUERY, documents, { ...given, generate, threshold: 0 });
    expect(some).toMatchObject({ abstained: false, cites: true, answer: "Three [1]." });
  });

  test("stops a function that writes, and passes on what it throws", async () => {
    const controller = new AbortController();
    const endless = ask(QUERY, documents, {
      ...{ retriever, chunkTokens: 60, signal: controller.signal },
      async *generate() {
        for (;;) yield "word ";
      },
      onText: () => controller.abort("enough"),
    });
    await expect(endless).rejects.toBe("enough");
    const failing = ask(QUERY, documents, {
      ...{ retriever, chunkTokens: 60 },
      // biome-ignore lint/correctness/useYield: it fails before its first piece.
      async *generate() {
        throw new Error("no network");
      },
    });
    await expect(failing).rejects.toThrow("no network");
    const silent = new AbortController();
    const waiting = ask(QUERY, documents, {
      ...{ retriever, chunkTokens: 60, signal: silent.signal },
      async *generate() {
        setTimeout(() => silent.abort("too long"), 10);
        await new Promise(() => {});
      },
    });
    await expect(waiting).rejects.toBe("too long");
    for (const [wrong, expected] of [
      [() => undefined, "a function that returns an async iterable of strings"],
      [() => "text", "a function that returns an async iterable of strings"],
      [
        async function* () {
          yield 5;
        },
        "a function whose pieces are strings",
      ],
    ] as const) {
      const asked = ask(QUERY, documents, { ...{ retriever, chunkTokens: 60 }, generate: wrong as never });
      await expect(asked).rejects.toMatchObject({ code: "INVALID_ARGUMENT", option: "generate", expected });
    }
    expect(retriever.disposed).toBe(false);
  });

  test("writes with a loaded model or retriever, which stay loaded, after earlier messages", async () => {
    await using writer = await QRRetriever.load({
      model: modelPath("tiny-llama"),
      heads: "1-0",
      gpu: false,
      threads: 1,
    });
    const given = { chunkTokens: 40, topK: 1, maxTokens: 5, contextSize: 700, history, threads: 1 } as const;
    const own = await ask(QUERY, documents.slice(0, 2), { ...given, generate: writer });
    expect(own.usage.answerTokens).toBeGreaterThan(0);
    expect(writer.disposed).toBe(false);
    const open = await openModel(modelPath("tiny-llama"), { gpu: false });
    const loaded = await ask(QUERY, documents.slice(0, 2), { ...given, generate: open.model, retriever });
    expect(loaded.usage.answerTokens).toBeGreaterThan(0);
    expect(open.model.disposed).toBe(false);
    await open.dispose();
  });

  test("answers from an index", async () => {
    await using index = await openIndex(files.path("ask.index"));
    await index.update([folder]);
    const { sources, usage } = await ask(QUERY, index, {
      ...{ retriever, topK: 1 },
      async *generate() {
        yield "Three.";
      },
    });
    expect(sources).toMatchObject([{ file: files.path(`notes/${nameOf(7)}`) }]);
    expect(usage.chunks).toBe(index.size);
    rmSync(files.path("ask.index"));
  });
});
