import { assertList, assertObject } from "../../util/given.ts";
/**
 * How attention becomes relevance: 1 / (1 + e^−(a + b·odds + words·shared)), where `shared` is the share of the query's words
 * that the document has. Fitted at equal weight of documents that answer and documents that do not, so that ½ is where either
 * is as likely to be seen. Without `words` the heads alone decide.
 */
export type Calibration = { a: number; b: number; words?: number };

/** Below this no document counts as relevant where a call names no threshold. */
export const DEFAULT_THRESHOLD = 0.5;

/** Share of the heads' attention that is taken to stay beside the documents at least: nothing is divided by 0. */
const LEAST_REST = 1e-6;

/** What the attention on each document of one prompt is to the attention that no document gets. */
export type Odds = {
  /** The documents' scores, over the rest. */
  odds: number[];
  /** The same of all attention, calibrated by nothing. */
  rawOdds: number[];
};

/**
 * Odds of documents that stood in one prompt: `score / rest` and `raw / rest`, where `rest` is Σ weights − Σ raw.
 *
 * A softmax divides what every token gets by the same sum. More documents make that sum larger, and with it every document's
 * attention smaller; the attention beside the documents shrinks alike, so that the quotient does not.
 *
 * @param scores One per document.
 * @param raw Attention on each document, neither calibrated nor masked, summed over heads by their weights.
 * @param weight Σ weights of the heads: all attention that there is, as each head's sums to 1.
 */
export function oddsOf(scores: ArrayLike<number>, raw: ArrayLike<number>, weight: number): Odds {
  let seen = 0;
  for (let i = 0; i < raw.length; i++) seen += raw[i]!;
  const rest = Math.max(LEAST_REST * weight, weight - seen);
  return { odds: quotients(scores, rest), rawOdds: quotients(raw, rest) };
}

/** A loop: an iterator or a callback of a typed array makes an object of each of its numbers. */
function quotients(values: ArrayLike<number>, by: number): number[] {
  const all = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) all[i] = values[i]! / by;
  return all;
}

/**
 * Relevance from 0 to 1 of documents in the order of the heads.
 *
 * @param odds Best document first. A document that was placed lower than its odds say counts with those of its place.
 * @param shared The share of the query's words that each has, from 0 to 1; read where the constants weigh words.
 * @param falls Whether no document may have more relevance than the one before it.
 */
export function relevancesOf(
  odds: readonly number[],
  shared: readonly number[],
  { a, b, words = 0 }: Calibration,
  falls: boolean,
): number[] {
  let [mostOdds, most] = [Number.POSITIVE_INFINITY, 1];
  return odds.map((value, i) => {
    mostOdds = Math.min(mostOdds, value);
    const z = a + b * mostOdds + (words === 0 ? 0 : words * shared[i]!);
    const relevance = 1 / (1 + Math.exp(-z));
    if (falls) most = Math.min(most, relevance);
    return Math.min(most, relevance);
  });
}

/**
 * Relevances that never rise from rank to rank, for interfaces whose numbers must order the results: the result at place k gets
 * the k-th highest relevance of the call. By the heads alone these are the results' own. If a first stage was fused, as many
 * results reach a threshold as before, and they are the first ones.
 *
 * @param results All results of a call, best first.
 * @example
 * const { results } = await retriever.rank("Who wrote it?", ["Ada wrote it.", "It rained."]);
 * const falling = relevanceByPlace(results);
 */
export function relevanceByPlace(results: readonly { relevance: number }[]): number[] {
  assertList(results, "results", "results of a ranking");
  for (const one of results) assertObject(one, "results", "results of a ranking");
  return results.map(({ relevance }) => relevance).sort((a, b) => b - a);
}

/** Shares that add up to 1; equal ones where there is nothing to share. */
export function sharesOf(rawOdds: readonly number[]): number[] {
  const sum = rawOdds.reduce((total, value) => total + value, 0);
  return rawOdds.map((value) => (sum > 0 ? value / sum : 1 / rawOdds.length));
}

/**
 * For head sets without constants of their own: between those of a small trained ranker and of a general model
 * (docs/relevance.md).
 */
export const GENERIC: Readonly<Record<"listwise" | "independent", Calibration>> = {
  listwise: { a: -1.4, b: 60 },
  independent: { a: -1.4, b: 60 },
};

/** A head set's own constants where they apply, else the generic ones. */
export function calibrationOf(
  own: Calibration | undefined,
  { layout, applies }: { layout: "listwise" | "independent"; applies: boolean },
): Calibration & { fitted: boolean } {
  if (!own || !applies) return { ...GENERIC[layout], fitted: false };
  return { a: own.a, b: own.b, ...(own.words !== undefined && { words: own.words }), fitted: true };
}
