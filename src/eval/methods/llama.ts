import type { ChatHistoryItem, LlamaChat, LlamaModel } from "node-llama-cpp";
import { QRHeadError } from "../../errors.ts";
import { openLlama } from "../../model/llama.ts";
import { findModelFile } from "../../model/model-file.ts";
import { defaultThreads } from "../../util/threads.ts";
import type { MethodContext } from "./method.ts";

/**
 * Loads a GGUF with node-llama-cpp, for the methods that are not ours, on the device and build that qrhead itself runs on.
 *
 * @throws InputError for a file that is missing or no GGUF; QRHeadError `MODEL_LOAD_FAILED`, `LIBRARY_NOT_FOUND`.
 */
export async function loadWithLlama(
  model: string | undefined,
  { load, signal }: MethodContext,
): Promise<{ model: LlamaModel; threads: number }> {
  const file = await findModelFile(model, { signal });
  const llama = await openLlama(load);
  try {
    const loaded = await llama.loadModel({
      modelPath: file,
      ...(load.gpuLayers !== undefined && { gpuLayers: load.gpuLayers }),
      ...(signal && { loadSignal: signal }),
    });
    return { model: loaded, threads: load.threads ?? defaultThreads() };
  } catch (error) {
    signal?.throwIfAborted();
    throw loadFailure(file, error);
  }
}

/**
 * Loads a GGUF and makes what a method needs from it. If that fails, the model is freed.
 *
 * @throws What `loadWithLlama` throws.
 */
export async function openWithLlama<T>(
  file: string | undefined,
  context: MethodContext,
  make: (model: LlamaModel, threads: number) => Promise<T>,
): Promise<{ model: LlamaModel; made: T }> {
  const { model, threads } = await loadWithLlama(file, context);
  try {
    return { model, made: await make(model, threads) };
  } catch (error) {
    await model.dispose();
    throw loadFailure(file ?? "the built-in model", error);
  }
}

/** Tokens of a conversation with an answer of up to `answerTokens`. */
export function tokensNeeded(
  { chatWrapper, model }: LlamaChat,
  history: readonly ChatHistoryItem[],
  answerTokens: number,
): number {
  const { contextText } = chatWrapper.generateContextState({
    chatHistory: [...history, { type: "model", response: [] }],
  });
  return contextText.tokenize(model.tokenizer).length + answerTokens;
}

/**
 * Refuses a conversation that does not fit with its answer: left to itself node-llama-cpp would cut the middle out of it.
 *
 * @param advice What would make it fit.
 * @throws QRHeadError `CONTEXT_OVERFLOW`.
 */
export function assertFits(
  chat: LlamaChat,
  history: readonly ChatHistoryItem[],
  answerTokens: number,
  advice: string,
): void {
  const needed = tokensNeeded(chat, history, answerTokens);
  const { contextSize } = chat.context;
  if (needed <= contextSize) return;
  throw new QRHeadError(
    "CONTEXT_OVERFLOW",
    `Documents and answer take ${needed} tokens and do not fit the context of ${contextSize}: ${advice}`,
  );
}

/** What node-llama-cpp says of a model that it cannot use, as our own error. */
export function loadFailure(file: string, error: unknown): QRHeadError {
  const reason = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
  return new QRHeadError("MODEL_LOAD_FAILED", `node-llama-cpp cannot use ${file}: ${reason}`, { cause: error });
}

/** A document as models read it: the title on a line of its own. */
export function withTitle({ title, text }: { title?: string; text: string }): string {
  return title ? `${title}\n${text}` : text;
}
