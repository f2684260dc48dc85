// One-layer models around the vocabularies that come with llama.cpp's source: the engine loads whole models only.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { llamaSource, llamaVersion } from "../../scripts/llama-source.mjs";
import { decoderTensors, rotaryMetadata } from "../../scripts/models/decoder.ts";
import { readGgufHeader } from "../../scripts/models/gguf-reader.ts";
import { encodeEntry, tensorBytes, text, u32, writeGguf } from "../../scripts/models/gguf-writer.ts";

const sizes = { layers: 1, width: 32, heads: 1, kvHeads: 1, headSize: 32, feedForward: 32, context: 512 };
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const directory = path.join(root, ".cache", "vocabularies", llamaVersion());
const pattern = /^ggml-vocab-(.*)\.gguf$/;
const PRE_TOKENIZER = "tokenizer.ggml.pre";

/** BERT's and T5's kinds of vocabulary, which rewrite text: the engine refuses them. */
export const rewritingVocabularies: readonly string[] = ["bert-bge", "nomic-bert-moe"];

/** Names of all other vocabularies, such as `llama-bpe`. */
export const spellingVocabularies: readonly string[] = readdirSync(path.join(llamaSource(), "models"))
  .flatMap((file) => pattern.exec(file)?.[1] ?? [])
  .filter((name) => !rewritingVocabularies.includes(name))
  .sort();

/**
 * Writes a model of this vocabulary, every weight zero, unless it is there already, and returns its path. `preTokenizer`
 * names another of llama.cpp's ways to split text than the vocabulary's own.
 */
export function makeVocabularyModel(name: string, preTokenizer?: string): string {
  const file = path.join(directory, `${preTokenizer ?? name}.gguf`);
  if (existsSync(file)) return file;
  const vocabulary = readGgufHeader(path.join(llamaSource(), "models", `ggml-vocab-${name}.gguf`)).entries;
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
  writeGguf(file, entries, tensors);
  return file;
}
