import path from "node:path";
import type { LlamaModel } from "node-llama-cpp";
import { QRHeadError } from "../errors.ts";
import { openLlama } from "../model/llama.ts";
import { findModelFile } from "../model/model-file.ts";
import { tryInChild } from "../model/trial.ts";
import { findWriter } from "../model/writes.ts";
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

type OpenOptions = Pick<
  LoadOptions,
  "gpu" | "gpuLayers" | "libraryDirectory" | "signal" | "onProgress" | "check" | "checkTensors"
> & {
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
  const { signal, onProgress, gpuLayers, check, checkTensors = false, vocabularyOnly = false } = options;
  const modelPath = await (vocabularyOnly ? findModelFile : findWriter)(file, { signal, onProgress });
  if (check === "process" && !vocabularyOnly) await tryInChild(modelPath, options);
  const llama = await openLlama(options);
  try {
    const model = await llama.loadModel({
      modelPath,
      ...{ vocabOnly: vocabularyOnly, checkTensors },
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
