import path from "node:path";
import type { Llama, LlamaModel } from "node-llama-cpp";
import { InputError, QRHeadError } from "../errors.ts";
import { findModelFile } from "../model/model-file.ts";
import { findWriter } from "../model/writes.ts";
import { loadLibrary } from "../native/library.ts";
import { importNodeLlamaCpp } from "../native/node-llama-cpp.ts";
import type { LoadOptions } from "../options.ts";
import { assertBoundedTemplate } from "../prompt/chat-template.ts";

/** A model that node-llama-cpp has open: it generates text, or counts tokens. */
export type OpenModel = {
  model: LlamaModel;
  /** File name without folder. */
  name: string;
  count: (text: string) => number;
  dispose: () => Promise<void>;
};

type OpenOptions = Pick<LoadOptions, "gpu" | "gpuLayers" | "libraryDirectory" | "signal" | "onProgress"> & {
  /** Read the vocabulary and no weights. Defaults to `false`. */
  vocabularyOnly?: boolean;
};

/**
 * Opens a GGUF with node-llama-cpp, on the build of llama.cpp that the addon is bound to: one copy in memory, nothing is
 * compiled or downloaded.
 *
 * @throws InputError for a file that is missing or no GGUF, and for a slim one unless the vocabulary is enough.
 * @throws QRHeadError `MODEL_LOAD_FAILED`, `LIBRARY_NOT_FOUND`, `MODEL_UNSUPPORTED` for a model that writes no
 * text, `CHAT_TEMPLATE` for a template beyond the bounds.
 */
export async function openModel(file: string, options: OpenOptions = {}): Promise<OpenModel> {
  const { signal, onProgress, gpuLayers, vocabularyOnly = false } = options;
  const modelPath = await (vocabularyOnly ? findModelFile : findWriter)(file, { signal, onProgress });
  const llama = await openLlama(options);
  try {
    const model = await llama.loadModel({
      modelPath,
      vocabOnly: vocabularyOnly,
      ...(gpuLayers !== undefined && { gpuLayers }),
      ...(signal && { loadSignal: signal }),
      ...(onProgress && {
        onLoadProgress: (share) => onProgress({ phase: "load", done: Math.round(share * 100), total: 100 }),
      }),
    });
    const template: unknown = model.fileInfo.metadata.tokenizer?.chat_template;
    // node-llama-cpp renders it without any bound.
    if (typeof template === "string" && !vocabularyOnly) assertBoundedTemplate(template);
    return {
      model,
      name: path.basename(modelPath),
      count: (text) => model.tokenize(text, false, "trimLeadingSpace").length,
      dispose: () => model.dispose(),
    };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof QRHeadError) throw error;
    const reason = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
    throw new QRHeadError("MODEL_LOAD_FAILED", `Could not load ${file} to generate: ${reason}`, { cause: error });
  }
}

/** Opened once for each build: node-llama-cpp tries a build in a process of its own before it uses it, which takes seconds. */
const opened = new Map<string, Promise<Llama>>();

async function openLlama(options: OpenOptions): Promise<Llama> {
  const { gpu } = await loadLibrary(options);
  if (gpu === "custom") {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected node-llama-cpp's own build of llama.cpp for generating but another folder is set",
      { advice: "leave out libraryDirectory and QRHEAD_LLAMA_DIR" },
    );
  }
  const key = String(gpu);
  if (!opened.has(key)) {
    const { getLlama, LlamaLogLevel } = await importNodeLlamaCpp();
    const opening = getLlama({
      ...{ gpu, build: "never", skipDownload: true, progressLogs: false },
      logLevel: LlamaLogLevel.disabled,
    });
    opening.catch(() => opened.delete(key));
    opened.set(key, opening);
  }
  return opened.get(key)!;
}
