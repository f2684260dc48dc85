import { randomInt } from "node:crypto";
import { ContextOverflowError, QRHeadError } from "../errors.ts";
import { readHeadFile } from "../heads/head-file.ts";
import { resolveHeads } from "../heads/spec.ts";
import { builtInNameOf } from "../model/built-in.ts";
import type { LoadedModel } from "../model/model.ts";
import { assertWrites } from "../model/writes.ts";
import type { NativeWriter } from "../native/addon-types.ts";
import { callNative, reporter } from "../native/call.ts";
import { valuesOf } from "../options/spec.ts";
import { WRITING } from "../options/writing.ts";
import type { LoadOptions } from "../options.ts";
import { layOutChat } from "../prompt/chat-messages.ts";
import { dateTexts } from "../prompt/template-values.ts";
import type { ChatMessage } from "../types.ts";
import { defaultThreads } from "../util/threads.ts";
import type { GenerateOptions, GenerateResult } from "./options.ts";
import { StreamedText } from "./streamed-text.ts";

/** Contexts grow in steps, so that conversations that grow keep theirs for a while. */
const CONTEXT_STEP = 1024;

const DEFAULTS = valuesOf(WRITING);

/**
 * Writes with the weights that a retriever has loaded, in a context of its own: the retriever's holds no upper layers. Not
 * for two calls at a time.
 *
 * The context stays after a call, with what was read into it: messages that begin as the last ones did are read from where
 * they differ on.
 */
export class TextWriter {
  readonly #model: LoadedModel;
  readonly #options: LoadOptions;
  #native: NativeWriter | undefined;
  /** Heads that the context is without, as text. */
  #without = "";

  constructor(model: LoadedModel, options: LoadOptions) {
    this.#model = model;
    this.#options = options;
  }

  /**
   * The tokens of messages in the model's chat template.
   *
   * @throws InputError for a slim file. @throws QRHeadError `MODEL_UNSUPPORTED` for the built-in model, encoders and models
   * that embed or score; `CHAT_TEMPLATE` for a model without a template, and as `layOutChat`.
   */
  async tokensOf(messages: readonly ChatMessage[], signal?: AbortSignal): Promise<Int32Array> {
    const { info, library, native } = this.#model;
    const template = this.#assertWrites();
    const pieces = layOutChat(template, messages, info, dateTexts(new Date()));
    const { tokens } = await callNative(library.addon, signal, (cancellation) => native.tokenize(pieces, cancellation));
    return tokens;
  }

  /**
   * Reads messages and writes the answer to them.
   *
   * @throws ContextOverflowError where the messages leave no room for an answer. @throws What `tokensOf` throws, and
   * QRHeadError `CONTEXT_FAILED`, `ENGINE_FAILED`.
   */
  async write(
    messages: readonly ChatMessage[],
    options: GenerateOptions,
    onText: (text: string) => void,
  ): Promise<GenerateResult> {
    const began = performance.now();
    return this.writeBehind(await this.tokensOf(messages, options.signal), options, onText, began);
  }

  /**
   * Reads tokens of a prompt and writes what comes after them.
   *
   * @throws ContextOverflowError where they leave no room for a text; InputError for `withoutHeads` that the model lacks.
   * @throws QRHeadError `CONTEXT_FAILED`, `ENGINE_FAILED`; `MODEL_UNSUPPORTED` for heads that cannot be taken out.
   */
  async writeBehind(
    prompt: Int32Array,
    options: GenerateOptions,
    onText: (text: string) => void,
    began = performance.now(),
  ): Promise<GenerateResult> {
    const { signal, onProgress, stop = [], cachePrompt = true } = options;
    const { temperature = DEFAULTS.temperature, topK = DEFAULTS.topK, topP = DEFAULTS.topP } = options;
    const { repeatPenalty = DEFAULTS.repeatPenalty } = options;
    const { seed = randomInt(2 ** 32 - 1) } = options;
    const trained = this.#model.info.trainContextSize || Number.POSITIVE_INFINITY;
    const limit = Math.min(options.contextSize ?? Number.POSITIVE_INFINITY, trained);
    if (prompt.length >= limit) throw noRoom(prompt.length, limit, trained);
    const maxTokens = Math.min(options.maxTokens ?? DEFAULTS.maxTokens, limit - prompt.length);
    const native = await this.#contextFor(prompt.length + maxTokens, limit, options);
    return callNative(this.#model.library.addon, signal, async (cancellation, guard) => {
      const progress = reporter(onProgress, "prompt", prompt.length);
      const drawing = { temperature, topK, topP, repeatPenalty, seed, afresh: !cachePrompt };
      const cachedTokens = await native.read(prompt, drawing, cancellation, onProgress && guard(progress.report));
      progress.finish();
      const read = performance.now();
      const text = new StreamedText(typeof stop === "string" ? [stop] : stop);
      let stopped: GenerateResult["stopped"] = "maxTokens";
      let answerTokens = 0;
      const show = (piece: string) => {
        if (piece !== "") onText(piece);
      };
      while (answerTokens < maxTokens && stopped === "maxTokens") {
        const token = await native.next(cancellation);
        if (token.end) {
          stopped = "end";
          break;
        }
        answerTokens++;
        show(text.add(token.text));
        if (text.ended) stopped = "stop";
      }
      show(text.finish());
      if (text.ended) stopped = "stop";
      return {
        stopped,
        usage: { promptTokens: prompt.length, cachedTokens, answerTokens },
        timings: { readMs: read - began, writeMs: performance.now() - read },
      };
    });
  }

  async dispose(): Promise<void> {
    const native = this.#native;
    this.#native = undefined;
    await native?.dispose();
  }

  /** A context that holds this many tokens: the one there is, or a larger one or one with other heads in its place. */
  async #contextFor(tokens: number, limit: number, { signal, withoutHeads }: GenerateOptions): Promise<NativeWriter> {
    const { identity } = this.#model;
    const without = withoutHeads === undefined ? [] : resolveHeads(withoutHeads, identity, readHeadFile).heads;
    const named = without.join(" ");
    if (this.#native && this.#native.contextSize >= tokens && this.#without === named) return this.#native;
    await this.dispose();
    this.#without = named;
    const { batchSize, threads, cacheTypeK, cacheTypeV, flashAttention, gpu, gpuLayers } = this.#options;
    const native = {
      contextSize: Math.min(limit, Math.ceil(tokens / CONTEXT_STEP) * CONTEXT_STEP),
      batchSize: batchSize ?? 512,
      threads: threads ?? defaultThreads(),
      cacheTypeK: cacheTypeK ?? "f16",
      cacheTypeV: cacheTypeV ?? "f16",
      flashAttention: flashAttention ?? true,
      offloadKqv: gpu !== false && gpuLayers !== 0,
      withoutHeads: Int32Array.from(without.flat()),
    };
    this.#native = await callNative(this.#model.library.addon, signal, (cancellation) =>
      this.#model.native.createWriter(native, cancellation),
    );
    return this.#native;
  }

  /** The chat template, of a model that can write. */
  #assertWrites(): string {
    const { identity, path } = this.#model;
    const { fileName, metadata, chatTemplate } = identity;
    const builtIn = builtInNameOf(path);
    if (builtIn) {
      throw new QRHeadError("MODEL_UNSUPPORTED", `The built-in model ${builtIn} was made to rank and writes no text`, {
        advice: "load a chat model",
      });
    }
    assertWrites(fileName, (key) => metadata[key]);
    if (chatTemplate?.trim()) return chatTemplate;
    throw new QRHeadError(
      "CHAT_TEMPLATE",
      `Model ${fileName} has no chat template and is probably a base model, which continues a text instead of answering`,
      { advice: "load a chat model" },
    );
  }
}

function noRoom(promptTokens: number, limit: number, trained: number): ContextOverflowError {
  const larger = promptTokens < trained ? `use a contextSize of at least ${promptTokens + 1}, or ` : "";
  const advice = `${larger}pass fewer or shorter messages, which must leave room for an answer`;
  return new ContextOverflowError(promptTokens + 1, limit, "The prompt", advice, promptTokens);
}
