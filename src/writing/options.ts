import { invalidArgument } from "../errors.ts";
import { parseOptions } from "../options/parse.ts";
import type { GenerateOptions } from "../options/types/texts.ts";
import { WRITING } from "../options/writing.ts";
import type { ChatMessage } from "../types.ts";
import { assertList } from "../util/given.ts";
import { fieldsOf, isList } from "../util/kinds.ts";

export type { GenerateOptions } from "../options/types/texts.ts";

/** How a text ended, and what it cost. */
export type GenerateResult = {
  /** The model ended it, a text of `stop` occurred, or it reached `maxTokens` or the end of the context. */
  stopped: "end" | "stop" | "maxTokens";
  usage: {
    promptTokens: number;
    /** Tokens of the prompt that were in the cache. */
    cachedTokens: number;
    /** Without an end token. */
    answerTokens: number;
  };
  /** Milliseconds; `waitMs`: how long the call waited for earlier ones. */
  timings: { waitMs?: number; readMs: number; writeMs: number };
};

/** Pieces of a text as they are written, each of whole characters. */
export type TextStream = AsyncGenerator<string, GenerateResult, void>;

/** @throws InputError `INVALID_ARGUMENT` for an unknown option or a wrong value. */
export function parseGenerateOptions(options: unknown): GenerateOptions {
  return parseOptions(WRITING, options) as GenerateOptions;
}

const ROLES: readonly unknown[] = ["system", "user", "assistant"];

function isMessage(value: unknown): value is ChatMessage {
  const { role, content } = fieldsOf<ChatMessage>(value);
  return ROLES.includes(role) && typeof content === "string";
}

/** @throws InputError `INVALID_ARGUMENT` for what is no conversation that waits for an answer. */
export function parseMessages(messages: unknown): ChatMessage[] {
  if (!isList(messages) || messages.length === 0) {
    throw invalidArgument("messages", "a list of at least one { role, content }", messages);
  }
  const parsed = Array.from(messages as unknown[], (message, index): ChatMessage => {
    if (isMessage(message)) return { role: message.role, content: message.content };
    throw invalidArgument(`messages[${index}]`, "{ role: system, user or assistant, content: a text }", message);
  });
  if (parsed.at(-1)!.role !== "user") {
    throw invalidArgument("messages", "a message of the user at the end", parsed.at(-1)!.role);
  }
  return parsed;
}

/** Earlier messages; the question comes after them, so that any may be the last. */
export function parseHistory(history: unknown): ChatMessage[] {
  assertList(history, "history", "a list of messages");
  return parseMessages([...history, { role: "user", content: "?" }]).slice(0, -1);
}
