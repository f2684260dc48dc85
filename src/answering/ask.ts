import { type ChunkDocumentsOptions, type ChunkPlace, chunkDocuments, placesOf } from "../documents/chunk-documents.ts";
import { type DocumentInput, normalizeDocuments } from "../documents/documents.ts";
import type { ReadText } from "../documents/read-files.ts";
import { ContextOverflowError, InputError, invalidArgument, QRHeadError } from "../errors.ts";
import type { LoadOptions, Progress, RankOptions } from "../options.ts";
import type { RankResult } from "../ranking/results.ts";
import { Corpus } from "../reading/corpus/corpus.ts";
import { QRRetriever } from "../retriever.ts";
import type { RankDocument } from "../types.ts";
import {
  type AssembledContext,
  type AssembleOptions,
  assembleContext,
  DEFAULT_INSTRUCTION,
  toMessages,
} from "./assemble.ts";
import { type OpenModel, openModel } from "./generator.ts";

export type AskOptions = Pick<AssembleOptions, "topK" | "order" | "neighbours"> &
  Pick<ChunkDocumentsOptions, "chunkTokens" | "chunk"> & {
    /** GGUF that answers; any chat model. */
    model: string;
    /**
     * What retrieves: loaded, or how to load it. Defaults to the built-in model. A slim file will do. A corpus has its own.
     */
    retriever?: QRRetriever | LoadOptions | undefined;
    /**
     * `"independent"` reads each chunk by itself, and a loaded retriever then keeps the chunks for the next question. Defaults
     * to what the retriever was loaded with, else to `"listwise"`: windows of as many chunks as a prompt holds.
     */
    layout?: RankOptions["layout"];
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

/** A chunk that the answer was given from, and where it stands in its document. */
export type AskSource = AssembledContext["sources"][number] & ChunkPlace;

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
 * A corpus of chunks (`retriever.corpus(await chunkDocuments(retriever, documents))`) is ranked as it is: it has been read,
 * stays read whatever becomes of the answer, and can be saved. Its documents need not be chunks.
 *
 * Retriever and generator are two models in memory, also when they are one file: the weights are mapped and the pages
 * shared, the caches are not, since the retriever's cache holds no upper layers.
 *
 * @throws InputError for a blank question, no documents, or wrong options; what loading and ranking throw.
 * @throws ContextOverflowError when instruction, question and answer leave no room for sources.
 */
export async function ask(
  query: string,
  documents: readonly (DocumentInput | ReadText)[] | Corpus,
  options: AskOptions,
): Promise<AskResult> {
  const began = performance.now();
  const { signal, onProgress, onText, maxTokens = 512, instruction = DEFAULT_INSTRUCTION } = options;
  if (typeof query !== "string" || query.trim() === "")
    throw invalidArgument("query", "a text that is not blank", query);
  if (!(Number.isInteger(maxTokens) && maxTokens >= 1))
    throw invalidArgument("maxTokens", "an integer of at least 1", maxTokens);
  const { threads, gpu } = options;
  const library = await openLibrary(documents, options);
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

    const { chunks, places, rank } = await library.chunks();
    const ranking = await rank(query);
    const pieces = chunks.map((chunk, index) => ({ ...chunk, score: 0, group: places[index]!.documentId }));
    for (const { index, score } of ranking.results) pieces[index]!.score = score;
    const { topK, order, neighbours } = options;
    const context = await assembleContext(pieces, { topK, order, neighbours, budgetTokens, countTokens: count });
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
      sources: context.sources.map((source) => ({ ...source, ...places[source.index]! })),
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
    await library.close();
  }
}

/** What answers are taken from. */
type Library = {
  chunks(): Promise<{
    chunks: RankDocument[];
    places: ChunkPlace[];
    rank: (query: string) => Promise<RankResult>;
  }>;
  close(): Promise<void>;
};

async function openLibrary(
  documents: readonly (DocumentInput | ReadText)[] | Corpus,
  options: AskOptions,
): Promise<Library> {
  const { signal, onProgress, threads, gpu, chunkTokens, chunk, layout } = options;
  const call = { signal, onProgress };
  if (documents instanceof Corpus) {
    const useless = (["retriever", "layout", "chunk", "chunkTokens"] as const).find(
      (name) => options[name] !== undefined,
    );
    if (useless)
      throw new InputError("INVALID_ARGUMENT", `Option ${useless} has no use with a corpus, which has been read`);
    const chunks = documents.documents;
    const rank = (query: string) => documents.rank(query, call);
    return { chunks: async () => ({ chunks, places: placesOf(chunks), rank }), close: async () => {} };
  }
  const own = options.retriever instanceof QRRetriever ? undefined : { threads, gpu, ...options.retriever, ...call };
  const retriever = own ? await QRRetriever.load(own) : (options.retriever as QRRetriever);
  return {
    async chunks() {
      const chunks = await chunkDocuments(retriever, documents, { chunkTokens, chunk, signal });
      const ids = normalizeDocuments(documents).map(({ id }) => id);
      const shown = chunks.map((one) => ({ ...one, title: one.title ?? null }));
      return {
        chunks,
        places: placesOf(chunks, ids),
        rank: (query) => retriever.rank(query, shown, { layout, ...call }),
      };
    },
    close: async () => {
      if (own) await retriever.dispose();
    },
  };
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
