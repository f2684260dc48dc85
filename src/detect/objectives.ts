import { everyHead } from "../heads/heads.ts";
import type { OBJECTIVES } from "../options/choices.ts";
import { rankDocuments } from "../ranking/scoring/ranking.ts";
import type { Head } from "../types.ts";
/** What a head may be rated by; see `tallyHeads`. */
export type Objective = (typeof OBJECTIVES)[number];

/** Softmax temperature of CoRe for Llama and Phi (arXiv 2510.02219). */
export const CORE_TEMPERATURE = 0.1;

/** Ranks that count for nDCG: the cut-off of QRHead's script for BEIR. */
const NDCG_CUTOFF = 10;

/** What the heads of a model made of one example. */
export type ExampleScores = {
  /** What the objective rates, `[heads × documents]` row-major. */
  scores: Float32Array;
  /** What reranking uses: each head's calibrated, masked scores. The same array if the objective rates these. */
  ranking: Float32Array;
  /** Of each head all attention on any document, neither calibrated nor masked. */
  masses: Float32Array;
  documents: number;
  /** Indexes of the gold documents. */
  gold: readonly number[];
};

/** What one head, whose scores of the documents are `row`, gets for one example. */
type Rate = (row: Float32Array, gold: readonly number[], temperature: number) => number;

const RATES: Readonly<Record<Objective, Rate>> = { mass, ndcg, contrastive };

/**
 * What every head gets for one example, s being its scores of the documents.
 *
 * - `mass`: Σ_gold s(d). QRHead's LongMemEval script.
 * - `ndcg`: nDCG@10 of the documents ordered by s, gains 0 and 1, equal scores by index. QRHead's BEIR script.
 * - `contrastive`: mean over gold of exp(s(d⁺)/t) / (exp(s(d⁺)/t) + Σ exp(s(d⁻)/t)), d⁻ being every other document that
 *   is not gold. CoRe (arXiv 2510.02219).
 *
 * @param temperature t, above 0; only `contrastive` has one.
 * @returns One number per head.
 */
export function rateHeads(
  { scores, documents, gold }: Pick<ExampleScores, "scores" | "documents" | "gold">,
  objective: Objective,
  temperature: number = CORE_TEMPERATURE,
): Float64Array {
  const rate = RATES[objective];
  return Float64Array.from({ length: scores.length / documents }, (_, head) =>
    rate(scores.subarray(head * documents, (head + 1) * documents), gold, temperature),
  );
}

/**
 * Every head's mean over examples.
 *
 * @param rates Of each example, one number per head.
 * @param which Indexes of the examples that count. Default: all.
 */
export function meanRates(rates: readonly Float64Array[], which: Iterable<number> = rates.keys()): Float64Array {
  const sums = new Float64Array(rates[0]?.length ?? 0);
  let examples = 0;
  for (const example of which) {
    examples++;
    rates[example]!.forEach((rate, head) => {
      sums[head]! += rate;
    });
  }
  return sums.map((sum) => sum / examples);
}

/** The `top` heads with the highest scores, best first; equal scores go by layer, then by head. */
export function bestHeads(scores: Float64Array, headsPerLayer: number, top: number): Head[] {
  const heads = everyHead(scores.length / headsPerLayer, headsPerLayer);
  return rankDocuments(scores, top).map((index) => heads[index]!);
}

function mass(row: Float32Array, gold: readonly number[]): number {
  return gold.reduce((sum, document) => sum + row[document]!, 0);
}

/** nDCG@10 with gains 0 and 1; equal scores by index. */
export function ndcg(row: ArrayLike<number>, gold: readonly number[]): number {
  const gain = (rank: number) => 1 / Math.log2(rank + 2);
  const relevant = new Set(gold);
  let found = 0;
  for (const [rank, document] of rankDocuments(row, NDCG_CUTOFF).entries()) {
    if (relevant.has(document)) found += gain(rank);
  }
  let ideal = 0;
  for (let rank = 0; rank < Math.min(relevant.size, NDCG_CUTOFF); rank++) ideal += gain(rank);
  return found / ideal;
}

function contrastive(row: Float32Array, gold: readonly number[], temperature: number): number {
  const relevant = new Set(gold);
  let sum = 0;
  for (const document of gold) {
    // Divide by the numerator first: if a power overflows, the share becomes 0 and not NaN.
    let inverse = 1;
    for (let other = 0; other < row.length; other++) {
      if (!relevant.has(other)) inverse += Math.exp((row[other]! - row[document]!) / temperature);
    }
    sum += 1 / inverse;
  }
  return sum / gold.length;
}
