import { InputError, invalidArgument } from "../errors.ts";
import { PROMPT_NAMES } from "../options/choices.ts";
import type { ModelIdentity } from "../types.ts";
import { readChatTemplate } from "./chat-template.ts";

/** Which wrapping a prompt is to have; `auto` decides by the model's metadata. */
export type PromptName = "auto" | "llama3" | "qwen2.5" | "template" | "plain" | "question";

/** What stands around and between the published text. */
export type PromptProfile = {
  name: Exclude<PromptName, "auto">;
  /** Before the text. Special tokens in it are recognised. */
  prefix: string;
  /** After the text. Special tokens in it are recognised, and it counts as part of the query. */
  suffix: string;
  /** Between the introduction, the documents, the instruction and the query. */
  separator: string;
  /** What to do with the documents, and the word before the query. */
  instruction: string;
  label: string;
  /** The chat template drops whitespace at the beginning of a message. */
  trimStart: boolean;
  /** The chat template drops whitespace at the end of a message. */
  trimEnd: boolean;
};

/** The published instruction, to the byte. (QRRetriever, EMNLP 2025; after ICR, arXiv 2410.02642.) */
const FIND = {
  instruction: "Please find information that are relevant to the following query in the paragraphs above.",
  label: "Query:",
};

/** In the manner of ICR's instruction for questions of several hops, in words of our own. */
const ANSWER = { instruction: "Use the paragraphs above to answer this question.", label: "Question:" };

/**
 * The prompts of the paper's own code, to the byte. They are not the models' chat templates: no system turn, and no line
 * break after the role. The published head sets were found with them. (QRRetriever, EMNLP 2025.)
 */
const PUBLISHED: Readonly<Record<"llama3" | "qwen2.5", PromptProfile>> = {
  llama3: {
    name: "llama3",
    prefix: "<|start_header_id|>user<|end_header_id|>",
    suffix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
    separator: " \n\n",
    ...FIND,
    trimStart: false,
    trimEnd: false,
  },
  "qwen2.5": {
    name: "qwen2.5",
    prefix: "<|im_start|>user",
    suffix: "<|im_end|>\n<|im_start|>assistant",
    separator: "\n\n",
    ...FIND,
    trimStart: false,
    trimEnd: false,
  },
};

const PLAIN: PromptProfile = {
  name: "plain",
  prefix: "",
  suffix: "",
  separator: "\n\n",
  ...FIND,
  trimStart: false,
  trimEnd: false,
};

/** Names that GGUF converters have given the tokenizer of Llama 3. */
const LLAMA3_TOKENIZERS = new Set(["llama-bpe", "llama3", "llama-v3"]);

/** The model's identity with the texts of its begin and end tokens, which chat templates print. */
export type PromptModel = ModelIdentity & { bosText: string; eosText: string };

/**
 * Chooses what stands around the published text.
 *
 * `auto` takes the published format where tokenizer and chat template are of that family, else the model's own chat
 * template, else nothing. A format that is asked for by name is given to any model. `question` asks for an answer, in the
 * model's chat template where it has one.
 *
 * @throws InputError `INVALID_ARGUMENT` for an unknown name, or for `template` where the model has none.
 * @throws QRHeadError `CHAT_TEMPLATE` when the model's template is needed and cannot be used.
 */
export function selectProfile(name: PromptName, model: PromptModel): PromptProfile {
  switch (name) {
    case "llama3":
    case "qwen2.5":
      return PUBLISHED[name];
    case "plain":
      return PLAIN;
    case "template":
      return fromTemplate(model);
    case "question":
      return { ...(model.chatTemplate ? fromTemplate(model) : PLAIN), name, ...ANSWER };
    case "auto": {
      const family = publishedFamily(model);
      if (family !== null) return PUBLISHED[family];
      return model.chatTemplate ? fromTemplate(model) : PLAIN;
    }
    default:
      throw invalidArgument("prompt", `one of ${PROMPT_NAMES.join(", ")}`, name);
  }
}

function publishedFamily(model: ModelIdentity): "llama3" | "qwen2.5" | null {
  const tokenizer = model.metadata["tokenizer.ggml.pre"] ?? "";
  const template = model.chatTemplate ?? "";
  if (
    model.architecture === "llama" &&
    LLAMA3_TOKENIZERS.has(tokenizer) &&
    template.includes("<|start_header_id|>") &&
    template.includes("<|eot_id|>")
  ) {
    return "llama3";
  }
  if (
    (model.architecture === "qwen2" || model.architecture === "qwen2moe") &&
    tokenizer === "qwen2" &&
    template.includes("<|im_start|>")
  ) {
    return "qwen2.5";
  }
  return null;
}

function fromTemplate(model: PromptModel): PromptProfile {
  if (!model.chatTemplate) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The model ${model.name} has no chat template for the prompt "template": use auto, plain, llama3 or qwen2.5`,
    );
  }
  return { name: "template", separator: PLAIN.separator, ...FIND, ...readChatTemplate(model.chatTemplate, model) };
}
