import type { ChatHistoryItem, LlamaModel } from "node-llama-cpp";
import { findWriter } from "../../model/writes.ts";
import type { RankDocument } from "../../types.ts";
import { assertFits, loadFailure, loadWithLlama, tokensNeeded } from "./llama.ts";
import type { Method } from "./method.ts";

/** Of the published code: documents of one prompt, how far the window moves up, and words kept of a document. */
const WINDOW = 20;
const STEP = 10;
const WORDS = 300;
/** Passages shorter than this are not worth ranking: then the query fails. */
const LEAST_WORDS = 20;
/** `[12] > ` takes about 6 tokens; an answer that goes on for twice as long has lost its way. 256 for 20 passages. */
const answerTokens = (passages: number) => 16 + 12 * passages;
const OVERFLOW_ADVICE =
  "cut documents (--max-document-words), pass fewer (--candidates), or use a larger --context-size";

/** Asks for a permutation of the documents, of each of which it shows up to `words`; the answer as written. */
type Ask = (
  query: string,
  documents: readonly RankDocument[],
) => Promise<{ answer: string; tokens: number; words: number }>;

/**
 * RankGPT (Sun et al. 2023): the model is asked to write the documents' numbers in order, in windows of 20 that move from
 * the last documents to the first in steps of 10, at temperature 0. Where a window's passages of 300 words do not fit the
 * model's context all are cut to the most words that do, and those that lost some are counted. An answer that is no
 * permutation is mended as the published code does, and counted as malformed.
 *
 * @param file Defaults to the model that the heads are of.
 */
export function rankGpt(file: string | undefined, name: string, spec: string): Method {
  return {
    name,
    spec,
    seesOrder: true,
    async open(context) {
      const writer = await findWriter(file ?? context.load.model, { signal: context.signal });
      const { model, threads } = await loadWithLlama(writer, context);
      const ask = await asking(model, threads, context.load.contextSize).catch(async (error: unknown) => {
        await model.dispose();
        throw loadFailure(model.filename ?? spec, error);
      });
      return {
        rank: ({ topic, documents, signal }) => rankByWindows(topic.query, documents, (q, d) => ask(q, d, signal)),
        [Symbol.asyncDispose]: () => model.dispose(),
      };
    },
  };
}

/**
 * Moves a window over the documents, from the last to the first, and lets `ask` order each one. Where the documents are
 * not a whole number of steps the last window is cut to begin at the first document.
 */
export async function rankByWindows(query: string, documents: readonly RankDocument[], ask: Ask) {
  const order = documents.map((_, index) => index);
  const cut = new Set<number>();
  let [tokens, answers, malformed] = [0, 0, 0];
  for (let end = order.length; end > 0; end -= STEP) {
    const begin = Math.max(0, end - WINDOW);
    const window = order.slice(begin, end);
    const asked = await ask(
      query,
      window.map((index) => documents[index]!),
    );
    const { permutation, complete } = parsePermutation(asked.answer, window.length);
    if (asked.words < WORDS) {
      for (const index of window) if (wordsOf(documents[index]!).length > asked.words) cut.add(index);
    }
    order.splice(begin, window.length, ...permutation.map((i) => window[i]!));
    tokens += asked.tokens;
    answers++;
    if (!complete) malformed++;
    if (begin === 0) break;
  }
  const scores = new Array<number>(order.length);
  for (const [rank, index] of order.entries()) scores[index] = 1 / (rank + 1);
  return { scores, tokens, answers, malformed, ...(cut.size > 0 && { cut: cut.size }) };
}

/**
 * Reads `[2] > [1] > …` as the published code does: whatever is no digit separates, numbers that repeat or are out of
 * range are dropped, and those that are missing follow in the order given.
 *
 * @returns 0-based places, and whether the answer named each exactly once and no other.
 */
export function parsePermutation(answer: string, count: number): { permutation: number[]; complete: boolean } {
  const named = (answer.match(/\d+/g) ?? []).map((digits) => Number(digits) - 1);
  const kept = [...new Set(named.filter((place) => place >= 0 && place < count))];
  const complete = kept.length === count && named.length === count;
  const missing = Array.from({ length: count }, (_, place) => place).filter((place) => !kept.includes(place));
  return { permutation: [...kept, ...missing], complete };
}

/** The published conversation: every passage in a turn of its own, acknowledged, then the request. */
export function conversation(query: string, documents: readonly RankDocument[], words = WORDS): ChatHistoryItem[] {
  const count = documents.length;
  const user = (text: string): ChatHistoryItem => ({ type: "user", text });
  const model = (text: string): ChatHistoryItem => ({ type: "model", response: [text] });
  return [
    {
      type: "system",
      text: "You are RankGPT, an intelligent assistant that can rank passages based on their relevancy to the query.",
    },
    user(
      `I will provide you with ${count} passages, each indicated by number identifier []. \n` +
        `Rank the passages based on their relevance to query: ${query}.`,
    ),
    model("Okay, please provide the passages."),
    ...documents.flatMap((document, i) => [
      user(`[${i + 1}] ${wordsOf(document).slice(0, words).join(" ")}`),
      model(`Received passage [${i + 1}].`),
    ]),
    user(
      `Search Query: ${query}. \nRank the ${count} passages above based on their relevance to the search query. ` +
        "The passages should be listed in descending order using identifiers. The most relevant passages should be " +
        "listed first. The output format should be [] > [], e.g., [1] > [2]. Only response the ranking results, do not " +
        "say any word or explain.",
    ),
  ];
}

function wordsOf({ title, text }: RankDocument): string[] {
  const whole = title ? `Title: ${title} Content: ${text}` : text;
  return whole.split(/\s+/).filter(Boolean);
}

/** The most words a passage, up to 300, with which a conversation fits; 20 at the least, whether it fits or not. */
function wordsThatFit(fits: (words: number) => boolean): number {
  if (fits(WORDS)) return WORDS;
  let [fitting, tooMany] = [LEAST_WORDS, WORDS];
  while (tooMany - fitting > 1) {
    const words = Math.floor((fitting + tooMany) / 2);
    if (fits(words)) fitting = words;
    else tooMany = words;
  }
  return fitting;
}

async function asking(model: LlamaModel, threads: number, contextSize: number | undefined) {
  const { LlamaChat } = await import("node-llama-cpp");
  const context = await model.createContext({ threads, contextSize: contextSize ?? "auto" });
  const sequence = context.getSequence();
  return async (query: string, documents: readonly RankDocument[], signal: AbortSignal | undefined) => {
    await sequence.clearHistory();
    const before = sequence.tokenMeter.getState();
    const chat = new LlamaChat({ contextSequence: sequence, autoDisposeSequence: false });
    try {
      const maxTokens = answerTokens(documents.length);
      const words = wordsThatFit(
        (limit) => tokensNeeded(chat, conversation(query, documents, limit), maxTokens) <= context.contextSize,
      );
      const history = conversation(query, documents, words);
      if (words === LEAST_WORDS) assertFits(chat, history, maxTokens, OVERFLOW_ADVICE);
      const { response } = await chat.generateResponse(history, {
        temperature: 0,
        maxTokens,
        ...(signal && { signal }),
      });
      const { usedInputTokens, usedOutputTokens } = sequence.tokenMeter.diff(before);
      return { answer: response, tokens: usedInputTokens + usedOutputTokens, words };
    } finally {
      chat.dispose();
    }
  };
}
