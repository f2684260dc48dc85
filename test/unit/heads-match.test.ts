import { describe, expect, it } from "vitest";
import { matchHeadSet } from "../../src/heads/match.ts";
import { identity } from "../helpers/identity.ts";

const SHAPES = {
  llama8: { architecture: "llama", layers: 32, heads: 32 },
  llama70: { architecture: "llama", layers: 80, heads: 64 },
  llama3b: { architecture: "llama", layers: 28, heads: 24 },
  llama1b: { architecture: "llama", layers: 16, heads: 32 },
  mini: { architecture: "llama", layers: 4, heads: 8 },
  mini2: { architecture: "llama", layers: 4, heads: 4 },
  mini3: { architecture: "llama", layers: 3, heads: 9 },
  qwen25: { architecture: "qwen2", layers: 28, heads: 28 },
  qwen3: { architecture: "qwen3", layers: 36, heads: 32 },
  qwen32: { architecture: "qwen3", layers: 64, heads: 64 },
  granite: { architecture: "granite", layers: 40, heads: 32 },
  phi: { architecture: "phi3", layers: 40, heads: 40 },
} as const;

function match(shape: keyof typeof SHAPES, name: string, fileName: string, general: Record<string, string> = {}) {
  const metadata = Object.fromEntries(
    Object.entries({ name, ...general }).map(([key, value]) => [`general.${key}`, value]),
  );
  return matchHeadSet(identity({ ...SHAPES[shape], name, fileName, metadata }));
}

const LLAMA31 = "qrhead-llama-3.1-8b-lme";

describe("matchHeadSet", () => {
  it.each([
    ["llama8", "Meta Llama 3.1 8B Instruct", "x.gguf", LLAMA31],
    ["llama8", "a hash", "Llama-3.1-8B-Instruct-Q4_K_M.gguf", LLAMA31],
    ["llama8", "meta-llama-3.1-8b-instruct.Q5_K_S", "meta-llama-3.1-8b-instruct.Q5_K_S.gguf", LLAMA31],
    ["llama8", "Llama3.1-8B-Instruct", "llama3.1-8b-instruct-fp16.gguf", LLAMA31],
    ["llama8", "models--meta-llama--Meta-Llama-3.1-8B-Instruct", "llama31.gguf", LLAMA31],
    ["llama8", "Llama 3.1 8B Instruct", "Llama-3.1-8B-Instruct-UD-Q4_K_XL-00001-of-00002.gguf", LLAMA31],
    ["llama70", "Meta Llama 3.1 70B Instruct", "Meta-Llama-3.1-70B-Instruct-IQ2_XXS.gguf", "qrhead-llama-3.1-70b-lme"],
    ["llama3b", "Llama 3.2 3B Instruct", "Llama-3.2-3B-Instruct-Q4_K_M.gguf", "qrhead-llama-3.2-3b-lme"],
    ["llama1b", "Llama 3.2 1B Instruct", "Llama-3.2-1B-Instruct-Q8_0.gguf", "qrhead-llama-3.2-1b-nq"],
    ["qwen25", "Qwen2.5 7B Instruct", "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", "qrhead-qwen2.5-7b-nq"],
    ["qwen25", "x", "bartowski_Qwen_Qwen2.5-7B-Instruct-IQ4_XS.gguf", "qrhead-qwen2.5-7b-nq"],
    ["qwen3", "Qwen3 4B", "Qwen3-4B-Q8_0.gguf", "dysco-qwen3-4b"],
    ["qwen3", "Qwen3 4B Instruct 2507", "Qwen3-4B-Instruct-2507-F16.gguf", "qrranker-qwen3-4b-2507"],
    ["qwen3", "Qwen3 8B", "Qwen_Qwen3-8B-Q4_K_M.gguf", "qrhead-qwen3-8b-nq"],
    ["qwen3", "Qwen3 Embedding 8B", "Qwen3-Embedding-8B-Q4_K_M.gguf", "qrhead-qwen3-embedding-8b-nq"],
    ["qwen32", "Qwen3 32B", "Qwen3-32B-Q4_K_M.gguf", "dysco-qwen3-32b"],
    ["llama8", "mistralai_mistral-7b-instruct-v0.2", "mistral-7b-instruct-v0.2.Q4_K_M.gguf", "core-mistral-7b-v0.2"],
    ["granite", "Granite 3.2 8b Instruct", "ibm-granite_granite-3.2-8b-instruct-Q4_K_M.gguf", "core-granite-3.2-8b"],
    ["phi", "Phi 4", "microsoft_phi-4-Q4_K_M.gguf", "core-phi-4"],
    ["mini", "qrhead mini", "qrhead-mini-v1-q8_0.gguf", "qrhead-mini-v1"],
    ["mini2", "qrhead mini v2", "qrhead-mini-v2-q8_0.gguf", "qrhead-mini-v2"],
    ["mini3", "qrhead mini v3", "qrhead-mini-v3-q8_0.gguf", "qrhead-mini-v3"],
  ] as const)("knows the %s model %s (%s): %s", (shape, name, fileName, expected) => {
    expect(match(shape, name, fileName)).toEqual({ name: expected, set: expect.anything() });
  });

  it("is not disturbed by the metadata that converters write", () => {
    const llama = { basename: "Meta-Llama-3.1", size_label: "8B", finetune: "Instruct" };
    expect(match("llama8", "Meta Llama 3.1 8B Instruct", "m.gguf", llama)).not.toHaveProperty("warning");
    const qwen = { basename: "Qwen3-4B-Instruct-2507", size_label: "4B", finetune: "Instruct", version: "2507" };
    expect(match("qwen3", "Qwen3-4B-Instruct-2507", "q.gguf", qwen)).not.toHaveProperty("warning");
    const mini = { basename: "qrhead-mini", size_label: "5M" };
    expect(match("mini", "qrhead mini", "m.gguf", mini)).not.toHaveProperty("warning");
    const mini2 = { basename: "qrhead-mini", version: "v2", size_label: "9M" };
    expect(match("mini2", "qrhead mini v2", "m.gguf", mini2)).not.toHaveProperty("warning");
    const mini3 = { basename: "qrhead-mini", version: "v3" };
    expect(match("mini3", "qrhead mini v3", "m.gguf", mini3)).not.toHaveProperty("warning");
    const unnamed = { basename: "Llama-3.1", size_label: "8.0B", finetune: "Instruct" };
    expect(match("llama8", "hf", "m.gguf", unnamed)).toMatchObject({ name: LLAMA31 });
  });

  it.each([
    ["llama8", "Meta Llama 3.1 8B Instruct", "Meta-Llama-3.1-8B-Instruct-abliterated.Q4_K_M.gguf", LLAMA31],
    ["llama8", "Hermes 3 Llama 3.1 8B", "Hermes-3-Llama-3.1-8B.Q4_K_M.gguf", LLAMA31],
    ["llama8", "Llama 3.1 8B", "Llama-3.1-8B-Q4_K_M.gguf", LLAMA31],
    ["qwen25", "Qwen2.5 7B Instruct 1M", "Qwen2.5-7B-Instruct-1M-Q4_K_M.gguf", "qrhead-qwen2.5-7b-nq"],
    ["qwen25", "Qwen2.5 Coder 7B Instruct", "q.gguf", "qrhead-qwen2.5-7b-nq"],
    ["qwen3", "Qwen3 4B Thinking 2507", "q.gguf", "qrranker-qwen3-4b-2507"],
    ["qwen3", "Qwen3 4B Base", "q.gguf", "dysco-qwen3-4b"],
    ["qwen3", "DeepSeek R1 0528 Qwen3 8B", "q.gguf", "qrhead-qwen3-8b-nq"],
    ["phi", "Phi 4 Reasoning", "x.gguf", "core-phi-4"],
  ] as const)("warns that the %s model %s (%s) is a relative: %s", (shape, name, fileName, expected) => {
    const found = match(shape, name, fileName);
    expect(found?.name).toBe(expected);
    expect(found?.warning).toContain(`${name} is not the model that the heads ${expected} were found on`);
  });

  it("recognises a base model that the metadata names", () => {
    const base = { "base_model.0.name": "Llama 3.1 8B", size_label: "8B" };
    const url = { "base_model.0.repo_url": "https://huggingface.co/meta-llama/Llama-3.1-8B" };
    const name = "DeepSeek R1 Distill Llama 8B";
    expect(match("llama8", name, "d.gguf", base)).toMatchObject({ name: LLAMA31, warning: expect.any(String) });
    expect(match("llama8", name, "d.gguf", url)).toMatchObject({ name: LLAMA31, warning: expect.any(String) });
    expect(match("llama8", name, "d.gguf")).toBeNull();
  });

  it.each([
    ["llama8", "Meta Llama 3 8B Instruct", "Meta-Llama-3-8B-Instruct-Q4_K_M.gguf"],
    ["llama8", "Llama-3-8B-Instruct-1048k", "x.gguf"],
    ["llama8", "Mistral 7B Instruct v0.3", "Mistral-7B-Instruct-v0.3.Q4_K_M.gguf"],
    ["llama8", "Mistral 7B Instruct v0.1", "x.gguf"],
    ["llama70", "Llama 3.3 70B Instruct", "Llama-3.3-70B-Instruct-Q4_K_M.gguf"],
    ["qwen25", "Qwen2 7B Instruct", "qwen2-7b-instruct-q4_k_m.gguf"],
    ["qwen3", "Qwen3.5 8B", "x.gguf"],
    ["granite", "Granite 3.3 8b Instruct", "x.gguf"],
    ["llama3b", "Meta Llama 3.1 8B Instruct", "x.gguf"],
    ["llama8", "LLaMA v2", "ggml-model.gguf"],
  ] as const)("does not take the %s model %s (%s) for one it knows", (shape, name, fileName) => {
    expect(match(shape, name, fileName)).toBeNull();
  });

  it("does not take a smaller model that was pruned from one it knows", () => {
    const base = { "base_model.0.name": "Llama 3.1 8B" };
    expect(match("llama8", "Llama 3.1 Minitron 4B Width Base", "x.gguf", base)).toBeNull();
  });

  it("goes by the layers before slimming", () => {
    const slim = { ...SHAPES.llama8, layers: 18, originalLayers: 32, name: "Llama 3.1 8B Instruct" };
    expect(matchHeadSet(identity({ ...slim, fileName: "llama-3.1-8b-instruct-slim-l18.gguf" }))).toEqual({
      name: LLAMA31,
      set: expect.anything(),
    });
    expect(matchHeadSet(identity({ ...slim, originalLayers: 18 }))).toBeNull();
  });
});
