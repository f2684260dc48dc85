// The main jobs on a model that somebody released. `npm run models:real` fetches it; without it these are skipped.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Token } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, chunkDocuments, QRRetriever } from "../../src/index.ts";
import { openLlama } from "../../src/model/llama.ts";
import { loadModel } from "../../src/model/model.ts";
import { slimModel } from "../../src/model/slim.ts";
import { layOutChat } from "../../src/prompt/chat-messages.ts";
import { FIXED_DATE } from "../../src/prompt/template-values.ts";
import { hasReal, REAL_MODELS } from "../helpers/real-models.ts";
import { questions, sections } from "./handbook.ts";

const load = { model: REAL_MODELS.smollm2, gpu: false, threads: 1 } as const;
const page = sections.join("\n\n");

describe.skipIf(!hasReal("smollm2"))("SmolLM2-135M-Instruct", { timeout: 300_000 }, () => {
  let retriever: QRRetriever;
  let folder: string;
  beforeAll(async () => {
    retriever = await QRRetriever.load(load);
    folder = mkdtempSync(path.join(tmpdir(), "qrhead-real-"));
  });
  afterAll(async () => {
    await retriever?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  test("ranks with published heads, without being told which", () => {
    expect(retriever.headSet).toBe("qrhead-smollm2-135m");
    expect(retriever.prompt).toBe("template");
  });

  test.each(questions.map((question, index) => ({ question, index })))(
    "ranks first what answers: $question",
    async ({ question, index }) => {
      const { results, warnings } = await retriever.rank(question, sections);
      expect(results[0]!.index).toBe(index);
      expect(warnings).toEqual([]);
    },
  );

  test("finds the same in windows and with independent documents", async () => {
    for (const [index, question] of questions.slice(0, 2).entries()) {
      const windows = { windowTokens: 300 } as const;
      expect((await retriever.rank(question, sections, { windows })).results[0]!.index).toBe(index);
      expect((await retriever.rank(question, sections, { layout: "independent" })).results[0]!.index).toBe(index);
    }
  });

  test("gives the same scores from a slim file and from a saved corpus, to the last bit", async () => {
    const expected = (await retriever.rank(questions[3]!, sections)).results;
    const slim = path.join(folder, "slim.gguf");
    await slimModel({ ...load, output: slim, load: QRRetriever.load });
    await using small = await QRRetriever.load({ ...load, model: slim });
    expect((await small.rank(questions[3]!, sections)).results).toEqual(expected);
    const file = path.join(folder, "handbook.corpus");
    const corpus = await retriever.corpus(sections);
    await corpus.save(file);
    await corpus.dispose();
    const loaded = await retriever.loadCorpus(file);
    // What was passed is not in the file: a document of a loaded corpus is what the file has.
    const passed = expected.map(({ document, id, ...scores }) => ({ ...scores, id, document: { id, text: document } }));
    expect((await loaded.rank(questions[3]!)).results).toEqual(passed);
    await loaded.dispose();
  });

  test("prunes a page to whole sentences that answer", async () => {
    const { text } = await retriever.prune("How much is the fine for returning a book late?", page, { topK: 1 });
    expect(text).toContain("The fine for a late book is twenty cents a day.");
    expect(text.length).toBeLessThan(120);
  });

  test("writes what node-llama-cpp writes, token for token", async () => {
    const { library, native } = await loadModel(load);
    const never = new library.addon.Cancellation();
    const writer = await native.createWriter({
      ...{ contextSize: 1024, batchSize: 512, threads: 1, cacheTypeK: "f16", cacheTypeV: "f16" },
      ...{ flashAttention: true, offloadKqv: false },
    });
    const model = await (await openLlama(load)).loadModel({ modelPath: load.model, gpuLayers: 0 });
    const context = await model.createContext({ contextSize: 1024, threads: 1 });
    const sequence = context.getSequence();
    const template = native.info().chatTemplate!;
    for (const [index, question] of questions.slice(0, 5).entries()) {
      const content = `${sections.slice(index, 2 * index).join("\n\n")}\n\n${question}`;
      const pieces = layOutChat(template, [{ role: "user", content }], native.info(), FIXED_DATE);
      const { tokens } = await native.tokenize(pieces);
      const expected: number[] = [];
      await sequence.clearHistory();
      for await (const token of sequence.evaluate(Array.from(tokens) as Token[], { temperature: 0 })) {
        if (expected.length === 40 || model.isEogToken(token)) break;
        expected.push(token);
      }
      const greedy = { temperature: 0, topK: 40, topP: 0.95, seed: 0, repeatPenalty: 1, afresh: true };
      await writer.read(tokens, greedy, never);
      const written: number[] = [];
      while (written.length < 40) {
        const { token, end } = await writer.next(never);
        if (end) break;
        written.push(token);
      }
      expect(written).toEqual(expected);
    }
    await context.dispose();
    await model.dispose();
    await writer.dispose();
    await native.dispose();
  });

  test("answers from the right section, and names it", async () => {
    const documents = sections.map((text, index) => ({ id: `section-${index}`, text }));
    const corpus = await retriever.corpus(await chunkDocuments(retriever, documents));
    const { answer, sources } = await ask("How many books can I borrow at once?", corpus, {
      ...{ generate: load.model, threads: 1, gpu: false, maxTokens: 60 },
    });
    expect(answer).toMatch(/twelve|12/);
    expect(sources[0]!.documentId).toBe("section-1");
    // With the weights that rank: the model's own template, where node-llama-cpp's format has a token more.
    const given = { generate: load.model, retriever, maxTokens: 60 };
    const own = await ask("How many books can I borrow at once?", corpus, given);
    expect(own.answer).toMatch(/\w/);
    expect(own.stopped).toBe("end");
    expect(own.shown.map(({ documentId }) => documentId)).toContain("section-1");
    expect(retriever.disposed).toBe(false);
    await corpus.dispose();
  });
});
