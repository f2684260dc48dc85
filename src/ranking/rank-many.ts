import { invalidArgument } from "../errors.ts";
import type { RankOptions } from "../options.ts";
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
  rank: (query: string) => Promise<RankResult>,
  onResult: BatchOptions["onResult"],
): Promise<BatchResult> {
  if (!Array.isArray(queries) || queries.length === 0) throw invalidArgument("queries", "a list of queries", queries);
  if (onResult !== undefined && typeof onResult !== "function")
    throw invalidArgument("onResult", "a function", onResult);
  for (const [index, query] of queries.entries()) assertQuery(query, `queries[${index}]`);
  const began = performance.now();
  const results: RankResult[] = [];
  for (const [index, query] of queries.entries()) {
    const result = await rank(query);
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

/** @throws InputError `INVALID_ARGUMENT` for a query that is no text or blank. */
export function assertQuery(query: unknown, name = "query"): asserts query is string {
  if (typeof query !== "string" || query.trim() === "") throw invalidArgument(name, "a text that is not blank", query);
}
