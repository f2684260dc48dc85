import { ContextOverflowError } from "../errors.ts";
import { ASKING } from "../options/answering.ts";
import { valuesOf } from "../options/spec.ts";
import type { RetrieveOptions } from "../options/types/texts.ts";
import { toMessages } from "./assemble.ts";
import { type Author, loadRetriever, openAuthor } from "./author.ts";
import { citationsIn } from "./citations.ts";
import { type AskOptions, isHost, parseAskOptions } from "./options.ts";
import { isCorpus, type RetrieveFrom, type RetrieveHost, refuseReading } from "./passages.ts";
import { DEFAULT_TOP_K, type RetrievedSource, type RetrieveResult, retrieve } from "./retrieve.ts";
import type { Written } from "./write.ts";

export type AskResult = {
  answer: string;
  /** Why the answer ended: the model ended it, or it reached `maxTokens`. */
  stopped: "end" | "maxTokens";
  /** The sources that the answer cites, in the order of their numbers; if it cites none, all that were shown, best first. */
  sources: RetrievedSource[];
  /** Nothing was found to answer from, for example because no chunk reaches `threshold`. `answer` says so; no model wrote it. */
  abstained: boolean;
  /** Whether `sources` are those that the answer cites. */
  cites: boolean;
  /** All sources that were shown to the generator, in the order of their numbers. */
  shown: RetrievedSource[];
  /** `budgetTokens` is absent if a function answers and no option sets a budget. */
  usage: RetrieveResult["usage"] & { budgetTokens?: number; answerTokens: number };
  timings: RetrieveResult["timings"] & { loadMs: number; retrieveMs: number; generateMs: number };
  /** Of the chunks that the heads ranked, those whose relevance is below the threshold. */
  belowThreshold: number;
  warnings: string[];
  windows?: RetrieveResult["windows"];
};

/** The answer where nothing was found to answer from. */
const NOTHING_RELEVANT = "Nothing relevant was found.";
/** Stands for the sources where the rest of the prompt is counted. */
const ONE_TOKEN = ".";
/** Tokens by which parts of a prompt may differ from the whole. */
const ROOM = 16;
const DEFAULTS = valuesOf(ASKING);

/**
 * Answers a question from what `retrieve` finds, with earlier messages if there are any.
 *
 * If the model that answers is the retriever's own file and has a chat template, its weights are loaded once. node-llama-cpp
 * opens any other file. Models that you pass loaded stay loaded. If nothing was found to answer from, the model is not asked
 * and the result has `abstained`.
 *
 * @throws InputError for a blank question, documents that are all blank, nothing to answer with, wrong options, or a slim file as the model;
 * what loading and `retrieve` throw. @throws QRHeadError `MODEL_UNSUPPORTED` for a model that writes no text.
 * @throws ContextOverflowError when instruction, question and answer leave no room for sources.
 * @example
 * const { answer, sources } = await ask("Who betrays whom?", await readTexts(["book.txt"]), {
 *   generate: "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
 *   onSources: (sources) => console.log(sources.map(({ file, line }) => `${file}:${line}`)),
 * });
 */
export async function ask(query: string, from: RetrieveFrom, given: AskOptions): Promise<AskResult> {
  const began = performance.now();
  const options = parseAskOptions(query, given);
  const { signal, onProgress, onText, onSources, threads } = options;
  const { maxTokens = DEFAULTS.maxTokens, temperature = DEFAULTS.temperature } = options;
  const { repeatPenalty = DEFAULTS.repeatPenalty } = options;
  if (isCorpus(from)) refuseReading(options, ["chunkTokens", "chunk", "layout"], "a corpus");
  // First, so that a model that cannot write is refused before anything is read.
  const { author, host, close } = await openBoth(from, options);
  try {
    const loaded = performance.now();
    const budgetTokens = await budgetOf(author, query, options, maxTokens);
    const found = await retrieve(host, query, from, retrieveOptions(options, author, budgetTokens));
    onSources?.(found.sources);
    const retrieved = performance.now();
    const shown = found.sources;
    const abstained = shown.length === 0;
    const written = abstained
      ? abstain(onText)
      : await author.write(found.messages, {
          ...{ size: author.size ?? 0, maxTokens, temperature, repeatPenalty, threads, onText, signal },
          onRead: (done, total) => onProgress?.({ phase: "sources", done, total }),
        });
    const ended = performance.now();
    const cited = new Set(citationsIn(written.answer, shown.length));
    const cites = cited.size > 0;
    return {
      ...written,
      sources: cites
        ? shown.filter(({ citation }) => cited.has(citation))
        : shown.toSorted((a, b) => b.score - a.score),
      ...{ abstained, cites, shown },
      usage: {
        ...found.usage,
        ...(budgetTokens !== undefined && { budgetTokens }),
        answerTokens: abstained ? 0 : await author.count(written.answer),
      },
      timings: {
        ...found.timings,
        ...{ loadMs: loaded - began, retrieveMs: retrieved - loaded, generateMs: ended - retrieved },
        totalMs: ended - began,
      },
      belowThreshold: found.belowThreshold,
      warnings: [...(author.isBase ? [baseWarning(author.name)] : []), ...found.warnings],
      ...(found.windows && { windows: found.windows }),
    };
  } finally {
    await close();
  }
}

function abstain(onText: AskOptions["onText"]): Written {
  onText?.(NOTHING_RELEVANT);
  return { answer: NOTHING_RELEVANT, stopped: "end" };
}

function baseWarning(name: string): string {
  return `${name} has no chat template and is probably a base model: it continues the text instead of answering`;
}

/** Who writes, and what retrieves; a corpus retrieves by itself. */
async function openBoth(from: RetrieveFrom, options: AskOptions) {
  const { retriever: given } = options;
  const { author, retriever: loaded } = await openAuthor(options);
  const close = async (host?: { dispose(): Promise<void> }) => {
    await author.dispose();
    if (host && (host as unknown) !== given) await host.dispose();
  };
  try {
    if (isHost(given)) return { author, host: given, close: () => close(loaded) };
    const host = loaded ?? (isCorpus(from) ? undefined : await loadRetriever(options));
    return { author, host: host as RetrieveHost, close: () => close(host) };
  } catch (error) {
    await close(loaded);
    throw error;
  }
}

/** Tokens that the generator's context leaves for sources; undefined if nothing limits it. */
async function budgetOf(author: Author, query: string, options: AskOptions, maxTokens: number) {
  const { budgetTokens: asked, instruction, history } = options;
  if (author.size === undefined) return asked;
  const fixed = (await author.promptTokens(toMessages(ONE_TOKEN, query, instruction, history))) + ROOM + maxTokens;
  const left = Math.min(asked ?? author.size, author.size - fixed);
  if (left < 1) throw new ContextOverflowError(fixed + 1, author.size, "The question with its answer");
  return left;
}

function retrieveOptions(options: AskOptions, author: Author, budgetTokens: number | undefined): RetrieveOptions {
  const { topK, threshold, candidates, fuse, layout, order, neighbours, chunkTokens, chunk, instruction, history } =
    options;
  const { countTokens = author.count, onLeftOut, onProgress, signal } = options;
  return {
    ...{ threshold, candidates, fuse, layout, order, neighbours, chunkTokens, chunk, instruction, history },
    ...{ countTokens, onLeftOut, onProgress, signal, budgetTokens },
    // The room in the context is a limit. It does not ask for as many chunks as fit.
    topK: topK ?? (options.budgetTokens === undefined ? DEFAULT_TOP_K : undefined),
  };
}
