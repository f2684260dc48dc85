import type { TrialName, TrialTime } from "./passes.ts";

/** A ratio of two things measured in one run, and what this project asks of it. */
export type BenchRow = { name: string; value: number; limit: number | null };

export type BenchReport = {
  model: { name: string; layers: number; heads: number };
  machine: { cpu: string; threads: number; library: string; gpu: string | false };
  size: { documentTokens: number; queryTokens: number; nullTokens: number };
  rounds: number;
  /** Median milliseconds of every trial. */
  medians: Partial<Record<TrialName, TrialTime>>;
  rows: BenchRow[];
};

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function medianTime(times: readonly TrialTime[]): TrialTime {
  const of = (key: keyof TrialTime) => median(times.map((time) => time[key]));
  return {
    prefillMs: of("prefillMs"),
    nullMs: of("nullMs"),
    queryMs: of("queryMs"),
    totalMs: of("totalMs"),
    againMs: of("againMs"),
  };
}

/**
 * Ratios of trials that ran in the same rounds: the median over rounds of the ratio within a round, so that a machine
 * that slows down for a while slows both sides.
 */
export function timeRows(rounds: readonly Partial<Record<TrialName, TrialTime>>[]): BenchRow[] {
  const rows: BenchRow[] = [];
  const add = (
    name: string,
    limit: number | null,
    ratio: (round: Partial<Record<TrialName, TrialTime>>) => number | undefined,
  ) => {
    const values = rounds.map(ratio).filter((value) => value !== undefined);
    if (values.length > 0) rows.push({ name, value: median(values), limit });
  };
  const total = (of: TrialName, over: TrialName) => (round: Partial<Record<TrialName, TrialTime>>) =>
    round[of] && round[over] && round[of].totalMs / round[over].totalMs;
  add("rerank / plain decode", 0.68, total("rerank", "plain"));
  add("capture / the same early-stopped passes", 1.05, total("rerank", "stopped"));
  add("all heads (ICR) / plain decode", 1.15, total("all", "plain"));
  add("detection of all heads / plain decode", 1.3, total("detect", "plain"));
  add("a further query / the first call", null, ({ rerank }) => rerank && rerank.againMs / rerank.totalMs);
  add("reading kq_soft_max / rerank", null, total("softMax", "rerank"));
  return rows;
}
