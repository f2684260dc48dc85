import { realpath } from "node:fs/promises";
import path from "node:path";
import type { LlamaModel } from "node-llama-cpp";
import { isQRHeadError } from "../errors.ts";
import { estimateTokens } from "../index-store/estimate-tokens.ts";
import { findModelFile } from "../model/model-file.ts";
import { QRRetriever } from "../retriever.ts";
import type { ChatMessage } from "../types.ts";
import { openModel } from "./generator.ts";
import { type AskOptions, type Generate, isFunction, isRetriever, loadOptionsOf } from "./options.ts";
import type { Retriever } from "./retriever.ts";
import { isBase, promptTokens, type WriteOptions, type Written, write } from "./write.ts";
import { writeByFunction } from "./written-by-function.ts";

/** Who writes the answer: a model that node-llama-cpp has open, the one that ranks, or a function. */
export type Author = {
  /** File name without folder. */
  name: string;
  /** Without a chat template: it is asked in plain text. */
  isBase: boolean;
  /** Tokens that prompt and answer may have; undefined if only the caller knows. */
  size: number | undefined;
  count: (text: string) => number | Promise<number>;
  /** Tokens of the whole prompt. */
  promptTokens: (messages: readonly ChatMessage[]) => Promise<number>;
  write: (messages: readonly ChatMessage[], options: WriteOptions) => Promise<Written>;
  dispose: () => Promise<void>;
};

/** Tokens of a generator's context, unless it was trained for fewer. */
const DEFAULT_SIZE = 4096;

/**
 * Who writes, and the retriever where that is loaded for it already.
 *
 * @throws What `openModel` throws, and what loading a retriever throws.
 */
export async function openAuthor(options: AskOptions): Promise<{ author: Author; retriever?: QRRetriever }> {
  const { generate, gpu, signal, onProgress, check, checkTensors } = options;
  if (isFunction(generate)) return { author: authorOfFunction(generate, options) };
  if (isRetriever(generate)) return { author: authorOf(generate, options) };
  if (typeof generate !== "string") return { author: authorOfModel(generate as LlamaModel, async () => {}, options) };
  const open = async () => {
    const { model, dispose } = await openModel(generate, { gpu, signal, onProgress, check, checkTensors });
    return authorOfModel(model, dispose, options);
  };
  if (!(await isOneFile(generate, options))) return { author: await open() };
  const retriever = await loadRetriever(options);
  try {
    const own = authorOf(retriever, options);
    // Without a usable template node-llama-cpp asks in plain text, and reports what it cannot do.
    const canWrite = await own.promptTokens([{ role: "user", content: "?" }]).then(
      () => true,
      (error: unknown) => {
        if (isQRHeadError(error) && ["CHAT_TEMPLATE", "MODEL_UNSUPPORTED"].includes(error.code)) return false;
        throw error;
      },
    );
    return { author: canWrite ? own : await open(), retriever };
  } catch (error) {
    if (retriever !== options.retriever) await retriever.dispose();
    throw error;
  }
}

/** The retriever that the options say how to load, or a loaded one of this process. */
export async function loadRetriever(options: AskOptions): Promise<QRRetriever> {
  const { retriever, generate, threads, gpu, check, checkTensors, signal, onProgress } = options;
  if (retriever instanceof QRRetriever) return retriever;
  const loading = loadOptionsOf(retriever);
  const generates = loading?.model === generate;
  return QRRetriever.load({ generates, threads, gpu, check, checkTensors, ...loading, signal, onProgress });
}

/** Whether the model that is to answer is the file that ranks, and so can write with the weights that are loaded. */
async function isOneFile(generate: string, { retriever, signal, onProgress }: AskOptions): Promise<boolean> {
  const isLoaded = retriever instanceof QRRetriever;
  const { model, modelsDirectory } = loadOptionsOf(retriever) ?? {};
  if (!isLoaded && model === undefined) return false;
  const answers = await findModelFile(generate, { signal, onProgress });
  const ranks = isLoaded ? retriever.model.path : await findModelFile(model, { modelsDirectory, signal, onProgress });
  return (await realpath(answers)) === (await realpath(ranks));
}

function sizeOf({ contextSize = DEFAULT_SIZE }: AskOptions, trained: number): number {
  return Math.min(contextSize, trained || Number.POSITIVE_INFINITY);
}

/** A model that node-llama-cpp has open. */
function authorOfModel(model: LlamaModel, dispose: () => Promise<void>, options: AskOptions): Author {
  return {
    ...{ dispose, name: path.basename(model.filename ?? "The model"), isBase: isBase(model) },
    size: sizeOf(options, model.trainContextSize),
    count: (text) => model.tokenize(text, false, "trimLeadingSpace").length,
    promptTokens: async (messages) => (await promptTokens(model, messages)).length,
    write: (messages, writeOptions) => write(model, messages, writeOptions),
  };
}

/** A loaded retriever's own model: one copy of the weights ranks and writes. It stays the caller's. */
function authorOf(retriever: Retriever, options: AskOptions): Author {
  const { signal } = options;
  const { fileName, architecture, metadata } = retriever.model;
  return {
    name: fileName,
    isBase: false,
    size: sizeOf(options, Number(metadata[`${architecture}.context_length`] ?? 0)),
    count: async (text) => (await retriever.tokenize(text, { signal })).tokens.length,
    promptTokens: (messages) => retriever.countTokens(messages, { signal }),
    write: async (messages, { size, maxTokens, temperature, repeatPenalty, onRead, onText, signal: own }) => {
      const stream = retriever.generate(messages, {
        ...{ contextSize: size, maxTokens, temperature, repeatPenalty, signal: own },
        onProgress: onRead && (({ done, total }) => onRead(done, total)),
      });
      let answer = "";
      for (let step = await stream.next(); ; step = await stream.next()) {
        if (step.done) return { answer, stopped: step.value.stopped === "maxTokens" ? "maxTokens" : "end" };
        answer += step.value;
        onText?.(step.value);
      }
    },
    dispose: async () => {},
  };
}

/** A function of the caller. Its model's tokenizer is not known, so tokens are estimated. */
function authorOfFunction(generate: Extract<Generate, CallableFunction>, { contextSize }: AskOptions): Author {
  const count = (text: string) => estimateTokens(text).length / 2;
  return {
    ...{ name: "generate", isBase: false, size: contextSize, count },
    promptTokens: async (messages) => messages.reduce((sum, { content }) => sum + count(content), 0),
    write: (messages, options) => writeByFunction(generate, messages, options),
    dispose: async () => {},
  };
}
