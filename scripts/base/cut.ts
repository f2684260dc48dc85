// Cuts a llama: its first layers, a part of its vocabulary, and of the deepest layer queries and keys alone.
import { closeSync, openSync, readSync } from "node:fs";
import { type GgufEntry, type GgufTensorInfo, readGgufHeader } from "../models/gguf-reader.ts";
import {
  bool,
  encodeEntry,
  type TensorToWrite,
  tensorBytes,
  text,
  u32,
  type WrittenType,
  writeGguf,
} from "../models/gguf-writer.ts";
import { type Adapter, readAdapter } from "./adapter.ts";
import { encodeInts, encodeStrings, readInts, readStrings } from "./arrays.ts";
import { dequantizeQ4_1, dequantizeQ8_0, quantizeQ4_1, quantizeQ8_0 } from "./quants.ts";
import { type CutVocabulary, closeUnderMerges, cutVocabulary, type Vocabulary } from "./vocabulary.ts";

export type CutOptions = {
  input: string;
  output: string;
  /** Layers kept, the deepest one included, whose attention is read and which computes nothing else. */
  layers: number;
  /** Ids of the vocabulary that are kept, with all that these are merged from. Everything where it is left out. */
  tokens?: readonly number[];
  /** Type of the embeddings, which are looked up and never multiplied. Defaults to the source's own, Q8_0. */
  embeddings?: "Q8_0" | "Q4_1";
  /** A low-rank adapter whose changes the matrices get. */
  adapter?: string;
  /** Without the chat template: a prompt then begins with the first special token, and has nothing around it. */
  plain?: boolean;
  name: string;
  /** Strings to add to the header, or to put in place of what it has. */
  metadata?: Readonly<Record<string, string>>;
};

const MOSTLY_Q8_0 = 7;
/** ggml's numbers of the types that the source may have. */
const [F32, Q4_1, Q8_0] = [0, 3, 8];

/** Parts of a layer that only the next one needs. */
const IDLE = ["attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"];

/**
 * Writes a GGUF of the first layers of a llama, all matrices as Q8_0 and the embeddings as asked for.
 *
 * The deepest layer's values, output and feed-forward part are zeros in four bits, since llama.cpp wants the tensors and
 * nothing computes them: 1.7 MB that compress to nothing. An output head is not written, and llama.cpp takes the embeddings
 * for it. Requantising Q4_1 as Q8_0 moves a weight by at most 1/254 of the largest of its block.
 */
export function cutModel(options: CutOptions): { vocabulary: CutVocabulary; merges: number } {
  const { input, output, layers, name, embeddings = "Q8_0" } = options;
  const header = readGgufHeader(input);
  const entry = (key: string): GgufEntry => {
    const found = header.entries.get(key);
    if (!found) throw new Error(`Expected ${key} in the header of ${input}`);
    return found;
  };
  const total = Number(entry("llama.block_count").value);
  if (!(layers >= 1 && layers <= total)) throw new Error(`Expected 1 to ${total} layers but received ${layers}`);
  const whole = readVocabulary(header.entries);
  const wanted = options.tokens ?? whole.tokens.keys();
  const vocabulary = cutVocabulary(whole, closeUnderMerges(whole, wanted));
  const newId = new Map(vocabulary.ids.map((id, i) => [id, i]));

  const replaced = new Map<string, Buffer>([
    ["llama.block_count", encodeEntry("llama.block_count", u32(layers))],
    ["llama.vocab_size", encodeEntry("llama.vocab_size", u32(vocabulary.ids.length))],
    ["general.file_type", encodeEntry("general.file_type", u32(MOSTLY_Q8_0))],
    ["general.name", encodeEntry("general.name", text(name))],
    ["tokenizer.ggml.tokens", encodeStrings("tokenizer.ggml.tokens", vocabulary.tokens)],
    ["tokenizer.ggml.token_type", encodeInts("tokenizer.ggml.token_type", vocabulary.types)],
    [
      "tokenizer.ggml.merges",
      encodeStrings(
        "tokenizer.ggml.merges",
        vocabulary.merges.map((pair) => pair.join(" ")),
      ),
    ],
  ]);
  for (const { key, value } of header.entries.values()) {
    if (!/^tokenizer\.ggml\.\w+_token_id$/.test(key)) continue;
    replaced.set(key, encodeEntry(key, u32(newId.get(Number(value))!)));
  }
  for (const [key, value] of Object.entries(options.metadata ?? {})) replaced.set(key, encodeEntry(key, text(value)));
  if (options.plain) {
    replaced.set("tokenizer.ggml.add_bos_token", encodeEntry("tokenizer.ggml.add_bos_token", bool(true)));
  }
  const dropped = (key: string) => replaced.has(key) || (options.plain && key === "tokenizer.chat_template");
  const kept = [...header.entries.values()].filter(({ key }) => !dropped(key)).map(({ bytes }) => bytes);

  const adapter = options.adapter === undefined ? undefined : readAdapter(options.adapter);
  const file = openSync(input, "r");
  try {
    const read = (info: GgufTensorInfo) => readTensor(file, info);
    const tensors = [...header.tensors.values()].flatMap((info): TensorToWrite[] => {
      if (info.name === "token_embd.weight") return [rowsOf(info, vocabulary.ids, embeddings, read)];
      if (info.name === "output_norm.weight") return [whole32(info, read)];
      const [, layer, part] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(info.name) ?? [];
      if (layer === undefined || Number(layer) >= layers) return [];
      if (Number(layer) === layers - 1 && IDLE.includes(part!)) return [idle(info)];
      return [info.shape.length === 1 ? whole32(info, read) : asQ8_0(info, read, adapter)];
    });
    writeGguf(output, [...kept, ...replaced.values()], tensors);
  } finally {
    closeSync(file);
  }
  return { vocabulary, merges: vocabulary.merges.length };
}

export function readVocabulary(entries: ReadonlyMap<string, GgufEntry>): Vocabulary {
  return {
    tokens: readStrings(entries.get("tokenizer.ggml.tokens")!),
    types: readInts(entries.get("tokenizer.ggml.token_type")!),
    merges: readStrings(entries.get("tokenizer.ggml.merges")!).map((pair) => {
      const space = pair.indexOf(" ", 1);
      return [pair.slice(0, space), pair.slice(space + 1)] as const;
    }),
  };
}

function readTensor(file: number, { name, shape, type, offset }: GgufTensorInfo): Buffer {
  const elements = shape.reduce((product, n) => product * n, 1);
  const bytes =
    type === F32 ? 4 * elements : type === Q4_1 ? (elements / 32) * 20 : type === Q8_0 ? (elements / 32) * 34 : 0;
  if (bytes === 0) throw new Error(`Expected F32, Q4_1 or Q8_0 for ${name} but received type ${type}`);
  const data = Buffer.alloc(bytes);
  if (readSync(file, data, 0, bytes, offset) !== bytes) throw new Error(`Expected ${bytes} bytes for ${name}`);
  return data;
}

type Read = (info: GgufTensorInfo) => Buffer;

function whole32(info: GgufTensorInfo, read: Read): TensorToWrite {
  if (info.type !== F32) throw new Error(`Expected F32 for ${info.name} but received type ${info.type}`);
  return { name: info.name, shape: info.shape, type: "F32", data: () => [read(info)] };
}

function asQ8_0(info: GgufTensorInfo, read: Read, adapter: Adapter | undefined): TensorToWrite {
  const { name, shape, type } = info;
  const values = () => (type === Q8_0 ? dequantizeQ8_0 : dequantizeQ4_1)(read(info));
  const data = () => {
    if (adapter?.has(name)) return [quantizeQ8_0(adapter.add(name, values()))];
    return [type === Q8_0 ? read(info) : quantizeQ8_0(values())];
  };
  return { name, shape, type: "Q8_0", data };
}

/** The rows of the embedding that are kept; as Q8_0 their blocks are untouched. */
function rowsOf(
  info: GgufTensorInfo,
  ids: readonly number[],
  type: NonNullable<CutOptions["embeddings"]>,
  read: Read,
): TensorToWrite {
  if (info.type !== Q8_0) throw new Error(`Expected Q8_0 for ${info.name} but received type ${info.type}`);
  const row = tensorBytes([info.shape[0]!], "Q8_0");
  const pick = (all: Buffer) => ids.map((id) => all.subarray(id * row, (id + 1) * row));
  const convert = (rows: Buffer[]) => (type === "Q8_0" ? rows : rows.map((one) => quantizeQ4_1(dequantizeQ8_0(one))));
  return { name: info.name, shape: [info.shape[0]!, ids.length], type, data: () => convert(pick(read(info))) };
}

function idle({ name, shape }: GgufTensorInfo): TensorToWrite {
  const type: WrittenType = shape.length === 1 ? "F32" : "Q4_0";
  return { name, shape, type, data: () => [Buffer.alloc(tensorBytes(shape, type))] };
}
