import path from "node:path";
import { QRHeadError } from "../errors.ts";
import { deepestLayer } from "../heads/heads.ts";
import type { Addon, NativeModel, NativeModelInfo } from "../native/addon-types.ts";
import { callNative, reporter } from "../native/call.ts";
import { hasGpu, type Library, loadLibrary } from "../native/library.ts";
import type { LoadOptions } from "../options.ts";
import type { Head, ModelIdentity } from "../types.ts";
import { findModelFile } from "./model-file.ts";
import { readHeaderList, slidingWindowOf } from "./sliding-window.ts";
import { tryInChild } from "./trial.ts";

/** Key that `qrhead slim` writes: how many layers the whole model has. */
export const ORIGINAL_LAYERS_KEY = "qrhead.slim.original_block_count";

export type LoadedModel = {
  library: Library;
  native: NativeModel;
  info: NativeModelInfo;
  identity: ModelIdentity;
  /** Absolute path of the GGUF. */
  path: string;
  loadMs: number;
};

/**
 * Loads a GGUF and checks that its attention can rank documents.
 *
 * @param headsOf Heads that will rank: layers above the deepest of them then take no memory of a GPU. Asked before the weights
 * are loaded; what it throws is left to the caller's own use of it.
 * @throws InputError `INVALID_INPUT` for a file that is missing or no GGUF.
 * @throws QRHeadError `MODEL_LOAD_FAILED`, `MODEL_UNSUPPORTED`, `LIBRARY_NOT_FOUND`, `LIBRARY_MISMATCH`.
 */
export async function loadModel(
  options: LoadOptions,
  headsOf?: (identity: ModelIdentity) => readonly Head[],
): Promise<LoadedModel> {
  const { signal, onProgress } = options;
  const began = performance.now();
  signal?.throwIfAborted();
  const file = await findModelFile(options.model, { modelsDirectory: options.modelsDirectory, signal, onProgress });
  if (options.check === "process") await tryInChild(file, options);
  const library = await loadLibrary(options);
  const { report, finish } = reporter(onProgress, "load", 100);
  const onFraction = onProgress && ((fraction: number) => report(Math.round(fraction * 100)));
  const gpuLayers = options.gpu === false ? 0 : (options.gpuLayers ?? -1);
  const usesAll = options.generates || options.earlyStop === false;
  const isPlaced = headsOf && !usesAll && gpuLayers !== 0 && hasGpu(library.info);
  const used = isPlaced ? await usedLayersOf(library.addon, file, headsOf, signal) : undefined;
  const loading = {
    ...{ path: file, gpuLayers, useMmap: options.mmap ?? true, checkTensors: options.checkTensors ?? false },
    ...(used !== undefined && { usedLayers: used }),
  };
  const native = await callNative(library.addon, signal, (cancellation, guard) =>
    library.addon.loadModel(loading, cancellation, guard(onFraction)),
  );
  try {
    finish();
    const info = native.info();
    assertRanks(info, file);
    const slidingWindow = await slidingWindowOf(info, (key) => readHeaderList(file, key));
    const identity = { ...identify(info, file), ...(slidingWindow && { slidingWindow }) };
    return { library, native, info, identity, path: file, loadMs: performance.now() - began };
  } catch (error) {
    await native.dispose();
    throw error;
  }
}

/** Undefined where it is not known yet, or all of them: an attention with an indexer is read to the end. */
async function usedLayersOf(
  addon: Addon,
  file: string,
  headsOf: (identity: ModelIdentity) => readonly Head[],
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const info = await callNative(addon, signal, (cancellation) => addon.describeModel({ path: file }, cancellation));
  if (`${info.architecture}.attention.indexer.head_count` in info.metadata) return undefined;
  try {
    const used = deepestLayer(headsOf(identify(info, file))) + 1;
    return used > 0 && used < info.layers ? used : undefined;
  } catch {
    return undefined;
  }
}

function identify(info: NativeModelInfo, file: string): ModelIdentity {
  const fileName = path.basename(file);
  const original = Number(info.metadata[ORIGINAL_LAYERS_KEY]);
  return {
    architecture: info.architecture,
    name: info.metadata["general.name"]?.trim() || fileName.replace(/\.gguf$/i, ""),
    fileName,
    layers: info.layers,
    heads: info.heads,
    originalLayers: Number.isInteger(original) && original >= info.layers ? original : info.layers,
    chatTemplate: info.chatTemplate,
    metadata: info.metadata,
  };
}

/** A decoder with a KV cache over every layer that is wanted; anything else would rank wrongly or not at all. */
function assertRanks(info: NativeModelInfo, file: string): void {
  const fail = (what: string) => {
    throw new QRHeadError(
      "MODEL_UNSUPPORTED",
      `${path.basename(file)} (${info.architecture}) ${what}: use a decoder with attention, such as any chat model`,
    );
  };
  if (info.hasEncoder || !info.hasDecoder) fail("is an encoder-decoder, whose encoder sees no query");
  if (info.metadata[`${info.architecture}.attention.causal`] === "false" || info.vocabularyType === "wpm") {
    fail("is an encoder, which sees documents and query at once");
  }
  if (info.recurrent) fail("is recurrent and has no attention to read");
  if (info.hybrid) fail("mixes attention with recurrent layers, which cannot go back to the end of the documents");
  if (info.diffusion) fail("is a diffusion model without causal attention");
  if (info.vocabularyType === "none" || info.vocabularyType === "ugm") {
    fail(`has a vocabulary of type ${info.vocabularyType}, whose tokens cannot be traced back to documents`);
  }
}
