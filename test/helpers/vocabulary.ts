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
const PRE_TOKENIZER = "tokenizer.ggml.pre";

/** Names of all vocabularies, such as `llama-bpe`. */
export const vocabularyNames: readonly string[] = readdirSync(path.join(llamaSource(), "models"))
  .flatMap((file) => pattern.exec(file)?.[1] ?? [])
  .sort();

/** The file that holds a vocabulary and nothing else. */
export function vocabularyPath(name: string): string {
  return path.join(llamaSource(), "models", `ggml-vocab-${name}.gguf`);
}

/**
 * Writes a model of this vocabulary, every weight zero, and returns its path. `preTokenizer` names another of llama.cpp's
 * ways to split text than the vocabulary's own.
 */
export function makeVocabularyModel(name: string, preTokenizer?: string): string {
  const vocabulary = readGgufHeader(vocabularyPath(name)).entries;
  const tokens = vocabulary.get("tokenizer.ggml.tokens")?.length;
  if (tokens === undefined) throw new Error(`Expected tokens in the vocabulary ${name}`);
  const metadata = {
    ...rotaryMetadata("llama", sizes, 10000),
    "llama.vocab_size": u32(tokens),
    ...(preTokenizer === undefined ? {} : { [PRE_TOKENIZER]: text(preTokenizer) }),
  };
  const kept = [...vocabulary.values()].filter(({ key }) => key.startsWith("tokenizer.") && !(key in metadata));
  const entries = [
    encodeEntry("general.architecture", text("llama")),
    ...Object.entries(metadata).map(([key, value]) => encodeEntry(key, value)),
    ...kept.map(({ bytes }) => bytes),
  ];
  const tensors = decoderTensors(tokens, sizes, {}, { embedding: "Q4_0" }).map((tensor) => ({
    ...tensor,
    data: () => [new Uint8Array(tensorBytes(tensor.shape, tensor.type))],
  }));
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, `${preTokenizer ?? name}.gguf`);
  writeGguf(file, entries, tensors);
  return file;
}
