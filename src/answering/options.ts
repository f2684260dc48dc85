import { InputError, invalidArgument } from "../errors.ts";
import { ASKING, RETRIEVING } from "../options/answering.ts";
import { parseOptions } from "../options/parse.ts";
import type { AnsweringOptions, RetrieveOptions } from "../options/types/texts.ts";
import { type LoadOptions, parseLoadOptions } from "../options.ts";
import type { ChatMessage } from "../types.ts";
import { fieldsOf, isObject } from "../util/kinds.ts";
import { parseHistory } from "../writing/options.ts";
import type { RetrieveHost } from "./passages.ts";
import { assertQuestion } from "./retrieve.ts";
import type { Retriever } from "./retriever.ts";

export type { AskProgress } from "../options/progress.ts";

/** The part of node-llama-cpp's `LlamaModel` that answering needs. Its own type is in an optional package. */
export type LoadedLlamaModel = {
  createContext(...options: never[]): Promise<unknown>;
  readonly fileInfo: unknown;
  readonly trainContextSize: number;
};

/** The generator: a GGUF by its path or `hf:` URI, a loaded retriever or model of node-llama-cpp, or a function. */
export type Generate =
  | string
  | Retriever
  | LoadedLlamaModel
  | ((messages: ChatMessage[], options: { signal: AbortSignal | undefined }) => AsyncIterable<string>);

export type AskOptions = Omit<RetrieveOptions, "onProgress" | "signal"> &
  Omit<AnsweringOptions, "generate" | "retriever"> & {
    /** The generator. The built-in model cannot write. */
    generate: Generate;
    /**
     * The retriever: loaded, in this process or another, or options to load one. Defaults to the retriever that answers, else
     * the built-in model. A slim file works. A corpus has its own.
     */
    retriever?: RetrieveHost | LoadOptions | undefined;
  };

/** Options without a use if a function of the caller writes the answer. */
const OF_WRITING = ["maxTokens", "temperature", "repeatPenalty"] as const;

/** @throws InputError `INVALID_ARGUMENT` for a blank question, nothing to answer with, an unknown option or a wrong value. */
export function parseAskOptions(query: unknown, options: unknown): AskOptions {
  assertQuestion(query);
  const parsed = parseOptions({ ...RETRIEVING, ...ASKING }, options) as AskOptions;
  const { generate, retriever, history } = parsed;
  if (!isGenerate(generate)) throw invalidArgument("generate", ASKING.generate.expected, generate);
  const useless = OF_WRITING.find((name) => isFunction(generate) && parsed[name] !== undefined);
  if (useless) {
    throw new InputError("INVALID_ARGUMENT", `Option ${useless} cannot be combined with a function that answers`, {
      option: useless,
    });
  }
  if (history) parsed.history = parseHistory(history);
  if (retriever === undefined) return isRetriever(generate) ? { ...parsed, retriever: generate } : parsed;
  if (isHost(retriever)) return parsed;
  if (!isObject(retriever)) {
    throw invalidArgument("retriever", ASKING.retriever.expected, retriever);
  }
  return { ...parsed, retriever: parseLoadOptions(retriever) };
}

/** The options of a retriever that is to be loaded; undefined for a loaded one. */
export function loadOptionsOf(retriever: AskOptions["retriever"]): LoadOptions | undefined {
  return retriever === undefined || isHost(retriever) ? undefined : retriever;
}

export function isHost(retriever: unknown): retriever is RetrieveHost {
  return typeof fieldsOf<RetrieveHost>(retriever).rank === "function";
}

/** A loaded retriever, in this process or another, which can write. */
export function isRetriever(value: unknown): value is Retriever {
  return isHost(value) && typeof fieldsOf<Retriever>(value).generate === "function";
}

export function isFunction(generate: Generate): generate is Extract<Generate, CallableFunction> {
  return typeof generate === "function";
}

function isGenerate(value: unknown): value is Generate {
  if (typeof value === "string") return value.trim() !== "";
  if (typeof value === "function" || isRetriever(value)) return true;
  return typeof fieldsOf<LoadedLlamaModel>(value).createContext === "function" && "fileInfo" in (value as object);
}
