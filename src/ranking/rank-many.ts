import { invalidArgument } from "../errors.ts";
import type { Progress, RankOptions } from "../options.ts";
import type { RankResult } from "./results.ts";

export type BatchOptions = RankOptions & {
  /** Called with each result as soon as there is one, in the order of the queries. What it throws ends the batch. */
  onResult?: ((result: RankResult, index: number) => void) | undefined;
};

export type BatchResult = {
  /** One per query, in their order. */
  results: RankResult[];
  throughput: {
    queries: number;
    /** Milliseconds of the whole batch, reading the documents included. */
    totalMs: number;
    /** Queries a second over the whole batch. */
    queriesPerSecond: number;
    /** Milliseconds of the median query. The first one reads the documents, unless they were read. */
    medianMs: number;
  };
};

/** @throws InputError `INVALID_ARGUMENT` before any query is asked when one is blank, or there are none. */
export async function rankBatch(
  queries: readonly string[],
  rank: (query: string, onProgress: RankOptions["onProgress"]) => Promise<RankResult>,
  { onResult, onProgress }: Pick<BatchOptions, "onResult" | "onProgress">,
): Promise<BatchResult> {
  if (!Array.isArray(queries) || queries.length === 0) throw invalidArgument("queries", "a list of queries", queries);
  if (onResult !== undefined && typeof onResult !== "function")
    throw invalidArgument("onResult", "a function", onResult);
  for (const [index, query] of queries.entries()) assertQuery(query, `queries[${index}]`);
  const began = performance.now();
  const results: RankResult[] = [];
  for (const [index, query] of queries.entries()) {
    const result = await rank(query, onProgress && batchProgress(onProgress, index, queries.length));
    if (result.windows && queries.length > 1) result.warnings.push(READ_AGAIN);
    onProgress?.({ phase: "query", done: index + 1, total: queries.length });
    results.push(result);
    onResult?.(result, index);
  }
  const totalMs = performance.now() - began;
  const sorted = results.map(({ timings }) => timings.totalMs).sort((a, b) => a - b);
  return {
    results,
    throughput: {
      queries: queries.length,
      totalMs,
      queriesPerSecond: (queries.length / totalMs) * 1000,
      medianMs: sorted[sorted.length >>> 1]!,
    },
  };
}

const READ_AGAIN =
  "The documents do not fit one prompt, and windows read them again for every query: each is read once with " +
  'layout: "independent"';

/** The reading of the documents as it is for the first query; from then on how many queries have been asked. */
function batchProgress(onProgress: (progress: Progress) => void, index: number, queries: number) {
  return (progress: Progress) => {
    if (index === 0 && progress.phase !== "query") return onProgress(progress);
    const share = progress.phase === "prefill" ? progress.done / Math.max(1, progress.total) : 0;
    if (progress.phase === "prefill" || (index === 0 && progress.done === 0)) {
      onProgress({ phase: "query", done: index + Math.min(share, 0.99), total: queries });
    }
  };
}

/** Ranks once `run` lets it, and adds to the timings how long that took. */
export async function withWait(
  run: (work: () => Promise<RankResult>) => Promise<RankResult>,
  rank: () => Promise<RankResult>,
): Promise<RankResult> {
  const asked = performance.now();
  return run(async () => {
    const waitMs = performance.now() - asked;
    const result = await rank();
    return { ...result, timings: { ...result.timings, waitMs } };
  });
}

/** @throws InputError `INVALID_ARGUMENT` for a query that is no text or blank. */
export function assertQuery(query: unknown, name = "query"): asserts query is string {
  if (typeof query !== "string" || query.trim() === "") throw invalidArgument(name, "a text that is not blank", query);
}
