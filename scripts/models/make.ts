// Turns a spec into a file.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { llamaSource, llamaVersion } from "../llama-source.mjs";
import { readGgufHeader } from "./gguf-reader.ts";
import { encodeEntry, type TensorToWrite, text, u32, writeGguf } from "./gguf-writer.ts";
import { encodeFloats, randomTensor, seededRandom } from "./random.ts";
import { type ModelSpec, type TensorSpec, vocabularySizes } from "./spec.ts";

/** Change it when the same spec comes to mean other bytes: files made before are then made anew. */
const FORMAT = 1;
const SPEC_KEY = "qrhead.test.spec";
/** ggml's number for a file of mixed types. */
const MOSTLY_Q8_0 = 7;

/** Stands for everything that a file's bytes depend on. */
export function specHash(spec: ModelSpec): string {
  // JSON leaves functions out; a fill's recipe stands for its function.
  return createHash("sha256")
    .update(JSON.stringify([FORMAT, llamaVersion(), spec]))
    .digest("hex");
}

/** Whether the file is there and was made from this spec. */
export function isCurrent(file: string, spec: ModelSpec): boolean {
  if (!existsSync(file)) return false;
  try {
    return readGgufHeader(file, SPEC_KEY).entries.get(SPEC_KEY)?.value === specHash(spec);
  } catch {
    return false;
  }
}

function* tensorData({ name, shape, type, fill }: TensorSpec, seed: number): Iterable<Uint8Array> {
  const count = shape.reduce((product, n) => product * n, 1);
  if (fill.kind === "random") yield* randomTensor(seededRandom(seed, name), type, count, fill.std, fill.mean);
  else if (type === "F32" || type === "F16") yield encodeFloats(fill.values(), type);
  else throw new Error(`Expected F32 or F16 for the made tensor ${name} but received ${type}`);
}

/**
 * Writes the model's file, in place of any that is there.
 * @throws when the vocabulary does not have the expected size
 */
export function makeModel(spec: ModelSpec, file: string): void {
  const vocabularyFile = path.join(llamaSource(), "models", `ggml-vocab-${spec.vocabulary}.gguf`);
  const vocabulary = readGgufHeader(vocabularyFile).entries;
  const tokens = vocabulary.get("tokenizer.ggml.tokens")?.length;
  if (tokens !== vocabularySizes[spec.vocabulary]) {
    throw new Error(`Expected ${vocabularySizes[spec.vocabulary]} tokens in ${vocabularyFile} but received ${tokens}`);
  }
  // The hash stands in the first bytes, so that checking a file reads no vocabulary.
  const entries: Uint8Array[] = [
    encodeEntry("general.architecture", text(spec.architecture)),
    encodeEntry(SPEC_KEY, text(specHash(spec))),
    encodeEntry("general.file_type", u32(MOSTLY_Q8_0)),
    encodeEntry(`${spec.architecture}.vocab_size`, u32(tokens)),
  ];
  for (const [key, value] of Object.entries(spec.metadata)) entries.push(encodeEntry(key, value));
  for (const { key, bytes } of vocabulary.values()) {
    if (key.startsWith("tokenizer.") && !(key in spec.metadata)) entries.push(bytes);
  }
  const tensors = spec.tensors.map(
    (tensor): TensorToWrite => ({
      name: tensor.name,
      shape: tensor.shape,
      type: tensor.type,
      data: () => tensorData(tensor, spec.seed),
    }),
  );
  writeGguf(file, entries, tensors);
}
