import { realpath } from "node:fs/promises";
import { findModelFile } from "../model/model-file.ts";
import type { LoadOptions } from "../options.ts";
import { QRRetriever } from "../retriever.ts";
import { toMessages } from "./assemble.ts";
import { openModel } from "./generator.ts";
import type { AskOptions } from "./options.ts";
import { isBase, promptTokens, type Question, type WriteOptions, type Written, write } from "./write.ts";

/** Who writes the answer: a model that node-llama-cpp has open, or the one that ranks. */
export type Author = {
  /** File name without folder. */
  name: string;
  /** Without a chat template: it is asked in plain text. */
  isBase: boolean;
  /** Tokens that the model was trained for; 0 where the file does not say. */
  trainContextSize: number;
  count: (text: string) => number | Promise<number>;
  /** Tokens of the whole prompt. */
  promptTokens: (question: Question) => Promise<number>;
  write: (question: Question, options: WriteOptions) => Promise<Written>;
  dispose: () => Promise<void>;
};

/** Whether the model that is to answer is the file that ranks, and so can write with the weights that are loaded. */
export async function isOneFile(options: AskOptions): Promise<boolean> {
  const { model, retriever, signal, onProgress } = options;
  const isLoaded = retriever instanceof QRRetriever;
  if (!isLoaded && retriever?.model === undefined) return false;
  const answers = await findModelFile(model, { signal, onProgress });
  const ranks = isLoaded
    ? retriever.model.path
    : await findModelFile(retriever?.model, { ...retriever, signal, onProgress });
  return (await realpath(answers)) === (await realpath(ranks));
}

/**
 * A model opened with node-llama-cpp.
 *
 * @throws What `openModel` throws.
 */
export async function openAuthor(
  file: string,
  options: Pick<LoadOptions, "gpu" | "signal" | "onProgress" | "check" | "checkTensors">,
): Promise<Author> {
  const { model, name, count, dispose } = await openModel(file, options);
  return {
    ...{ name, count, dispose },
    isBase: isBase(model),
    trainContextSize: model.trainContextSize,
    promptTokens: async (question) => (await promptTokens(model, question)).length,
    write: (question, writeOptions) => write(model, question, writeOptions),
  };
}

/** The retriever's own model: one copy of the weights ranks and writes. It stays the caller's. */
export function authorOf(retriever: QRRetriever, signal: AbortSignal | undefined): Author {
  const { fileName, architecture, metadata } = retriever.model;
  const messagesOf = ({ context, query, instruction }: Question) => toMessages(context, query, instruction);
  return {
    name: fileName,
    isBase: false,
    trainContextSize: Number(metadata[`${architecture}.context_length`] ?? 0),
    count: async (text) => (await retriever.tokenize(text, { signal })).tokens.length,
    promptTokens: (question) => retriever.countTokens(messagesOf(question), { signal }),
    write: async (question, { size, maxTokens, temperature, repeatPenalty, onRead, onText, signal: own }) => {
      const stream = retriever.generate(messagesOf(question), {
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
