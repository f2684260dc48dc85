import { describe, expect, it } from "vitest";
import { type PromptModel, type PromptName, selectProfile } from "../../src/prompt/profiles.ts";
import { identity } from "../helpers/identity.ts";

const LLAMA3 = "{{ bos_token }}<|start_header_id|>user<|end_header_id|>\n\n{{ messages[0].content | trim }}<|eot_id|>";
const CHATML = "<|im_start|>user\n{{ messages[0].content }}<|im_end|>\n<|im_start|>assistant\n";

function model(architecture: string, tokenizer: string, chatTemplate: string | null): PromptModel {
  const metadata = { "tokenizer.ggml.pre": tokenizer };
  return { ...identity({ architecture, chatTemplate, metadata }), bosText: "<s>", eosText: "</s>" };
}

describe("selectProfile auto", () => {
  it.each([
    ["llama", "llama-bpe", LLAMA3, "llama3"],
    ["llama", "llama3", LLAMA3, "llama3"],
    ["llama", "llama-v3", LLAMA3, "llama3"],
    ["qwen2", "qwen2", CHATML, "qwen2.5"],
    ["qwen2moe", "qwen2", CHATML, "qwen2.5"],
    // The vocabulary of one family with the template of another, or the other way round.
    ["llama", "llama-bpe", CHATML, "template"],
    ["llama", "default", LLAMA3, "template"],
    ["qwen2", "deepseek-r1-qwen", CHATML, "template"],
    ["qwen3", "qwen2", CHATML, "template"],
    ["llama", "llama-bpe", null, "plain"],
    ["llama", "llama-bpe", "", "plain"],
  ])("%s with tokenizer %s and template %j gives %s", (architecture, tokenizer, template, expected) => {
    expect(selectProfile("auto", model(architecture, tokenizer, template)).name).toBe(expected);
  });
});

describe("selectProfile by name", () => {
  it("gives a published format to any model", () => {
    expect(selectProfile("llama3", model("gemma", "x", null))).toMatchObject({
      name: "llama3",
      prefix: "<|start_header_id|>user<|end_header_id|>",
      suffix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
      separator: " \n\n",
      trimStart: false,
      trimEnd: false,
    });
  });

  it("takes prefix and suffix from the chat template", () => {
    expect(selectProfile("template", model("llama", "llama-bpe", LLAMA3))).toMatchObject({
      name: "template",
      prefix: "<s><|start_header_id|>user<|end_header_id|>\n\n",
      suffix: "<|eot_id|>",
      separator: "\n\n",
      trimStart: true,
      trimEnd: true,
    });
  });

  it("asks for an answer in the model's template, or in none", () => {
    const prefix = "<s><|start_header_id|>user<|end_header_id|>\n\n";
    const own = { name: "question", label: "Question:" };
    expect(selectProfile("question", model("llama", "llama-bpe", LLAMA3))).toMatchObject({ ...own, prefix });
    expect(selectProfile("question", model("llama", "llama-bpe", null))).toMatchObject({ ...own, prefix: "" });
  });

  it("has nothing around plain text", () => {
    const plain = selectProfile("plain", model("llama", "llama-bpe", LLAMA3));
    expect(plain).toMatchObject({ prefix: "", suffix: "", separator: "\n\n", trimStart: false, trimEnd: false });
  });

  it("refuses a template that is not there", () => {
    expect(() => selectProfile("template", model("llama", "llama-bpe", null))).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining("some model") }),
    );
  });

  it("refuses an unknown name", () => {
    expect(() => selectProfile("chatml" as PromptName, model("llama", "x", null))).toThrow(
      'Expected one of auto, llama3, qwen2.5, template, plain, question for prompt but received "chatml" of type string',
    );
  });
});
