import path from "node:path";
import { InputError, QRHeadError } from "../errors.ts";
import { importNodeLlamaCpp } from "../native/node-llama-cpp.ts";
import type { LoadOptions } from "../options.ts";
import { ORIGINAL_LAYERS_KEY } from "./model.ts";
import { findModelFile } from "./model-file.ts";

/** Architectures whose encoder reads the prompt, or that have nothing else. */
const ENCODERS = /bert|^t5|encoder|embedding/i;

/** In the header of a model that was trained to rank: the layers that would write are zeros. */
export const RANKS_ONLY_KEY = "qrhead.ranks_only";

/** @throws InputError `INVALID_INPUT` for a slim file, which has no layers to write with. */
export function assertWhole(fileName: string, layers: number, originalLayers: number): void {
  if (layers === originalLayers) return;
  throw new InputError("INVALID_INPUT", `Model ${fileName} is slim and cannot write: use the whole model`);
}

/**
 * Whether a model, named as `findModelFile` takes it, writes text. Reads the header alone, so that the
 * error comes before anything takes time.
 *
 * @returns The model's file.
 * @throws As `findModelFile` and `assertWrites`; QRHeadError `MODEL_LOAD_FAILED` for a header that cannot be read.
 */
export async function findWriter(
  model: string | undefined,
  options: Pick<LoadOptions, "modelsDirectory" | "signal" | "onProgress"> = {},
): Promise<string> {
  const { signal } = options;
  const file = await findModelFile(model, options);
  const { readGgufFileInfo } = await importNodeLlamaCpp();
  const { metadata } = await readGgufFileInfo(file, {
    ...{ readTensorInfo: false, logWarnings: false, sourceType: "filesystem", ignoreKeys: ["tokenizer.ggml.merges"] },
    ...(signal && { signal }),
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    const reason = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
    throw new QRHeadError("MODEL_LOAD_FAILED", `Could not read the header of ${file}: ${reason}`, { cause: error });
  });
  assertWrites(path.basename(file), (key) => {
    let value: unknown = metadata;
    for (const part of key.split(".")) value = (value as Record<string, unknown> | undefined)?.[part];
    return value;
  });
  return file;
}

/**
 * Whether a model can write text at all.
 *
 * @param get A scalar of the GGUF's header by its key, as it is or as text.
 * @throws InputError `INVALID_INPUT` for a slim file. @throws QRHeadError `MODEL_UNSUPPORTED` for an encoder, and for a model
 * that was made to embed, to score or to rank.
 */
export function assertWrites(fileName: string, get: (key: string) => unknown): void {
  const architecture = String(get("general.architecture"));
  const layers = Number(get(`${architecture}.block_count`));
  assertWhole(fileName, layers, Number(get(ORIGINAL_LAYERS_KEY) ?? layers));
  if (get(RANKS_ONLY_KEY) !== undefined) {
    throw new QRHeadError(
      "MODEL_UNSUPPORTED",
      `Model ${fileName} was trained to rank and cannot write: use a chat model`,
    );
  }
  const isEncoder = String(get(`${architecture}.attention.causal`)) === "false" || ENCODERS.test(architecture);
  if (isEncoder || Number(get(`${architecture}.pooling_type`) ?? 0) > 0) {
    const what = isEncoder ? "is an encoder" : "makes embeddings or scores";
    throw new QRHeadError(
      "MODEL_UNSUPPORTED",
      `Model ${fileName} (${architecture}) ${what} and writes no text: use a chat model`,
    );
  }
}
