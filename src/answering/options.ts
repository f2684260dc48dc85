import { z } from "zod";
import type { ChunkDocumentsOptions } from "../documents/chunk-documents.ts";
import { invalidArgument } from "../errors.ts";
import {
  abortSignal,
  callback,
  integer,
  type LoadOptions,
  type Progress,
  parseLoadOptions,
  parseOptions,
  type RankOptions,
} from "../options.ts";
import { QRRetriever } from "../retriever.ts";
import type { AssembleOptions } from "./assemble.ts";

/** Chunks that an answer is given from by default: more of them make small models lose the thread. */
export const DEFAULT_TOP_K = 5;

/** How far `ask` has come. `sources`: tokens of the prompt that the generator has read, before its first word. */
export type AskProgress = Progress | { phase: "sources"; done: number; total: number };

export type AskOptions = Pick<AssembleOptions, "order" | "neighbours"> &
  Pick<ChunkDocumentsOptions, "chunkTokens" | "chunk"> & {
    /** GGUF that answers; any chat model, or a base model, which is asked in plain text. */
    model: string;
    /**
     * What retrieves: loaded, or how to load it. Defaults to the built-in model. A slim file will do. A corpus has its own; a
     * loaded one beside it writes, where it has the file that answers.
     */
    retriever?: QRRetriever | LoadOptions | undefined;
    /**
     * `"independent"` reads each chunk by itself, and a loaded retriever then keeps the chunks for the next question. Defaults
     * to what the retriever was loaded with, else to `"listwise"`: windows of as many chunks as a prompt holds.
     */
    layout?: RankOptions["layout"];
    /**
     * Chunks to answer from at most, neighbours not counted, at least 1. Defaults to 5, and to as many as fit where
     * `budgetTokens` is given. Chunks that score no higher than nothing are not shown.
     */
    topK?: number | undefined;
    /** Tokens of the sources in the generator's prompt, at least 1. Defaults to what its context leaves. */
    budgetTokens?: number | undefined;
    /** Tokens of the generator's context, 64 to 2²⁷. Defaults to 4096, or what the model was trained for if that is less. */
    contextSize?: number | undefined;
    /** Tokens that the answer may have, at least 1. Defaults to 512. */
    maxTokens?: number | undefined;
    /** How freely words are drawn, 0 to 10; 0 is greedy. Defaults to 0. */
    temperature?: number | undefined;
    /** Divides the odds of words among the answer's last 64, 1 to 10; 1 is no penalty. Defaults to 1.05. */
    repeatPenalty?: number | undefined;
    /** What the model is told to do. Defaults to answering from the sources and citing them. */
    instruction?: string | undefined;
    /** CPU threads, 1 to 512. Defaults to what loading chooses. */
    threads?: number | undefined;
    gpu?: LoadOptions["gpu"];
    /** Of both models, as when loading one. */
    check?: LoadOptions["check"];
    /** Of both models, as when loading one. */
    checkTensors?: LoadOptions["checkTensors"];
    /** Gets the answer piece by piece. */
    onText?: ((text: string) => void) | undefined;
    onProgress?: ((progress: AskProgress) => void) | undefined;
    /** Stops retrieving and generating. */
    signal?: AbortSignal | undefined;
  };

const schema = z.strictObject({
  model: z.string().min(1),
  retriever: z.any().optional(),
  layout: z.enum(["listwise", "independent"]).optional(),
  topK: integer(1, 2 ** 31),
  budgetTokens: integer(1, 2 ** 31),
  order: z.enum(["given", "number", "date", "score"]).optional(),
  neighbours: integer(0, 2 ** 31),
  chunkTokens: integer(8, 2 ** 31),
  chunk: z.looseObject({}).optional(),
  contextSize: integer(64, 2 ** 27),
  maxTokens: integer(1, 2 ** 31),
  temperature: z.number().min(0).max(10).optional(),
  repeatPenalty: z.number().min(1).max(10).optional(),
  instruction: z.string().regex(/\S/).optional(),
  threads: integer(1, 512),
  gpu: z
    .union([z.literal("auto"), z.literal(false), z.literal("cuda"), z.literal("vulkan"), z.literal("metal")])
    .optional(),
  check: z.enum(["none", "process"]).optional(),
  checkTensors: z.boolean().optional(),
  onText: callback,
  onProgress: callback,
  signal: abortSignal,
});

const EXPECTED: Record<string, string> = {
  model: "the path or hf: URI of a GGUF that answers (the built-in model cannot)",
  layout: '"listwise" or "independent"',
  topK: "an integer of at least 1",
  budgetTokens: "an integer of at least 1",
  order: '"given", "number", "date" or "score"',
  neighbours: "an integer of at least 0",
  chunkTokens: "an integer of at least 8",
  chunk: "an object with by, turn or session",
  contextSize: `an integer from 64 to ${2 ** 27}`,
  maxTokens: "an integer of at least 1",
  temperature: "a number from 0 to 10",
  repeatPenalty: "a number from 1 to 10",
  instruction: "a text that is not blank",
  threads: "an integer from 1 to 512",
  gpu: '"auto", false, "cuda", "vulkan" or "metal"',
  check: '"none" or "process"',
  checkTensors: "true or false",
  onText: "a function",
  onProgress: "a function",
  signal: "an AbortSignal",
};

/** @throws InputError `INVALID_ARGUMENT` for a blank question, no model, an unknown option or a wrong value. */
export function parseAskOptions(query: unknown, options: unknown): AskOptions {
  if (typeof query !== "string" || query.trim() === "")
    throw invalidArgument("query", "a text that is not blank", query);
  const parsed = parseOptions(schema, options, EXPECTED) as AskOptions;
  const { retriever } = parsed;
  if (retriever === undefined || retriever instanceof QRRetriever) return parsed;
  if (typeof retriever !== "object" || retriever === null || Array.isArray(retriever)) {
    throw invalidArgument("retriever", "a QRRetriever, or options to load one", retriever);
  }
  return { ...parsed, retriever: parseLoadOptions(retriever) };
}
