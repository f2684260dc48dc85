// The test models by name. Every tiny one has 2 to 4 layers and a head size that quantised caches can hold (32 or more).
import { copyingModel } from "./copying.ts";
import { decoderTensors, type Metadata, type Parts, rotaryFactors, rotaryMetadata } from "./decoder.ts";
import { f32, type TensorType, text, u32 } from "./gguf-writer.ts";
import { bert, gemma4, mamba, mpt } from "./other-architectures.ts";
import { plantedModel } from "./planted.ts";
import {
  linear,
  type ModelSpec,
  random,
  type Sizes,
  type TensorSpec,
  type VocabularyName,
  vocabularySizes,
} from "./spec.ts";
import * as templates from "./templates.ts";

const tiny: Sizes = { layers: 4, width: 128, heads: 4, kvHeads: 2, headSize: 32, feedForward: 192, context: 8192 };
/** Seed of the planted model in the table. */
const PLANTED_SEED = 7;
/** Seed of the copying model in the table. */
const COPYING_SEED = 3;

type Decoder = {
  architecture: string;
  vocabulary: VocabularyName;
  sizes?: Partial<Sizes>;
  parts?: Parts;
  frequencyBase?: number;
  template?: string;
  metadata?: Metadata;
  embedding?: TensorType;
  /** Of the embedding's entries. */
  std?: number;
  more?: TensorSpec[];
};

const titled = (name: string): Metadata => ({ "general.type": text("model"), "general.name": text(`Random ${name}`) });

function decoder(name: string, seed: number, given: Decoder): ModelSpec {
  const { architecture, vocabulary, parts = {}, frequencyBase = 10000, template, more = [] } = given;
  const sizes = { ...tiny, ...given.sizes };
  const tensors = decoderTensors(vocabularySizes[vocabulary], sizes, parts, {
    embedding: given.embedding ?? "Q8_0",
    std: given.std ?? 1,
  });
  return {
    name,
    architecture,
    seed,
    vocabulary,
    metadata: {
      ...titled(name),
      ...rotaryMetadata(architecture, sizes, frequencyBase),
      ...given.metadata,
      ...(template === undefined ? {} : { "tokenizer.chat_template": text(template) }),
    },
    tensors: [...tensors, ...more],
  };
}

function other(
  name: string,
  seed: number,
  vocabulary: VocabularyName,
  made: { metadata: Metadata; tensors: TensorSpec[] },
): ModelSpec {
  const architecture = name.replace("tiny-", "");
  return {
    name,
    architecture,
    seed,
    vocabulary,
    metadata: { ...titled(name), ...made.metadata },
    tensors: made.tensors,
  };
}

// Gemma multiplies embeddings by the root of the width.
const gemmaStd = 1 / Math.sqrt(tiny.width);

/** An encoder with a head of one output in place of a vector of the text, as llama.cpp numbers it. */
function crossEncoder(
  name: string,
  seed: number,
  { metadata, tensors }: { metadata: Metadata; tensors: TensorSpec[] },
  width: number,
): ModelSpec {
  return {
    ...{ name, architecture: "bert", seed, vocabulary: "bert-bge" },
    metadata: { ...titled(name), ...metadata, "bert.pooling_type": u32(4) },
    tensors: [
      ...tensors,
      linear("cls.weight", width, width),
      random("cls.bias", [width], 0.1),
      linear("cls.output.weight", width, 1),
      random("cls.output.bias", [1], 0.1),
    ],
  };
}

const makers: Readonly<Record<string, (name: string) => ModelSpec>> = {
  "tiny-llama": (name) =>
    decoder(name, 1, {
      architecture: "llama",
      vocabulary: "llama-bpe",
      sizes: { width: 64, feedForward: 128 },
      frequencyBase: 500000,
      template: templates.llama3,
      more: [rotaryFactors(tiny.headSize)],
    }),
  "tiny-llama-spm": (name) =>
    decoder(name, 2, { architecture: "llama", vocabulary: "llama-spm", sizes: { layers: 3, kvHeads: 4 } }),
  "tiny-llama-pooled": (name) =>
    decoder(name, 3, {
      architecture: "llama",
      vocabulary: "llama-spm",
      sizes: { layers: 2 },
      // The last token's vector stands for the text, in llama.cpp's numbering.
      metadata: { "llama.pooling_type": u32(3) },
    }),
  "tiny-qwen2": (name) =>
    decoder(name, 4, {
      architecture: "qwen2",
      vocabulary: "qwen2",
      sizes: { layers: 3, kvHeads: 1 },
      parts: { bias: true },
      frequencyBase: 1000000,
      template: templates.chatmlWithSystem,
      embedding: "Q4_0",
    }),
  "tiny-qwen3": (name) =>
    decoder(name, 5, {
      architecture: "qwen3",
      vocabulary: "qwen2",
      sizes: { layers: 3, width: 64, headSize: 64 },
      parts: { queryKeyNorm: true },
      frequencyBase: 1000000,
      template: templates.chatmlThinking,
    }),
  "tiny-qwen3moe": (name) =>
    decoder(name, 6, {
      architecture: "qwen3moe",
      vocabulary: "qwen2",
      sizes: { layers: 2, width: 64, feedForward: 64 },
      parts: { queryKeyNorm: true, experts: 4 },
      template: templates.chatmlThinking,
      metadata: {
        "qwen3moe.expert_count": u32(4),
        "qwen3moe.expert_used_count": u32(2),
        "qwen3moe.expert_feed_forward_length": u32(64),
      },
    }),
  "tiny-gemma2": (name) =>
    decoder(name, 7, {
      architecture: "gemma2",
      vocabulary: "llama-spm",
      parts: { postNorms: true },
      std: gemmaStd,
      template: templates.gemma,
      metadata: {
        // Low enough to bend these logits: Gemma's own 50 would change nothing here.
        "gemma2.attn_logit_softcapping": f32(5),
        "gemma2.final_logit_softcapping": f32(30),
        "gemma2.attention.sliding_window": u32(32),
      },
    }),
  "tiny-gemma3": (name) =>
    decoder(name, 8, {
      architecture: "gemma3",
      vocabulary: "llama-spm",
      parts: { postNorms: true, queryKeyNorm: true },
      std: gemmaStd,
      frequencyBase: 1000000,
      template: templates.gemma,
      metadata: {
        "gemma3.attention.sliding_window": u32(32),
        "gemma3.attention.sliding_window_pattern": u32(2),
        "gemma3.rope.freq_base_swa": f32(10000),
      },
    }),
  "tiny-phi3": (name) =>
    decoder(name, 9, {
      architecture: "phi3",
      vocabulary: "phi-3",
      sizes: { layers: 3, kvHeads: 4 },
      parts: { fusedQkv: true, fusedGate: true },
      // Older headers have it, and the loader asks for it.
      metadata: { "phi3.rope.scaling.original_context_length": u32(tiny.context) },
    }),
  "tiny-gptoss": (name) =>
    decoder(name, 10, {
      architecture: "gpt-oss",
      vocabulary: "gpt-2",
      sizes: { width: 64, headSize: 64, feedForward: 64 },
      parts: { bias: true, experts: 4, sinks: true },
      frequencyBase: 150000,
      template: templates.harmony,
      metadata: {
        "gpt-oss.expert_count": u32(4),
        "gpt-oss.expert_used_count": u32(2),
        "gpt-oss.expert_feed_forward_length": u32(64),
        "gpt-oss.attention.sliding_window": u32(32),
      },
      more: [
        {
          name: "output.weight",
          shape: [64, vocabularySizes["gpt-2"]],
          type: "Q8_0",
          fill: { kind: "random", std: 0.1, mean: 0 },
        },
      ],
    }),
  "tiny-mpt": (name) => other(name, 11, "mpt", mpt(vocabularySizes.mpt, { ...tiny, layers: 3, kvHeads: 4 })),
  // Seven layers, of which the last three look at the keys of the third and the fourth.
  "tiny-gemma4": (name) =>
    other(name, 15, "llama-spm", gemma4(vocabularySizes["llama-spm"], { ...tiny, layers: 7, headSize: 64 })),
  "tiny-bert": (name) =>
    other(name, 12, "bert-bge", bert(vocabularySizes["bert-bge"], { ...tiny, layers: 2, kvHeads: 4, context: 512 })),
  "tiny-bert-ranker": (name) =>
    crossEncoder(
      name,
      15,
      bert(vocabularySizes["bert-bge"], { ...tiny, layers: 2, kvHeads: 4, context: 512 }),
      tiny.width,
    ),
  "tiny-mamba": (name) =>
    other(name, 13, "gpt-2", mamba(vocabularySizes["gpt-2"], { layers: 2, width: 64, context: 8192 })),
  planted: () => plantedModel({ seed: PLANTED_SEED }).spec,
  copying: () => copyingModel({ seed: COPYING_SEED }).spec,
  // The shape of Qwen2.5-0.5B, to measure speed with.
  "bench-0.5b": (name) =>
    decoder(name, 14, {
      architecture: "qwen2",
      vocabulary: "qwen2",
      sizes: { layers: 24, width: 896, heads: 14, kvHeads: 2, headSize: 64, feedForward: 4864, context: 32768 },
      parts: { bias: true, type: "Q8_0" },
      frequencyBase: 1000000,
      template: templates.chatmlWithSystem,
    }),
  // The shape of ms-marco-MiniLM-L6, the cross-encoder that most people begin with.
  "bench-cross-encoder": (name) => {
    const sizes = { layers: 6, width: 384, heads: 12, kvHeads: 12, headSize: 32, feedForward: 1536, context: 512 };
    return crossEncoder(name, 16, bert(vocabularySizes["bert-bge"], sizes, "Q8_0"), sizes.width);
  },
};

/** Names of all models. */
export const modelNames: readonly string[] = Object.keys(makers);
/** Names of the models that tests use. */
export const tinyNames: readonly string[] = modelNames.filter((name) => !name.startsWith("bench-"));
/** Names of the models that speed is measured with. */
export const benchNames: readonly string[] = modelNames.filter((name) => name.startsWith("bench-"));

/**
 * What a model is made of.
 * @throws when there is no model of that name
 */
export function modelSpec(name: string): ModelSpec {
  const maker = makers[name];
  if (!maker) throw new Error(`Expected one of ${modelNames.join(", ")} for model but received ${name}`);
  return maker(name);
}

/** The planted heads of the model "planted", as `[layer, head]`, sorted. */
export const plantedHeads: readonly (readonly [layer: number, head: number])[] = plantedModel({
  seed: PLANTED_SEED,
}).planted;

/** The head of the model "copying" that copies, as `[layer, head]`. */
export const copyingHead: readonly [layer: number, head: number] = copyingModel({ seed: COPYING_SEED }).copying;
