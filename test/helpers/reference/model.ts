// Weights of a llama or qwen2 model in double precision.
import { openTensors, type TensorFile } from "./tensors.ts";

/** A matrix of `rows` × `columns`, row by row; a vector has one column. */
export type Matrix = { values: Float64Array; columns: number };

/** One transformer block. */
export type Layer = {
  attentionNorm: Float64Array;
  query: Matrix;
  key: Matrix;
  value: Matrix;
  queryBias: Float64Array | null;
  keyBias: Float64Array | null;
  valueBias: Float64Array | null;
  output: Matrix;
  feedForwardNorm: Float64Array;
  gate: Matrix;
  up: Matrix;
  down: Matrix;
};

/** A llama or qwen2 model. */
export type ReferenceModel = {
  architecture: "llama" | "qwen2";
  layers: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  width: number;
  epsilon: number;
  frequencyBase: number;
  /** What each rotated pair's frequency is divided by. */
  frequencyFactors: Float64Array;
  weights: readonly Layer[];
  outputNorm: Float64Array;
  /** One row a token of the vocabulary: the embeddings where the file has no other. */
  output: () => Matrix;
  /** Embedding of one token, `width` entries. */
  embed: (token: number) => Float64Array;
};

function readLayer(file: TensorFile, layer: number): Layer {
  const full = (name: string) => `blk.${layer}.${name}`;
  const vector = (name: string) => file.rows(full(name));
  const matrix = (name: string): Matrix => ({ values: file.rows(full(name)), columns: file.shape(full(name))[0]! });
  const optional = (name: string) => (file.has(full(name)) ? vector(name) : null);
  return {
    attentionNorm: vector("attn_norm.weight"),
    query: matrix("attn_q.weight"),
    key: matrix("attn_k.weight"),
    value: matrix("attn_v.weight"),
    queryBias: optional("attn_q.bias"),
    keyBias: optional("attn_k.bias"),
    valueBias: optional("attn_v.bias"),
    output: matrix("attn_output.weight"),
    feedForwardNorm: vector("ffn_norm.weight"),
    gate: matrix("ffn_gate.weight"),
    up: matrix("ffn_up.weight"),
    down: matrix("ffn_down.weight"),
  };
}

/**
 * Reads a model's weights.
 * @throws when the file is missing, or its architecture is neither llama nor qwen2
 */
export function loadReference(path: string): ReferenceModel {
  const file = openTensors(path);
  const architecture = file.metadata("general.architecture");
  if (architecture !== "llama" && architecture !== "qwen2") {
    throw new Error(`Expected llama or qwen2 for architecture but received ${String(architecture)}`);
  }
  const number = (key: string) => Number(file.metadata(`${architecture}.${key}`));
  const heads = number("attention.head_count");
  const width = number("embedding_length");
  const headSize = number("attention.key_length");
  const layers = number("block_count");
  return {
    architecture,
    layers,
    heads,
    kvHeads: number("attention.head_count_kv"),
    headSize,
    width,
    epsilon: number("attention.layer_norm_rms_epsilon"),
    frequencyBase: number("rope.freq_base"),
    frequencyFactors: file.has("rope_freqs.weight")
      ? file.rows("rope_freqs.weight")
      : new Float64Array(headSize / 2).fill(1),
    weights: Array.from({ length: layers }, (_, layer) => readLayer(file, layer)),
    outputNorm: file.rows("output_norm.weight"),
    output: () => ({
      values: file.rows(file.has("output.weight") ? "output.weight" : "token_embd.weight"),
      columns: width,
    }),
    embed: (token) => file.rows("token_embd.weight", token, token + 1),
  };
}
