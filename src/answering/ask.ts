import { chunkDocuments } from "../documents/chunk-documents.ts";
import { type DocumentInput, someDocuments } from "../documents/documents.ts";
import { type ChunkPlace, placesOf } from "../documents/places.ts";
import type { ReadText } from "../documents/read-files.ts";
import { ContextOverflowError, InputError, isQRHeadError } from "../errors.ts";
import { Corpus } from "../ranking/corpus.ts";
import type { RankResult } from "../ranking/results.ts";
import { QRRetriever } from "../retriever.ts";
import type { RankDocument } from "../types.ts";
import { type AssembledContext, assembleContext } from "./assemble.ts";
import { type Author, authorOf, isOneFile, openAuthor } from "./author.ts";
import { citationsIn } from "./citations.ts";
import { type AskOptions, DEFAULT_TOP_K, parseAskOptions } from "./options.ts";

/** A chunk that was shown to the generator: its text, its score, and where it stands. */
export type AskSource = AssembledContext["sources"][number] & ChunkPlace & { text: string };

export type AskResult = {
  answer: string;
  /** Why the answer ended: the model ended it, or it reached `maxTokens`. */
  stopped: "end" | "maxTokens";
  /** What the answer cites, in the order of their numbers; all that was shown, best first, where it cites none. */
  sources: AskSource[];
  /** Whether `sources` are those that the answer cites. */
  cites: boolean;
  /** All that was shown to the generator, in the order of their numbers. */
  shown: AskSource[];
  usage: {
    chunks: number;
    /** Chunks that score no higher than nothing, the null query's attention, and are never shown. */
    irrelevantChunks: number;
    retrievalTokens: number;
    contextTokens: number;
    budgetTokens: number;
    answerTokens: number;
  };
  timings: { retrieveMs: number; loadMs: number; generateMs: number; totalMs: number };
  warnings: string[];
  windows?: RankResult["windows"];
};

/** The score of a document that gets no more attention from the query than from the null query. */
const NOTHING = 0;
const IRRELEVANT_WARNING = "no chunk scores higher than nothing: the documents may not hold an answer";
/** Tokens by which parts of a prompt may differ from the whole. */
const ROOM = 16;

/**
 * Answers a question from documents: cuts them into chunks, ranks these, puts the best into the generator's prompt in their
 * original order, and generates.
 *
 * A corpus of chunks (`retriever.corpus(await chunkDocuments(retriever, documents))`) is ranked as it is: it has been read,
 * stays read whatever becomes of the answer, and can be saved. Its documents need not be chunks.
 *
 * Where the model that answers is the retriever's own file and has a chat template that `retriever.generate` can use, one
 * copy of the weights does both jobs. Any other model is opened with node-llama-cpp beside the retriever.
 *
 * @throws InputError for a blank question, no documents, no model, wrong options, or a slim file as the model; what loading
 * and ranking throw. @throws QRHeadError `MODEL_UNSUPPORTED` for a model that writes no text.
 * @throws ContextOverflowError when instruction, question and answer leave no room for sources.
 * @example
 * const { answer, sources } = await ask("Who wrote it?", ["Ada wrote it."], { model: "chat.gguf" });
 */
export async function ask(query: string, documents: AskDocuments, given: AskOptions): Promise<AskResult> {
  const began = performance.now();
  const options = parseAskOptions(query, given);
  const { signal, onProgress, onText, instruction, budgetTokens: budget, order, neighbours, threads } = options;
  const { maxTokens = 512, temperature = 0, repeatPenalty = 1.05 } = options;
  checkLibrary(documents, options);
  // First: what it cannot do is said before anything is read.
  const { author, retriever } = await openAuthors(options);
  let library: Library | undefined;
  try {
    const loadMs = performance.now() - began;
    const { count } = author;
    const size = Math.min(options.contextSize ?? 4096, author.trainContextSize || Number.POSITIVE_INFINITY);
    const fixed = (await author.promptTokens({ context: "", query, instruction })) + ROOM + maxTokens;
    const budgetTokens = Math.min(budget ?? size, size - fixed);
    if (budgetTokens < 1) throw new ContextOverflowError(fixed + 1, size, "The question with its answer");

    library = await openLibrary(documents, options, retriever);
    const { chunks, places, rank } = library;
    const ranking = await rank(query);
    const scores = new Map(ranking.results.map(({ index, score }) => [index, score]));
    const pieces = chunks.map((chunk, i) => ({ ...chunk, score: scores.get(i)!, group: places[i]!.documentId }));
    const irrelevant = pieces.filter(({ score }) => score <= NOTHING).length;
    const isAnyRelevant = irrelevant < pieces.length;
    const topK = options.topK ?? (budget === undefined ? DEFAULT_TOP_K : undefined);
    const context = await assembleContext(pieces, {
      ...{ topK, order, neighbours, budgetTokens, countTokens: count },
      above: isAnyRelevant ? NOTHING : undefined,
    });
    const retrieved = performance.now();

    const written = await author.write(
      { context: context.text, query, instruction },
      {
        ...{ size, maxTokens, temperature, repeatPenalty, threads, onText, signal },
        onRead: (done, total) => onProgress?.({ phase: "sources", done, total }),
      },
    );
    const ended = performance.now();
    const shown = context.sources.map((source): AskSource => {
      return { ...source, ...places[source.index]!, text: chunks[source.index]!.text };
    });
    const cited = new Set(citationsIn(written.answer, shown.length));
    return {
      ...written,
      sources:
        cited.size > 0
          ? shown.filter(({ citation }) => cited.has(citation))
          : shown.toSorted((a, b) => b.score - a.score),
      cites: cited.size > 0,
      shown,
      usage: {
        chunks: chunks.length,
        irrelevantChunks: isAnyRelevant ? irrelevant : 0,
        retrievalTokens: ranking.usage.promptTokens,
        contextTokens: context.tokens,
        budgetTokens,
        answerTokens: await count(written.answer),
      },
      timings: {
        retrieveMs: retrieved - began - loadMs,
        loadMs,
        generateMs: ended - retrieved,
        totalMs: ended - began,
      },
      warnings: [
        ...(author.isBase ? [baseWarning(author.name)] : []),
        // A chunk alone has nothing to stand out from.
        ...(isAnyRelevant || chunks.length === 1 ? [] : [IRRELEVANT_WARNING]),
        ...ranking.warnings,
      ],
      ...(ranking.windows && { windows: ranking.windows }),
    };
  } finally {
    await author.dispose();
    await library?.close();
    if (retriever !== options.retriever) await retriever?.dispose();
  }
}

function baseWarning(name: string): string {
  return `${name} has no chat template and is probably a base model: it goes on with the text rather than answers`;
}

/** What `ask` answers from. */
export type AskDocuments = readonly (DocumentInput | ReadText)[] | Corpus;

/** What answers are taken from. */
type Library = {
  chunks: RankDocument[];
  places: ChunkPlace[];
  rank: (query: string) => Promise<RankResult>;
  close: () => Promise<void>;
};

/** Who writes, and the retriever where that is loaded for it already. */
async function openAuthors(options: AskOptions): Promise<{ author: Author; retriever?: QRRetriever }> {
  const { model, gpu, signal, onProgress, check, checkTensors } = options;
  const open = () => openAuthor(model, { gpu, signal, onProgress, check, checkTensors });
  if (!(await isOneFile(options))) return { author: await open() };
  const retriever = await loadRetriever(options);
  try {
    const own = authorOf(retriever, signal);
    // Without a template that can be used node-llama-cpp asks in plain text. What it cannot do either, it says.
    const canWrite = await own.promptTokens({ context: "", query: "?" }).then(
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

/** The caller's own, or one that the caller says how to load. */
async function loadRetriever(options: AskOptions): Promise<QRRetriever> {
  const { retriever, threads, gpu, check, checkTensors, signal, onProgress } = options;
  if (retriever instanceof QRRetriever) return retriever;
  const generates = retriever?.model === options.model;
  return QRRetriever.load({ generates, threads, gpu, check, checkTensors, ...retriever, signal, onProgress });
}

/** @throws InputError for what are no documents, or options that have no use with a corpus. */
function checkLibrary(documents: AskDocuments, options: AskOptions): void {
  if (!(documents instanceof Corpus)) return void someDocuments(documents);
  const useless = (["retriever", "layout", "chunk", "chunkTokens"] as const).find(
    // A loaded retriever may be the one that writes.
    (name) => options[name] !== undefined && !(options[name] instanceof QRRetriever),
  );
  if (useless)
    throw new InputError("INVALID_ARGUMENT", `Option ${useless} has no use with a corpus, which has been read`);
}

async function openLibrary(documents: AskDocuments, options: AskOptions, loaded?: QRRetriever): Promise<Library> {
  const { signal, onProgress, chunkTokens, chunk, layout } = options;
  const call = { signal, onProgress };
  if (documents instanceof Corpus) {
    const chunks = documents.documents;
    const rank = (query: string) => documents.rank(query, call);
    return { chunks, places: placesOf(chunks), rank, close: async () => {} };
  }
  const retriever = loaded ?? (await loadRetriever(options));
  const close = async () => {
    if (retriever !== options.retriever) await retriever.dispose();
  };
  try {
    const chunks = await chunkDocuments(retriever, documents, { chunkTokens, chunk, signal });
    const texts = someDocuments(documents).map((text, index) => ({ ...text, ...fileOf(documents[index]!) }));
    return {
      ...{ chunks, close },
      places: placesOf(chunks, texts),
      rank: (query) => retriever.rank(query, chunks, { layout, ...call }),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function fileOf(document: DocumentInput | ReadText): Partial<Pick<ReadText, "file" | "line">> {
  if (typeof document !== "object" || !("file" in document)) return {};
  const { file, line } = document;
  return { file, ...(line !== undefined && { line }) };
}
