import { seededRandom } from "../../heads/heads.ts";
import { mean } from "../../util/mean.ts";

/** A mean and the bounds of its 95 % bootstrap interval. */
export type Interval = { mean: number; low: number; high: number };

/** Percentile by linear interpolation between order statistics (Hyndman and Fan's type 7); `share` from 0 to 1. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

/**
 * Percentile bootstrap over queries: `samples` times as many queries are drawn with replacement, and the middle 95 % of
 * their means is the interval. The same seed gives the same interval.
 */
export function bootstrap(values: readonly number[], seed: number, samples = 10_000): Interval {
  const random = seededRandom(seed);
  const means = new Float64Array(values.length === 0 ? 0 : samples);
  for (let sample = 0; sample < means.length; sample++) {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(random() * values.length)]!;
    means[sample] = sum / values.length;
  }
  const bounds = Array.from(means);
  return { mean: mean(values), low: percentile(bounds, 0.025), high: percentile(bounds, 0.975) };
}

/**
 * Two-sided paired randomization test (Fisher; Smucker et al. 2007): the chance that swapping the two systems' values at
 * random, query by query, gives a mean difference at least as large as the one observed. Up to 16 queries every swap is
 * tried; otherwise `samples` random ones, of which the observed one counts as one, so that p is never 0.
 */
export function randomizationTest(a: readonly number[], b: readonly number[], seed: number, samples = 10_000): number {
  const differences = a.map((value, i) => value - b[i]!);
  const observed = Math.abs(differences.reduce((sum, value) => sum + value, 0));
  // Sums of the same numbers in another order differ in their last digits.
  const threshold = observed - 1e-12 * Math.max(1, differences.length);
  if (differences.length <= 16) {
    const swaps = 2 ** differences.length;
    let extreme = 0;
    for (let swap = 0; swap < swaps; swap++) {
      const sum = differences.reduce((total, value, i) => total + ((swap >> i) & 1 ? -value : value), 0);
      if (Math.abs(sum) >= threshold) extreme++;
    }
    return extreme / swaps;
  }
  const random = seededRandom(seed);
  let extreme = 1;
  for (let sample = 0; sample < samples; sample++) {
    let sum = 0;
    for (const value of differences) sum += random() < 0.5 ? value : -value;
    if (Math.abs(sum) >= threshold) extreme++;
  }
  return extreme / (samples + 1);
}

/** Holm's step-down correction of several p values, in the order given: each at most 1 and none below a smaller one's. */
export function holm(p: readonly number[]): number[] {
  const order = p.map((_, i) => i).sort((a, b) => p[a]! - p[b]!);
  const corrected = new Array<number>(p.length);
  let largest = 0;
  for (const [rank, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, p[i]! * (p.length - rank)));
    corrected[i] = largest;
  }
  return corrected;
}
