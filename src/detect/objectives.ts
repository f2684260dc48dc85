import { everyHead } from "../heads/heads.ts";
import { rankDocuments } from "../scoring/ranking.ts";
import type { Head } from "../types.ts";

/** What a head may be rated by; see `tallyHeads`. */
export const OBJECTIVES = ["mass", "ndcg", "contrastive"] as const;
export type Objective = (typeof OBJECTIVES)[number];

/** Softmax temperature of CoRe for Llama and Phi (arXiv 2510.02219). */
export const CORE_TEMPERATURE = 0.1;

/** Ranks that count for nDCG: the cut-off of QRHead's script for BEIR. */
const NDCG_CUTOFF = 10;

/** Scores of one example, `[heads × documents]` row-major, and the indexes of its gold documents. */
export type ExampleScores = { scores: Float32Array; documents: number; gold: readonly number[] };

/** What one head, whose scores of the documents are `row`, gets for one example. */
type Rate = (row: Float32Array, gold: readonly number[], temperature: number) => number;

const RATES: Readonly<Record<Objective, Rate>> = { mass, ndcg, contrastive };

/**
 * Adds up examples and gives each head's mean over them.
 *
 * - `mass`: Σ_gold s(d). QRHead's LongMemEval script.
 * - `ndcg`: nDCG@10 of the documents ordered by s, gains 0 and 1, equal scores by index. QRHead's BEIR script.
 * - `contrastive`: mean over gold of exp(s(d⁺)/t) / (exp(s(d⁺)/t) + Σ exp(s(d⁻)/t)), d⁻ being every other document that
 *   is not gold. CoRe (arXiv 2510.02219).
 *
 * @param heads Rows of every example's scores.
 * @param temperature t, above 0; only `contrastive` has one.
 */
export function tallyHeads(heads: number, objective: Objective, temperature: number = CORE_TEMPERATURE) {
  const sums = new Float64Array(heads);
  let examples = 0;
  return {
    add({ scores, documents, gold }: ExampleScores): void {
      examples++;
      for (let head = 0; head < heads; head++) {
        const row = scores.subarray(head * documents, (head + 1) * documents);
        sums[head]! += RATES[objective](row, gold, temperature);
      }
    },
    means: (): Float64Array => sums.map((sum) => sum / examples),
  };
}

/** The `top` heads with the highest scores, best first; equal scores go by layer, then by head. */
export function bestHeads(scores: Float64Array, headsPerLayer: number, top: number): Head[] {
  const heads = everyHead(scores.length / headsPerLayer, headsPerLayer);
  return rankDocuments(scores, top).map((index) => heads[index]!);
}

function mass(row: Float32Array, gold: readonly number[]): number {
  return gold.reduce((sum, document) => sum + row[document]!, 0);
}

function ndcg(row: Float32Array, gold: readonly number[]): number {
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
    // The fraction divided by its numerator: a power that overflows is a share of 0, and nothing becomes NaN.
    let inverse = 1;
    for (let other = 0; other < row.length; other++) {
      if (!relevant.has(other)) inverse += Math.exp((row[other]! - row[document]!) / temperature);
    }
    sum += 1 / inverse;
  }
  return sum / gold.length;
}
