import { z } from "zod";
import { invalidArgument } from "../errors.ts";
import { abortSignal, callback, integer, parseOptions } from "../options.ts";
import type { ChatMessage } from "../types.ts";

export type GenerateOptions = {
  /** Tokens of the answer at most, at least 1; fewer where the context has no room for them. Defaults to 512. */
  maxTokens?: number | undefined;
  /** How freely words are drawn, 0 to 10; 0 always takes the likeliest. Defaults to 0. */
  temperature?: number | undefined;
  /** Draws among the likeliest tokens that have this share of the probability together, 0 to 1. Defaults to 0.95. */
  topP?: number | undefined;
  /** Draws among this many of the likeliest tokens, at least 0; 0 is all. Defaults to 40. */
  topK?: number | undefined;
  /** Divides the odds of the answer's last 64 tokens, 1 to 10; 1 is no penalty. Defaults to 1. */
  repeatPenalty?: number | undefined;
  /** Of the draws, 0 to 2³² − 2: the same messages then give the same text. Defaults to a random one. */
  seed?: number | undefined;
  /** Texts before which the answer ends, 1 to 16 of them. Defaults to none. */
  stop?: string | readonly string[] | undefined;
  /** Tokens that messages and answer may have together, at least 16. Defaults to what the model was trained for. */
  contextSize?: number | undefined;
  /**
   * Do not read again what the messages begin with if the messages of the last call began with it too. It moves last digits
   * of the probabilities, as any other cut of the prompt does: `false` gives the same draws whatever was written before.
   * Defaults to `true`.
   */
  cachePrompt?: boolean | undefined;
  /** Ends the text within a token; the iteration throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called as the messages are read, with their tokens. */
  onProgress?: ((progress: { phase: "prompt"; done: number; total: number }) => void) | undefined;
};

/** What became of a text. */
export type GenerateResult = {
  /** The model ended it, it came to a text of `stop`, or it has `maxTokens`, or as many as fitted. */
  stopped: "end" | "stop" | "maxTokens";
  usage: {
    promptTokens: number;
    /** Of the prompt, those that were not read again. */
    cachedTokens: number;
    /** Without an end token. */
    answerTokens: number;
  };
  timings: { readMs: number; writeMs: number };
};

/** Pieces of a text as they are written, whole characters each. */
export type TextStream = AsyncGenerator<string, GenerateResult, void>;

const schema = z.strictObject({
  maxTokens: integer(1, 2 ** 31 - 1),
  temperature: z.number().min(0).max(10).optional(),
  topP: z.number().min(0).max(1).optional(),
  topK: integer(0, 2 ** 30),
  repeatPenalty: z.number().min(1).max(10).optional(),
  seed: integer(0, 2 ** 32 - 2),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(16)]).optional(),
  contextSize: integer(16, 2 ** 27),
  cachePrompt: z.boolean().optional(),
  signal: abortSignal,
  onProgress: callback,
});

const EXPECTED: Record<string, string> = {
  maxTokens: "an integer of at least 1",
  temperature: "a number from 0 to 10",
  topP: "a number from 0 to 1",
  topK: "an integer of at least 0",
  repeatPenalty: "a number from 1 to 10",
  seed: `an integer from 0 to ${2 ** 32 - 2}`,
  stop: "a text that is not empty, or 1 to 16 of them",
  contextSize: `an integer from 16 to ${2 ** 27}`,
  cachePrompt: "true or false",
  signal: "an AbortSignal",
  onProgress: "a function",
};

/** @throws InputError `INVALID_ARGUMENT` for an unknown option or a wrong value. */
export function parseGenerateOptions(options: unknown): GenerateOptions {
  return parseOptions(schema, options, EXPECTED) as GenerateOptions;
}

const messageSchema = z.looseObject({ role: z.enum(["system", "user", "assistant"]), content: z.string() });

/** @throws InputError `INVALID_ARGUMENT` for what is no conversation that waits for an answer. */
export function parseMessages(messages: unknown): ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalidArgument("messages", "a list of at least one { role, content }", messages);
  }
  const parsed = messages.map((message, index): ChatMessage => {
    const { success, data } = messageSchema.safeParse(message);
    if (success) return { role: data.role, content: data.content };
    throw invalidArgument(`messages[${index}]`, "{ role: system, user or assistant, content: a text }", message);
  });
  if (parsed.at(-1)!.role !== "user") {
    throw invalidArgument("messages", "a message of the user at the end", parsed.at(-1)!.role);
  }
  return parsed;
}
