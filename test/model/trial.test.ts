// A model that is tried in a process of its own: what ends or holds up that process is an error here.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readGgufHeader } from "../../scripts/models/gguf-reader.ts";
import { tryInChild } from "../../src/model/trial.ts";
import { QRRetriever } from "../../src/retriever.ts";
import { modelPath } from "../helpers/models.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
afterAll(() => rmSync(folder, { recursive: true }));

const model = modelPath("tiny-llama-spm");
const load = { gpu: false, threads: 1, heads: "all", check: "process" } as const;

function written(name: string, content: string | Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

/** The model with the matrices of one kind filled with a byte. */
function filled(name: string, byte: number): string {
  const bytes = readFileSync(model);
  const { tensors } = readGgufHeader(model);
  const offsets = [...tensors.values()].map(({ offset }) => offset).concat(bytes.length);
  for (const tensor of tensors.values()) {
    if (!tensor.name.endsWith(name)) continue;
    bytes.fill(byte, tensor.offset, Math.min(...offsets.filter((offset) => offset > tensor.offset)));
  }
  return written("filled.gguf", bytes);
}

describe("check: process", () => {
  it("lets a sound model pass", async () => {
    await using retriever = await QRRetriever.load({ ...load, model });
    expect((await retriever.rank("a river", ["The Nile", "bread"])).results).toHaveLength(2);
  });

  it.each([
    ["attn_k.weight", 0, /attn_k\.weight is all zeros/],
    ["ffn_up.weight", 0xff, /MODEL|ffn_up\.weight/],
  ])("refuses %s full of bytes %i, which loads without it", async (name, byte, message) => {
    const file = filled(name, byte);
    await (await QRRetriever.load({ ...load, check: "none", model: file })).dispose();
    const error = await QRRetriever.load({ ...load, model: file }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "MODEL_LOAD_FAILED", message: expect.stringMatching(message) });
  });

  it("passes on what loading says", async () => {
    await expect(QRRetriever.load({ ...load, model: modelPath("tiny-bert") })).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
    });
  });

  it.each([
    [
      "asserts",
      `console.error("/home/x/llama.cpp/ggml/src/ggml.c:3: GGML_ASSERT(a) failed"); process.abort();`,
      /SIGABRT|code 134/,
    ],
    [
      "asserts, with its last line",
      `console.error("/x/y/ggml/src/ggml.c:3: GGML_ASSERT(a) failed\\n"); process.abort();`,
      /: \S*ggml\.c:3: GGML_ASSERT\(a\) failed$/,
    ],
    ["is ended", `process.kill(process.pid, "SIGKILL");`, /ended \((SIGKILL|code 1)\)/],
    ["ends without a word", "process.exit(0);", /ended \(code 0\)/],
    ["never ends", "setInterval(() => {}, 1000);", /no result after 1 s and was ended/],
    ["never listens", "for (;;);", /no result after 1 s and was ended/],
  ])("says what happened to a process that %s", async (_, program, message) => {
    const file = written("program.mjs", program);
    const checkTimeout = message.source.startsWith("no result") ? 1000 : undefined;
    await expect(tryInChild(model, { checkTimeout }, file)).rejects.toMatchObject({
      code: "MODEL_LOAD_FAILED",
      message: expect.stringMatching(message),
    });
  });

  it("stops when the signal does", async () => {
    const file = written("program.mjs", "setInterval(() => {}, 1000);");
    const controller = new AbortController();
    const trial = tryInChild(model, { signal: controller.signal }, file);
    controller.abort(new Error("enough"));
    await expect(trial).rejects.toThrow("enough");
  });
});
