// Metadata and tensors of decoders with RMS norms and rotary positions. Gains are chosen so that attention logits have a standard deviation of
// about 2: rows are then neither uniform nor one-hot, and a mistake in any of their inputs shows.
import { f32, type MetadataValue, type TensorType, u32 } from "./gguf-writer.ts";
import { linear, norm, random, type Sizes, type TensorSpec } from "./spec.ts";

/** Makes the logit of two random unit-variance inputs have a standard deviation of 2: √2 each for q and k. */
export const LOGIT_GAIN = Math.SQRT2;
export const EPSILON = 1e-5;

export type Metadata = Record<string, MetadataValue>;

/** What a transformer block has beyond the plain one. */
export type Parts = {
  /** Biases of q, k and v. */
  bias?: boolean;
  /** One norm per head on q and k. */
  queryKeyNorm?: boolean;
  /** q, k and v in one matrix. */
  fusedQkv?: boolean;
  /** Norms behind attention and feed-forward, before they are added (Gemma). */
  postNorms?: boolean;
  /** Gate and up in one matrix (Phi-3). */
  fusedGate?: boolean;
  /** Experts in place of one feed-forward part. */
  experts?: number;
  /** Logits of attention sinks and biases everywhere (gpt-oss). */
  sinks?: boolean;
  /** Numbers of the block's matrices. */
  type?: TensorType;
};

/** The metadata that every transformer has. */
export function transformerMetadata(architecture: string, sizes: Sizes): Metadata {
  return {
    [`${architecture}.block_count`]: u32(sizes.layers),
    [`${architecture}.context_length`]: u32(sizes.context),
    [`${architecture}.embedding_length`]: u32(sizes.width),
    [`${architecture}.feed_forward_length`]: u32(sizes.feedForward),
    [`${architecture}.attention.head_count`]: u32(sizes.heads),
    [`${architecture}.attention.head_count_kv`]: u32(sizes.kvHeads),
    [`${architecture}.attention.key_length`]: u32(sizes.headSize),
    [`${architecture}.attention.value_length`]: u32(sizes.headSize),
  };
}

/** Metadata of architectures with RMS norm and rotary positions. */
export function rotaryMetadata(architecture: string, sizes: Sizes, frequencyBase: number): Metadata {
  return {
    ...transformerMetadata(architecture, sizes),
    [`${architecture}.rope.dimension_count`]: u32(sizes.headSize),
    [`${architecture}.rope.freq_base`]: f32(frequencyBase),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: f32(EPSILON),
  };
}

function attention(block: string, sizes: Sizes, parts: Parts): TensorSpec[] {
  const { width, headSize } = sizes;
  const type = parts.type ?? "F32";
  const queries = sizes.heads * headSize;
  const keys = sizes.kvHeads * headSize;
  // Norms on q and k undo the matrices' gain, so they carry it themselves.
  const gain = parts.queryKeyNorm ? 1 : LOGIT_GAIN;
  const tensors: TensorSpec[] = [];
  if (parts.fusedQkv) tensors.push(linear(`${block}.attn_qkv.weight`, width, queries + 2 * keys, { gain, type }));
  else {
    tensors.push(
      linear(`${block}.attn_q.weight`, width, queries, { gain, type }),
      linear(`${block}.attn_k.weight`, width, keys, { gain, type }),
      linear(`${block}.attn_v.weight`, width, keys, { type }),
    );
  }
  if (parts.bias) {
    tensors.push(
      random(`${block}.attn_q.bias`, [queries], 0.5),
      random(`${block}.attn_k.bias`, [keys], 0.5),
      random(`${block}.attn_v.bias`, [keys], 0.5),
    );
  }
  if (parts.queryKeyNorm) {
    tensors.push(
      norm(`${block}.attn_q_norm.weight`, headSize, LOGIT_GAIN),
      norm(`${block}.attn_k_norm.weight`, headSize, LOGIT_GAIN),
    );
  }
  tensors.push(linear(`${block}.attn_output.weight`, queries, width, { type }));
  if (parts.sinks)
    tensors.push(
      random(`${block}.attn_output.bias`, [width], 0.1),
      random(`${block}.attn_sinks.weight`, [sizes.heads], 1),
    );
  return tensors;
}

function feedForward(block: string, { width, feedForward: inner }: Sizes, parts: Parts): TensorSpec[] {
  const type = parts.type ?? "F32";
  if (parts.experts === undefined) {
    const up = linear(`${block}.ffn_up.weight`, width, parts.fusedGate ? 2 * inner : inner, { type });
    const gate = parts.fusedGate ? [] : [linear(`${block}.ffn_gate.weight`, width, inner, { type })];
    return [...gate, up, linear(`${block}.ffn_down.weight`, inner, width, { type })];
  }
  const { experts } = parts;
  const tensors = [
    linear(`${block}.ffn_gate_inp.weight`, width, experts),
    linear(`${block}.ffn_gate_exps.weight`, width, inner, { experts, type }),
    linear(`${block}.ffn_up_exps.weight`, width, inner, { experts, type }),
    linear(`${block}.ffn_down_exps.weight`, inner, width, { experts, type }),
  ];
  if (!parts.sinks) return tensors;
  return [
    ...tensors,
    random(`${block}.ffn_gate_inp.bias`, [experts], 0.1),
    random(`${block}.ffn_gate_exps.bias`, [inner, experts], 0.1),
    random(`${block}.ffn_up_exps.bias`, [inner, experts], 0.1),
    random(`${block}.ffn_down_exps.bias`, [width, experts], 0.1),
  ];
}

function transformerBlock(layer: number, sizes: Sizes, parts: Parts): TensorSpec[] {
  const block = `blk.${layer}`;
  const { width } = sizes;
  return [
    norm(`${block}.attn_norm.weight`, width),
    ...attention(block, sizes, parts),
    // gpt-oss calls the norm before its feed-forward part post_attention_norm; Gemma has both.
    ...(parts.postNorms || parts.sinks ? [norm(`${block}.post_attention_norm.weight`, width)] : []),
    ...(parts.sinks ? [] : [norm(`${block}.ffn_norm.weight`, width)]),
    ...feedForward(block, sizes, parts),
    ...(parts.postNorms ? [norm(`${block}.post_ffw_norm.weight`, width)] : []),
  ];
}

/** Tensors of a decoder of RMS norms; `std` is that of the embedding's entries, whose matrix is the output's too. */
export function decoderTensors(
  vocabulary: number,
  sizes: Sizes,
  parts: Parts = {},
  { embedding = "Q8_0", std = 1 }: { embedding?: TensorType; std?: number } = {},
): TensorSpec[] {
  const layers = Array.from({ length: sizes.layers }, (_, layer) => transformerBlock(layer, sizes, parts));
  return [
    random("token_embd.weight", [sizes.width, vocabulary], std, { type: embedding }),
    norm("output_norm.weight", sizes.width),
    ...layers.flat(),
  ];
}

/** Factors that slow the low frequencies down, as Llama 3.1 has them: one per rotated pair. */
export function rotaryFactors(headSize: number): TensorSpec {
  const pairs = headSize / 2;
  const values = () => Float32Array.from({ length: pairs }, (_, pair) => 1 + (7 * pair) / (pairs - 1));
  return {
    name: "rope_freqs.weight",
    shape: [pairs],
    type: "F32",
    fill: { kind: "made", recipe: `1 to 8 over ${pairs} pairs`, values },
  };
}
