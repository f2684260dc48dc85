// Models that cannot rank, files that are no models, and models that are not there.
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { llamaSource } from "../../scripts/llama-source.mjs";
import { QRHeadError, QRRetriever } from "../../src/index.ts";
import { modelPath } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const query = "Which metal melts in the hand?";
const documents = ["Gallium melts at thirty degrees.", "Iron is forged red hot.", "Tungsten lasts longest."];

let retriever: QRRetriever;
const directory = mkdtempSync(path.join(tmpdir(), "qrhead-wrong-models-"));
beforeAll(async () => {
  retriever = await loadTiny("tiny-llama-spm");
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await retriever.dispose();
});

describe("a model", () => {
  test.each([
    ["tiny-bert", /^tiny-bert\.gguf \(bert\) is an encoder, .*: use a decoder with attention, such as any chat model$/],
    ["tiny-mamba", /^tiny-mamba\.gguf \(mamba\) is recurrent and has no attention to read: use a decoder/],
  ])("that cannot rank is refused: %s", async (name, message) => {
    const loading = loadTiny(name);
    await expect(loading).rejects.toMatchObject({ name: "QRHeadError", code: "MODEL_UNSUPPORTED" });
    await expect(loading).rejects.toThrow(message);
  });

  test("that makes one vector of a text ranks all the same", async () => {
    await using pooled = await loadTiny("tiny-llama-pooled");
    const { results, usage } = await pooled.rank(query, documents);
    expect(results).toHaveLength(documents.length);
    expect(usage.promptTokens).toBe((await retriever.rank(query, documents)).usage.promptTokens);
  });

  test("that is a vocabulary alone is refused", async () => {
    const model = path.join(llamaSource(), "models", "ggml-vocab-llama-spm.gguf");
    const loading = QRRetriever.load({ model, heads: "all", gpu: false });
    await expect(loading).rejects.toMatchObject({ name: "QRHeadError", code: "MODEL_LOAD_FAILED" });
  });

  test("that was cut short is refused", async () => {
    const model = path.join(directory, "short.gguf");
    writeFileSync(model, readFileSync(modelPath("tiny-llama-spm")));
    truncateSync(model, 3_000_000);
    const loading = QRRetriever.load({ model, heads: "all", gpu: false });
    await expect(loading).rejects.toMatchObject({ name: "QRHeadError", code: "MODEL_LOAD_FAILED" });
    await expect(loading).rejects.toThrow(/short\.gguf/);
  });

  test.each([
    ["none.gguf", /none\.gguf does not exist: pass the path of a GGUF file, or a name of `qrhead models list`$/],
    [".", /is a folder: pass the path of a GGUF file$/],
    ["text.gguf", /text\.gguf is not a GGUF file/],
    ["empty.gguf", /empty\.gguf is not a GGUF file/],
  ])("that is not there, or none: %s", async (name, message) => {
    writeFileSync(path.join(directory, "text.gguf"), "GGML and other text");
    writeFileSync(path.join(directory, "empty.gguf"), "");
    const loading = QRRetriever.load({ model: path.join(directory, name), heads: "all", gpu: false });
    await expect(loading).rejects.toMatchObject({ name: "InputError", code: "INVALID_INPUT" });
    await expect(loading).rejects.toThrow(message);
  });

  test("that fails to load leaves the others usable", async () => {
    await expect(loadTiny("tiny-bert")).rejects.toBeInstanceOf(QRHeadError);
    expect((await retriever.rank(query, documents)).results).toHaveLength(documents.length);
  });
});
