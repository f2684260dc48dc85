// What a test model is made of, before any byte is written.
import type { MetadataValue, TensorType } from "./gguf-writer.ts";

/** Vocabulary files of llama.cpp's `models/` folder. */
export type VocabularyName = "llama-bpe" | "llama-spm" | "qwen2" | "phi-3" | "mpt" | "gpt-2" | "bert-bge";

/** How a tensor's numbers come about. */
export type Fill =
  | { kind: "random"; std: number; mean: number }
  | {
      kind: "made";
      /** Names all that the values depend on: it stands for them when two specs are compared. */
      recipe: string;
      /** Row by row, the contiguous dimension first. */
      values: () => Float32Array;
    };

export type TensorSpec = {
  name: string;
  /** ggml order: the contiguous dimension first. */
  shape: readonly number[];
  type: TensorType;
  fill: Fill;
};

export type ModelSpec = {
  name: string;
  architecture: string;
  seed: number;
  vocabulary: VocabularyName;
  /** Metadata beside the vocabulary's, in file order; the same key replaces the vocabulary's. */
  metadata: Readonly<Record<string, MetadataValue>>;
  tensors: readonly TensorSpec[];
};

/** Sizes of a transformer. */
export type Sizes = {
  layers: number;
  /** Residual stream. */
  width: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  /** Inner width of the feed-forward part, of one expert in a mixture. */
  feedForward: number;
  context: number;
};

/** Tokens of each vocabulary: rows of the embedding. */
export const vocabularySizes: Readonly<Record<VocabularyName, number>> = {
  "llama-bpe": 128256,
  "llama-spm": 32000,
  qwen2: 151936,
  "phi-3": 32064,
  mpt: 50432,
  "gpt-2": 50257,
  "bert-bge": 30522,
};

/** A tensor of about normal numbers. */
export function random(
  name: string,
  shape: readonly number[],
  std: number,
  { mean = 0, type = "F32" }: { mean?: number; type?: TensorType } = {},
): TensorSpec {
  return { name, shape, type, fill: { kind: "random", std, mean } };
}

/** A matrix that keeps the size of its input's entries, times `gain`; `experts` of them where given. */
export function linear(
  name: string,
  input: number,
  output: number,
  { gain = 1, type = "F32", experts }: { gain?: number; type?: TensorType; experts?: number } = {},
): TensorSpec {
  const shape = experts === undefined ? [input, output] : [input, output, experts];
  return random(name, shape, gain / Math.sqrt(input), { type });
}

/** A norm's weight: near one and never exactly one, so that leaving it out is noticed. */
export function norm(name: string, size: number, mean = 1): TensorSpec {
  return random(name, [size], 0.2, { mean });
}
