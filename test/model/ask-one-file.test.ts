// One file that ranks and answers: its weights are loaded once, and node-llama-cpp opens nothing.
import { copyFileSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { ask, QRRetriever } from "../../src/index.ts";
import { openLlama } from "../../src/model/llama.ts";
import { modelPath } from "../helpers/models.ts";

vi.mock("../../src/model/llama.ts", { spy: true });
vi.setConfig({ testTimeout: 300_000 });
afterEach(() => vi.clearAllMocks());

const folder = mkdtempSync(path.join(tmpdir(), "qrhead-one-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

const QUERY = "Who makes honey?";
const documents = ["Honey is made by bees from nectar.", "The sky is blue.", "Granite is an old and hard rock."];
const tiny = { gpu: false as const, threads: 1 };
const model = modelPath("tiny-llama");
const given = { ...tiny, generate: model, contextSize: 512, maxTokens: 6 };
const loading = { ...tiny, model, heads: "1-0" };

test("writes with the retriever's weights, loaded or to be loaded, and with a corpus", async () => {
  await using retriever = await QRRetriever.load(loading);
  let streamed = "";
  const phases = new Set<string>();
  const loaded = await ask(QUERY, documents, {
    ...{ ...given, retriever },
    onText: (text) => {
      streamed += text;
    },
    onProgress: ({ phase }) => phases.add(phase),
  });
  expect(streamed).toBe(loaded.answer);
  expect(phases).toContain("sources");
  expect(loaded.usage.answerTokens).toBeGreaterThan(0);
  expect((await ask(QUERY, documents, { ...given, retriever: loading })).answer).toBe(loaded.answer);
  await using corpus = await retriever.corpus(documents, { layout: "independent" });
  await ask(QUERY, corpus, { ...given, retriever });
  expect(openLlama).not.toHaveBeenCalled();
  expect(retriever.disposed).toBe(false);
});

test("opens another file, and one without a chat template, beside the retriever", async () => {
  const base = modelPath("tiny-llama-spm");
  const { warnings } = await ask(QUERY, documents, {
    ...given,
    generate: base,
    retriever: { ...loading, model: base },
  });
  expect(openLlama).toHaveBeenCalledTimes(1);
  expect(warnings[0]).toContain("has no chat template and is probably a base model");
  await ask(QUERY, documents, { ...given, retriever: { ...loading, model: base } });
  expect(openLlama).toHaveBeenCalledTimes(2);
});

test("the file that answers is tried in a process of its own where that is asked", async () => {
  const damaged = path.join(folder, "damaged.gguf");
  copyFileSync(model, damaged);
  truncateSync(damaged, 5_000_000);
  const tried = ask(QUERY, documents, { ...given, generate: damaged, retriever: loading, check: "process" });
  await expect(tried).rejects.toMatchObject({ code: "MODEL_LOAD_FAILED" });
  expect(openLlama).not.toHaveBeenCalled();
});
