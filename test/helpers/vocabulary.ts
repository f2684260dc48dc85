// One-layer models around the vocabularies that come with llama.cpp's source: the engine loads whole models only.
import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { llamaSource } from "../../scripts/llama-source.mjs";
import { decoderTensors, rotaryMetadata } from "../../scripts/models/decoder.ts";
import { readGgufHeader } from "../../scripts/models/gguf-reader.ts";
import { encodeEntry, tensorBytes, text, u32, writeGguf } from "../../scripts/models/gguf-writer.ts";

const sizes = { layers: 1, width: 32, heads: 1, kvHeads: 1, headSize: 32, feedForward: 32, context: 512 };
const directory = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..", ".cache", "vocabularies");
const pattern = /^ggml-vocab-(.*)\.gguf$/;

/** Names of all vocabularies, such as `llama-bpe`. */
export const vocabularyNames: readonly string[] = readdirSync(path.join(llamaSource(), "models"))
  .flatMap((file) => pattern.exec(file)?.[1] ?? [])
  .sort();

/** Writes a model of this vocabulary, every weight zero, and returns its path. */
export function makeVocabularyModel(name: string): string {
  const vocabulary = readGgufHeader(path.join(llamaSource(), "models", `ggml-vocab-${name}.gguf`)).entries;
  const tokens = vocabulary.get("tokenizer.ggml.tokens")?.length;
  if (tokens === undefined) throw new Error(`Expected tokens in the vocabulary ${name}`);
  const metadata = { ...rotaryMetadata("llama", sizes, 10000), "llama.vocab_size": u32(tokens) };
  const entries = [
    encodeEntry("general.architecture", text("llama")),
    ...Object.entries(metadata).map(([key, value]) => encodeEntry(key, value)),
    ...[...vocabulary.values()].filter(({ key }) => key.startsWith("tokenizer.")).map(({ bytes }) => bytes),
  ];
  const tensors = decoderTensors(tokens, sizes, {}, { embedding: "Q4_0" }).map(({ name: tensor, shape, type }) => ({
    name: tensor,
    shape,
    type,
    data: () => [new Uint8Array(tensorBytes(shape, type))],
  }));
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, `${name}.gguf`);
  writeGguf(file, entries, tensors);
  return file;
}
