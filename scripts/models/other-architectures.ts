// Architectures that differ from the usual decoder: other positions, both directions, no attention at all.
import { EPSILON, LOGIT_GAIN, type Metadata, rotaryFactors, rotaryMetadata, transformerMetadata } from "./decoder.ts";
import { bool, f32, type TensorType, u32 } from "./gguf-writer.ts";
import { linear, norm, random, type Sizes, type TensorSpec } from "./spec.ts";

/** Decoder with ALiBi in place of rotary positions, and layer norms (MPT). */
export function mpt(vocabulary: number, sizes: Sizes): { metadata: Metadata; tensors: TensorSpec[] } {
  const { width, feedForward: inner } = sizes;
  const block = (layer: number) => [
    norm(`blk.${layer}.attn_norm.weight`, width),
    linear(`blk.${layer}.attn_qkv.weight`, width, 3 * width, { gain: LOGIT_GAIN }),
    linear(`blk.${layer}.attn_output.weight`, width, width),
    norm(`blk.${layer}.ffn_norm.weight`, width),
    linear(`blk.${layer}.ffn_up.weight`, width, inner),
    linear(`blk.${layer}.ffn_down.weight`, inner, width),
  ];
  return {
    metadata: {
      ...transformerMetadata("mpt", sizes),
      "mpt.attention.layer_norm_epsilon": f32(EPSILON),
      "mpt.attention.max_alibi_bias": f32(8),
    },
    tensors: [
      random("token_embd.weight", [width, vocabulary], 1, { type: "Q8_0" }),
      norm("output_norm.weight", width),
      ...Array.from({ length: sizes.layers }, (_, layer) => block(layer)).flat(),
    ],
  };
}

/**
 * Gemma 4 as in its E sizes: embeddings of its own for every layer, every other layer a window of 32 tokens with half the
 * head size, and layers at the end that have no keys: they look at those of the last layer of their kind that has.
 */
export function gemma4(vocabulary: number, sizes: Sizes): { metadata: Metadata; tensors: TensorSpec[] } {
  const { layers, width, heads, kvHeads, headSize, feedForward: inner } = sizes;
  const ownKeys = layers - 3;
  const perLayer = 16;
  const block = (layer: number) => {
    const name = `blk.${layer}`;
    const size = layer % 2 === 0 ? headSize / 2 : headSize;
    const keys = [
      linear(`${name}.attn_k.weight`, width, kvHeads * size),
      linear(`${name}.attn_v.weight`, width, kvHeads * size),
      // Its logits are not divided by the root of the head size.
      norm(`${name}.attn_k_norm.weight`, size, LOGIT_GAIN / Math.sqrt(size)),
    ];
    return [
      norm(`${name}.attn_norm.weight`, width),
      linear(`${name}.attn_q.weight`, width, heads * size),
      norm(`${name}.attn_q_norm.weight`, size, LOGIT_GAIN),
      ...(layer < ownKeys ? keys : []),
      linear(`${name}.attn_output.weight`, heads * size, width),
      norm(`${name}.post_attention_norm.weight`, width),
      norm(`${name}.ffn_norm.weight`, width),
      linear(`${name}.ffn_gate.weight`, width, inner),
      linear(`${name}.ffn_up.weight`, width, inner),
      linear(`${name}.ffn_down.weight`, inner, width),
      norm(`${name}.post_ffw_norm.weight`, width),
      linear(`${name}.inp_gate.weight`, width, perLayer),
      linear(`${name}.proj.weight`, perLayer, width),
      norm(`${name}.post_norm.weight`, width),
    ];
  };
  return {
    metadata: {
      ...rotaryMetadata("gemma4", sizes, 1000000),
      "gemma4.rope.freq_base_swa": f32(10000),
      "gemma4.rope.dimension_count_swa": u32(headSize / 2),
      "gemma4.attention.key_length_swa": u32(headSize / 2),
      "gemma4.attention.value_length_swa": u32(headSize / 2),
      "gemma4.attention.sliding_window": u32(32),
      "gemma4.attention.sliding_window_pattern": {
        type: "bool[]",
        value: Array.from({ length: layers }, (_, layer) => (layer % 2 === 0 ? 1 : 0)),
      },
      "gemma4.attention.shared_kv_layers": u32(layers - ownKeys),
      "gemma4.embedding_length_per_layer_input": u32(perLayer),
      "gemma4.final_logit_softcapping": f32(30),
    },
    tensors: [
      random("token_embd.weight", [width, vocabulary], 1 / Math.sqrt(width), { type: "Q8_0" }),
      random("per_layer_token_embd.weight", [perLayer * layers, vocabulary], 1 / Math.sqrt(perLayer), { type: "F16" }),
      linear("per_layer_model_proj.weight", width, perLayer * layers),
      norm("per_layer_proj_norm.weight", perLayer),
      rotaryFactors(headSize),
      norm("output_norm.weight", width),
      ...Array.from({ length: layers }, (_, layer) => block(layer)).flat(),
    ],
  };
}

/** Encoder with attention in both directions and one vector per text (BERT). */
export function bert(
  vocabulary: number,
  sizes: Sizes,
  type: TensorType = "F32",
): { metadata: Metadata; tensors: TensorSpec[] } {
  const { width, feedForward: inner, context } = sizes;
  const layerNorm = (name: string) => [norm(`${name}.weight`, width), random(`${name}.bias`, [width], 0.1)];
  const biased = (name: string, input: number, output: number, gain = 1) => [
    linear(`${name}.weight`, input, output, { gain, type }),
    random(`${name}.bias`, [output], 0.1),
  ];
  const block = (name: string) => [
    ...biased(`${name}.attn_q`, width, width, LOGIT_GAIN),
    ...biased(`${name}.attn_k`, width, width, LOGIT_GAIN),
    ...biased(`${name}.attn_v`, width, width),
    ...biased(`${name}.attn_output`, width, width),
    ...layerNorm(`${name}.attn_output_norm`),
    ...biased(`${name}.ffn_up`, width, inner),
    ...biased(`${name}.ffn_down`, inner, width),
    ...layerNorm(`${name}.layer_output_norm`),
  ];
  return {
    metadata: {
      ...transformerMetadata("bert", sizes),
      "bert.attention.layer_norm_epsilon": f32(1e-12),
      "bert.attention.causal": bool(false),
      // The mean of the tokens' vectors, in llama.cpp's numbering.
      "bert.pooling_type": u32(1),
    },
    tensors: [
      random("token_embd.weight", [width, vocabulary], 1, { type: "Q8_0" }),
      random("token_types.weight", [width, 2], 0.1),
      random("position_embd.weight", [width, context], 0.5),
      ...layerNorm("token_embd_norm"),
      ...Array.from({ length: sizes.layers }, (_, layer) => block(`blk.${layer}`)).flat(),
    ],
  };
}

/** State-space decoder, without any attention (Mamba). */
export function mamba(
  vocabulary: number,
  { layers, width, context }: { layers: number; width: number; context: number },
): { metadata: Metadata; tensors: TensorSpec[] } {
  const [kernel, inner, state, rank] = [4, 2 * width, 16, 8];
  const block = (name: string) => [
    norm(`${name}.attn_norm.weight`, width),
    linear(`${name}.ssm_in.weight`, width, 2 * inner),
    linear(`${name}.ssm_conv1d.weight`, kernel, inner),
    random(`${name}.ssm_conv1d.bias`, [inner], 0.1),
    linear(`${name}.ssm_x.weight`, inner, rank + 2 * state),
    linear(`${name}.ssm_dt.weight`, rank, inner),
    random(`${name}.ssm_dt.bias`, [inner], 0.1),
    // Negative, or the state grows without bound.
    random(`${name}.ssm_a`, [state, inner], 0.3, { mean: -2 }),
    random(`${name}.ssm_d`, [inner], 0.2, { mean: 1 }),
    linear(`${name}.ssm_out.weight`, inner, width),
  ];
  return {
    metadata: {
      "mamba.block_count": u32(layers),
      "mamba.context_length": u32(context),
      "mamba.embedding_length": u32(width),
      "mamba.feed_forward_length": u32(0),
      "mamba.attention.head_count": u32(0),
      "mamba.attention.layer_norm_rms_epsilon": f32(EPSILON),
      "mamba.ssm.conv_kernel": u32(kernel),
      "mamba.ssm.inner_size": u32(inner),
      "mamba.ssm.state_size": u32(state),
      "mamba.ssm.time_step_rank": u32(rank),
    },
    tensors: [
      random("token_embd.weight", [width, vocabulary], 1, { type: "Q8_0" }),
      norm("output_norm.weight", width),
      ...Array.from({ length: layers }, (_, layer) => block(`blk.${layer}`)).flat(),
    ],
  };
}
