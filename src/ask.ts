import type { ChunkOptions } from "./chunking/chunk.ts";
import {
  type AssembledContext,
  type AssembleOptions,
  assembleContext,
  type ContextPiece,
  DEFAULT_INSTRUCTION,
  toMessages,
} from "./context/assemble.ts";
import { type DocumentInput, normalizeDocuments } from "./documents.ts";
import { ContextOverflowError, invalidArgument, QRHeadError } from "./errors.ts";
import { type OpenModel, openModel } from "./generator.ts";
import type { LoadOptions, Progress } from "./options.ts";
import type { ReadText } from "./read-files.ts";
import type { RankResult } from "./results.ts";
import { QRRetriever } from "./retriever.ts";

export type AskOptions = Pick<AssembleOptions, "topK" | "order" | "neighbours"> & {
  /** GGUF that answers; any chat model. */
  model: string;
  /** What retrieves: loaded, or how to load it. Defaults to the built-in model. A slim file will do. */
  retriever?: QRRetriever | LoadOptions | undefined;
  /** Tokens of the chunks that texts are cut into, at least 8. Defaults to 200. */
  chunkTokens?: number | undefined;
  /** How texts are cut; by default as their file's ending says, else at paragraphs. */
  chunk?: Pick<ChunkOptions, "by" | "turn" | "session"> | undefined;
  /** Tokens of the sources in the generator's prompt. Defaults to what its context leaves. */
  budgetTokens?: number | undefined;
  /** Tokens of the generator's context. Defaults to 4096, or what the model was trained for if that is less. */
  contextSize?: number | undefined;
  /** Tokens that the answer may have, at least 1. Defaults to 512. */
  maxTokens?: number | undefined;
  /** 0 is greedy. Defaults to 0. */
  temperature?: number | undefined;
  /** What the model is told to do. Defaults to answering from the sources and citing them. */
  instruction?: string | undefined;
  threads?: number | undefined;
  gpu?: LoadOptions["gpu"];
  /** Gets the answer piece by piece. */
  onText?: ((text: string) => void) | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Stops retrieving and generating. */
  signal?: AbortSignal | undefined;
};

export type AskSource = AssembledContext["sources"][number] & {
  /** The document that the chunk is from, by its position and id; half-open in UTF-16 units of its text. */
  document: number;
  documentId: string;
  begin: number;
  end: number;
};

export type AskResult = {
  answer: string;
  /** Why the answer ended: the model ended it, or it reached `maxTokens`. */
  stopped: "end" | "maxTokens";
  sources: AskSource[];
  usage: { chunks: number; retrievalTokens: number; contextTokens: number; budgetTokens: number; answerTokens: number };
  timings: { retrieveMs: number; loadMs: number; generateMs: number; totalMs: number };
  windows?: RankResult["windows"];
};

/** Tokens that a chat template and the labels may add beyond those counted. */
const TEMPLATE_ROOM = 64;

/**
 * Answers a question from documents: cuts them into chunks, ranks these, puts the best that fit into the generator's prompt
 * in their original order, and generates.
 *
 * Retriever and generator are two models in memory, also when they are one file: the weights are mapped and the pages
 * shared, the caches are not, since the retriever's cache holds no upper layers.
 *
 * @throws InputError for a blank question, no documents, or wrong options; what loading and ranking throw.
 * @throws ContextOverflowError when instruction, question and answer leave no room for sources.
 */
export async function ask(
  query: string,
  documents: readonly (DocumentInput | ReadText)[],
  options: AskOptions,
): Promise<AskResult> {
  const began = performance.now();
  const { signal, onProgress, onText, maxTokens = 512, chunkTokens = 200, instruction = DEFAULT_INSTRUCTION } = options;
  if (typeof query !== "string" || query.trim() === "")
    throw invalidArgument("query", "a text that is not blank", query);
  for (const [name, value, least] of [
    ["maxTokens", maxTokens, 1],
    ["chunkTokens", chunkTokens, 8],
  ] as const) {
    if (!(Number.isInteger(value) && value >= least))
      throw invalidArgument(name, `an integer of at least ${least}`, value);
  }
  const own = !(options.retriever instanceof QRRetriever);
  const { threads, gpu } = options;
  const retriever = own
    ? await QRRetriever.load({ threads, gpu, ...(options.retriever as LoadOptions | undefined), signal, onProgress })
    : (options.retriever as QRRetriever);
  let generator: OpenModel | undefined;
  try {
    const loading = performance.now();
    generator = await openModel(options.model, { gpu, signal, onProgress });
    const loadMs = performance.now() - loading;
    const { count } = generator;
    const size = Math.min(options.contextSize ?? 4096, generator.model.trainContextSize || Number.POSITIVE_INFINITY);
    const fixed =
      toMessages("", query, instruction).reduce((sum, { content }) => sum + count(content), 0) +
      TEMPLATE_ROOM +
      maxTokens;
    const budgetTokens = Math.min(options.budgetTokens ?? size, size - fixed);
    if (budgetTokens < 1) throw new ContextOverflowError(fixed + 1, size, "The question with its answer");

    const { pieces, places } = await cut(retriever, documents, options.chunk, chunkTokens);
    const ranking = await retriever.rank(
      query,
      pieces.map(({ id, title, text }) => ({ id, title: title ?? null, text })),
      { signal, onProgress },
    );
    // With a place in the ranking as the score: what merged windows say is an order first.
    for (const [rank, { index }] of ranking.results.entries()) pieces[index]!.score = -rank;
    const { topK, order, neighbours } = options;
    const context = await assembleContext(pieces, { topK, order, neighbours, budgetTokens, countTokens: count });
    const scores = new Map(ranking.results.map(({ index, score }) => [index, score]));
    const retrieved = performance.now();

    const generated = await generate(generator, toMessages(context.text, query, instruction), {
      size,
      maxTokens,
      temperature: options.temperature ?? 0,
      threads,
      onText,
      signal,
    });
    const ended = performance.now();
    return {
      ...generated,
      sources: context.sources.map((source) => ({
        ...source,
        score: scores.get(source.index)!,
        ...places[source.index]!,
      })),
      usage: {
        chunks: pieces.length,
        retrievalTokens: ranking.usage.promptTokens,
        contextTokens: context.tokens,
        budgetTokens,
        answerTokens: count(generated.answer),
      },
      timings: {
        retrieveMs: retrieved - began - loadMs,
        loadMs,
        generateMs: ended - retrieved,
        totalMs: ended - began,
      },
      ...(ranking.windows && { windows: ranking.windows }),
    };
  } finally {
    await generator?.dispose();
    if (own) await retriever.dispose();
  }
}

type Place = Pick<AskSource, "document" | "documentId" | "begin" | "end">;

async function cut(
  retriever: QRRetriever,
  inputs: readonly (DocumentInput | ReadText)[],
  how: AskOptions["chunk"],
  size: number,
) {
  const documents = normalizeDocuments(inputs);
  const pieces: ContextPiece[] = [];
  const places: Place[] = [];
  for (const [document, { id, title, text }] of documents.entries()) {
    const input = inputs[document];
    const by = typeof input === "object" && "by" in input ? input.by : undefined;
    for (const { begin, end, text: part } of await retriever.chunk(text, { by, ...how, size })) {
      if (part.trim() === "") continue;
      pieces.push({ id: `${id}#${begin}-${end}`, ...(title && { title }), text: part, score: 0, group: id });
      places.push({ document, documentId: id, begin, end });
    }
  }
  if (pieces.length === 0) throw invalidArgument("documents", "at least one text that is not blank", documents.length);
  return { pieces, places };
}

type GenerateOptions = { size: number; maxTokens: number; temperature: number } & Pick<
  AskOptions,
  "threads" | "onText" | "signal"
>;

async function generate({ model }: OpenModel, messages: ReturnType<typeof toMessages>, options: GenerateOptions) {
  const { size, maxTokens, temperature, threads, onText, signal } = options;
  const { LlamaChatSession } = await import("node-llama-cpp");
  try {
    const context = await model.createContext({
      contextSize: size,
      ...(threads !== undefined && { threads }),
      ...(signal && { createSignal: signal }),
    });
    try {
      const [system, user] = messages;
      const session = new LlamaChatSession({ contextSequence: context.getSequence(), systemPrompt: system!.content });
      const { responseText, stopReason } = await session.promptWithMeta(user!.content, {
        maxTokens,
        temperature,
        ...(onText && { onTextChunk: onText }),
        ...(signal && { signal }),
      });
      session.dispose();
      return { answer: responseText, stopped: stopReason === "maxTokens" ? ("maxTokens" as const) : ("end" as const) };
    } finally {
      await context.dispose();
    }
  } catch (error) {
    signal?.throwIfAborted();
    const reason = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
    throw new QRHeadError("ENGINE_FAILED", `The generator failed: ${reason}`, { cause: error });
  }
}
