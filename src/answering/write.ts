import type { ChatHistoryItem, ChatWrapper, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import { QRHeadError } from "../errors.ts";
import { importNodeLlamaCpp } from "../native/node-llama-cpp.ts";
import type { ChatMessage } from "../types.ts";
import { plainText } from "./assemble.ts";
import type { AskOptions } from "./options.ts";

export type WriteOptions = Pick<AskOptions, "threads" | "onText" | "signal"> & {
  maxTokens: number;
  temperature: number;
  repeatPenalty: number;
  /** Tokens of the context. */
  size: number;
  /** Called as the prompt is read, with its tokens. */
  onRead?: ((done: number, total: number) => void) | undefined;
};

export type Written = { answer: string; stopped: "end" | "maxTokens" };

/** Tokens that a penalty for repetition looks back on. */
const PENALTY_TOKENS = 64;

/** Whether the model has no chat template, so that it was most likely not trained to answer: a base model. */
export function isBase({ fileInfo }: LlamaModel): boolean {
  return !fileInfo.metadata.tokenizer?.chat_template?.trim();
}

/** Tokens of the whole prompt. */
export async function promptTokens(model: LlamaModel, messages: readonly ChatMessage[]): Promise<Token[]> {
  return isBase(model) ? baseTokens(model, messages) : chatTokens(await wrapperOf(model), model, messages);
}

/** Cached by file and template: node-llama-cpp tries its own templates to find it, which takes seconds. */
const wrappers = new Map<string, ChatWrapper>();

async function wrapperOf(model: LlamaModel): Promise<ChatWrapper> {
  const { resolveChatWrapper } = await importNodeLlamaCpp();
  const key = `${model.filename}\n${model.fileInfo.metadata.tokenizer.chat_template}`;
  const wrapper = wrappers.get(key) ?? resolveChatWrapper(model);
  wrappers.set(key, wrapper);
  return wrapper;
}

/**
 * Reads the prompt and writes the answer, in a context of its own: as the model's chat template has it, or as plain text that
 * ends at a line break where it has none.
 *
 * @throws QRHeadError `ENGINE_FAILED`.
 */
export async function write(
  model: LlamaModel,
  messages: readonly ChatMessage[],
  options: WriteOptions,
): Promise<Written> {
  const { size, threads, signal } = options;
  try {
    const context = await model.createContext({
      contextSize: size,
      ...(threads !== undefined && { threads }),
      ...(signal && { createSignal: signal }),
    });
    try {
      const sequence = context.getSequence();
      return await (isBase(model)
        ? complete(model, sequence, messages, options)
        : chat(model, sequence, messages, options));
    } finally {
      await context.dispose();
    }
  } catch (error) {
    signal?.throwIfAborted();
    const reason = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
    throw new QRHeadError("ENGINE_FAILED", `The generator failed: ${reason}`, { cause: error });
  }
}

async function chat(
  model: LlamaModel,
  contextSequence: LlamaContextSequence,
  messages: readonly ChatMessage[],
  options: WriteOptions,
): Promise<Written> {
  const { LlamaChat } = await importNodeLlamaCpp();
  const session = new LlamaChat({ contextSequence, chatWrapper: await wrapperOf(model) });
  const tokens = chatTokens(session.chatWrapper, model, messages);
  await read(contextSequence, tokens, options);
  const { response, metadata } = await session.generateResponse(historyOf(session.chatWrapper, messages), {
    ...sampling(tokens, options),
    // The context is never shifted: the answer ends before the context is full.
    contextShift: { size: 1 },
    ...(options.onText && { onTextChunk: options.onText }),
    ...(options.signal && { signal: options.signal }),
  });
  return { answer: response, stopped: metadata.stopReason === "maxTokens" ? "maxTokens" : "end" };
}

/** A base model continues the text, so only the first line of its answer is an answer. */
async function complete(
  model: LlamaModel,
  contextSequence: LlamaContextSequence,
  messages: readonly ChatMessage[],
  options: WriteOptions,
): Promise<Written> {
  const { LlamaCompletion } = await importNodeLlamaCpp();
  const completion = new LlamaCompletion({ contextSequence });
  const tokens = baseTokens(model, messages);
  await read(contextSequence, tokens, options);
  const line = new AbortController();
  let answer = "";
  let ended = false;
  const { metadata } = await completion.generateCompletionWithMeta(tokens, {
    ...sampling(tokens, options),
    signal: options.signal ? AbortSignal.any([options.signal, line.signal]) : line.signal,
    stopOnAbortSignal: true,
    onTextChunk: (text) => {
      if (ended) return;
      const [first, ...rest] = `${answer}${text}`.trimStart().split(/[\r\n]/);
      const added = first!.slice(answer.length);
      answer = first!;
      if (added !== "") options.onText?.(added);
      ended = rest.length > 0;
      if (ended) line.abort();
    },
  });
  options.signal?.throwIfAborted();
  return { answer, stopped: !ended && metadata.stopReason === "maxTokens" ? "maxTokens" : "end" };
}

/** Reads the prompt except its last token in batches, because the library's own reading reports no progress. */
async function read(
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
  { onRead, signal }: WriteOptions,
): Promise<void> {
  const total = tokens.length - 1;
  const { batchSize } = sequence.context;
  for (let begin = 0; begin < total; begin += batchSize) {
    onRead?.(begin, total);
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(begin, Math.min(total, begin + batchSize)));
    signal?.throwIfAborted();
  }
  onRead?.(total, total);
}

function sampling(tokens: readonly Token[], { size, maxTokens, temperature, repeatPenalty }: WriteOptions) {
  return {
    maxTokens: Math.max(1, Math.min(maxTokens, size - tokens.length - 2)),
    temperature,
    repeatPenalty: repeatPenalty === 1 ? (false as const) : { lastTokens: PENALTY_TOKENS, penalty: repeatPenalty },
  };
}

function historyOf(wrapper: ChatWrapper, messages: readonly ChatMessage[]): ChatHistoryItem[] {
  const [first, ...rest] = messages;
  const turns = rest.map(({ role, content }): ChatHistoryItem => {
    return role === "assistant" ? { type: "model", response: [content] } : { type: role, text: content };
  });
  return [...wrapper.generateInitialChatHistory({ systemPrompt: first!.content }), ...turns];
}

function chatTokens(wrapper: ChatWrapper, { tokenizer }: LlamaModel, messages: readonly ChatMessage[]): Token[] {
  const chatHistory = [...historyOf(wrapper, messages), { type: "model" as const, response: [] }];
  return wrapper.generateContextState({ chatHistory }).contextText.tokenize(tokenizer);
}

function baseTokens(model: LlamaModel, messages: readonly ChatMessage[]): Token[] {
  const tokens = model.tokenize(`${plainText(messages)}\nAnswer:`);
  const { bos, shouldPrependBosToken } = model.tokens;
  return shouldPrependBosToken && bos !== null ? [bos, ...tokens] : tokens;
}
