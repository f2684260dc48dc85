import type { RetrievedSource } from "../documents/places.ts";
import { invalidArgument } from "../errors.ts";
import { ChunkIndex } from "../index-store/chunk-index.ts";
import { RETRIEVING } from "../options/answering.ts";
import { parseOptions } from "../options/parse.ts";
import type { RetrieveOptions } from "../options/types/texts.ts";
import { GENERIC_WARNING } from "../ranking/choose.ts";
import type { RankResult, Timings } from "../ranking/results.ts";
import { DEFAULT_THRESHOLD } from "../ranking/scoring/relevance.ts";
import type { ChatMessage } from "../types.ts";
import { orAborted } from "../util/abort-signal.ts";
import { parseHistory } from "../writing/options.ts";
import { assembleContext, toMessages } from "./assemble.ts";
import { openPassages, type Passages, type RetrieveFrom, type RetrieveHost } from "./passages.ts";

export type { RetrievedSource, RetrieveOptions };

export type RetrieveResult = {
  /** The sources as one text, each below its citation number. */
  text: string;
  /** In the order of their numbers, as in `text`. */
  sources: RetrievedSource[];
  /** No candidate's relevance reaches the threshold (0.5 if none was given): nothing here seems to answer. */
  abstained: boolean;
  /**
   * Candidates that were not taken because their relevance is below the threshold alone, without `usage.irrelevantChunks`; 0 if
   * no threshold was given.
   */
  belowThreshold: number;
  /** Instruction, `history`, and the sources with the question; without sources they say that none were found. */
  messages: ChatMessage[];
  usage: {
    /** All chunks. */
    chunks: number;
    /** Chunks that the heads ranked. */
    candidates: number;
    /** Ranked chunks that get no more attention from the query than from the null query. They are never taken. */
    irrelevantChunks: number;
    /** Tokens of the ranking's prompts, and of the query in them. */
    promptTokens: number;
    queryTokens: number;
    /** Tokens of `text`. */
    contextTokens: number;
  };
  /** Milliseconds, those of the ranking among them; `searchMs`: reading, cutting and the first stage; `totalMs`: all. */
  timings: Timings & { searchMs: number };
  warnings: string[];
  /** Present if chunks were ranked in windows. */
  windows?: RankResult["windows"];
};

/** Default number of chunks. Small models answer worse from more. */
export const DEFAULT_TOP_K = 5;
/** The heads' score of a chunk that gets no more attention from the query than from the null query. */
const NOTHING = 0;
const UNBOUNDED = 2 ** 31;
const IRRELEVANT = "no chunk gets more attention than from the null query: the documents may not hold an answer";
/** The warning for an index without candidates. */
export const NO_WORD = "no chunk of the index shares a word with the question";

/**
 * Finds the passages to answer a question from: cuts documents into chunks, lets BM25 choose among more than `candidates`, ranks
 * these by the heads, and puts the best that fit a budget into one text, in their own order. A corpus is ranked as it is; an
 * index has its chunks.
 *
 * @returns No sources and `abstained` for an empty list of documents.
 * @throws InputError for a blank question, documents that are all blank, wrong options, or a budget that no chunk fits; what reading, cutting
 * and ranking throw.
 */
export async function retrieve(
  host: RetrieveHost,
  query: string,
  from: RetrieveFrom,
  given: RetrieveOptions = {},
): Promise<RetrieveResult> {
  const began = performance.now();
  assertQuestion(query);
  const options = parseOptions(RETRIEVING, given) as RetrieveOptions;
  const history = options.history && parseHistory(options.history);
  const { signal, order, neighbours, instruction, budgetTokens, threshold } = options;
  const topK = options.topK ?? (budgetTokens === undefined ? DEFAULT_TOP_K : undefined);
  const { countTokens: own } = options;
  const countTokens = own
    ? (text: string) => orAborted(own(text), signal)
    : async (text: string) => (await host.tokenize(text, { signal })).tokens.length;

  const passages = await openPassages(host, query, from, options);
  const { all, candidates } = passages;
  const searchMs = performance.now() - began;
  const ranking = await passages.rank(query);
  const { pieces, irrelevant, isAnyRelevant, belowThreshold } = piecesOf(passages, ranking, threshold);
  const context = await assembleContext(pieces, {
    ...{ topK, order, neighbours, countTokens, budgetTokens: budgetTokens ?? UNBOUNDED },
  });
  const results = new Map(ranking.results.map((one) => [candidates[one.index]!, one]));
  const sources = context.sources.map(({ citation, index, neighbour }): RetrievedSource => {
    const { score = 0, relevance = 0 } = results.get(index) ?? {};
    return { citation, ...all[index]!, score, relevance, neighbour };
  });
  const stale = from instanceof ChunkIndex ? await from.changedFiles(sources) : [];
  return {
    text: context.text,
    sources,
    abstained: !ranking.results.some(({ relevance }) => relevance >= (threshold ?? DEFAULT_THRESHOLD)),
    belowThreshold,
    messages: toMessages(context.text, query, instruction, history),
    usage: {
      chunks: passages.count,
      candidates: candidates.length,
      irrelevantChunks: isAnyRelevant ? irrelevant : 0,
      promptTokens: ranking.usage.promptTokens,
      queryTokens: ranking.usage.queryTokens,
      contextTokens: context.tokens,
    },
    timings: { ...ranking.timings, searchMs, totalMs: performance.now() - began },
    warnings: [
      ...(from instanceof ChunkIndex && candidates.length === 0 ? [NO_WORD] : []),
      // A single chunk has no other to be compared with.
      ...(isAnyRelevant || candidates.length <= 1 ? [] : [IRRELEVANT]),
      ...stale.map((file) => `${file} has changed since the index was updated`),
      ...ranking.warnings,
      ...(threshold !== undefined && !ranking.calibration.fitted ? [GENERIC_WARNING] : []),
    ],
    ...(ranking.windows && { windows: ranking.windows }),
  };
}

/** Chunks as pieces of a context, in the order of the ranking. A piece that is not taken itself may come as a neighbour. */
function piecesOf({ all, candidates }: Passages, { results }: RankResult, threshold: number | undefined) {
  const isRelevant = ({ score, attention = score }: RankResult["results"][number]) => attention > NOTHING;
  const isAnyRelevant = results.some(isRelevant);
  const something = results.filter((one) => isRelevant(one) || !isAnyRelevant);
  const reaches = ({ relevance }: { relevance: number }) => threshold === undefined || relevance >= threshold;
  const taken = something.filter(reaches);
  const places = new Map(taken.map(({ index }, place) => [candidates[index]!, place]));
  const pieces = all.map(({ id, title, text, documentId: group }, index) => {
    const place = places.get(index);
    return { id, title, text, group, score: place === undefined ? Number.NEGATIVE_INFINITY : -place };
  });
  const irrelevant = results.length - something.length;
  return { pieces, isAnyRelevant, irrelevant, belowThreshold: something.length - taken.length };
}

/** @throws InputError `INVALID_ARGUMENT`. */
export function assertQuestion(query: unknown): void {
  if (typeof query !== "string" || query.trim() === "") {
    throw invalidArgument("query", "a text that is not blank", query);
  }
}
