import { seededRandom, shuffled } from "../heads/heads.ts";
import { rankDocuments } from "../ranking/scoring/ranking.ts";
import { countChoosable } from "./blind-heads.ts";
import { meanRates } from "./objectives.ts";

/** Random splits that an overlap is the mean of. */
const SPLITS = 50;

/** Fewer examples than this are too few to split. */
export const MIN_EXAMPLES = 4;

/** How much the choice of heads depends on the choice of examples. */
export type Stability = {
  /** Random splits that every overlap is the mean of. */
  splits: number;
  /** Examples in each half. */
  examples: number;
  /** Share of the top heads that two halves of the examples have in common, 0 to 1. */
  overlap: number;
  /** What two random choices of as many heads would share. */
  chance: number;
  /** The same for two disjoint sets of 1, 2, 4, … examples each. */
  curve: { examples: number; overlap: number }[];
};

/**
 * How far the `top` heads depend on the examples that chose them: two disjoint sets of examples are drawn at random, each
 * chooses its own heads, and the share that both chose is averaged over the draws.
 *
 * @param rates Of each example, one number per head; see `rateHeads`.
 * @param seed Decides the draws, an integer from 0 to 2³²−1.
 * @returns null for fewer than `MIN_EXAMPLES`.
 */
export function stabilityOf(rates: readonly Float64Array[], top: number, seed: number): Stability | null {
  if (rates.length < MIN_EXAMPLES) return null;
  const half = Math.floor(rates.length / 2);
  const sizes: number[] = [];
  for (let size = 1; size < half; size *= 2) sizes.push(size);
  const curve = [...sizes, half].map((examples) => ({
    examples,
    overlap: overlapOf(rates, top, { size: examples, seed }),
  }));
  const heads = countChoosable(rates[0]!);
  return {
    splits: SPLITS,
    examples: half,
    overlap: curve.at(-1)!.overlap,
    chance: Math.min(top, heads) / heads,
    curve,
  };
}

/**
 * Mean share of their `top` heads that two disjoint random sets of `size` examples each have in common.
 *
 * @param size At most half of the examples.
 */
export function overlapOf(
  rates: readonly Float64Array[],
  top: number,
  { size, seed, splits = SPLITS }: { size: number; seed: number; splits?: number },
): number {
  const random = seededRandom(seed);
  const chosen = (which: number[]) => rankDocuments(meanRates(rates, which), top);
  let sum = 0;
  for (let split = 0; split < splits; split++) {
    const order = shuffled([...rates.keys()], random);
    const first = new Set(chosen(order.slice(0, size)));
    const second = chosen(order.slice(size, 2 * size));
    sum += second.filter((head) => first.has(head)).length / second.length;
  }
  return sum / splits;
}
