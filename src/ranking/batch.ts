import type { DocumentInput } from "../documents/documents.ts";
import type { Ranking, RankResult } from "./results.ts";

/** The result of `rankMany`. */
export type BatchResult<T extends DocumentInput = DocumentInput> = {
  /** One per query, in their order. */
  results: RankResult<T>[];
  throughput: {
    queries: number;
    /** Milliseconds of the whole batch, including prefill of the documents. */
    totalMs: number;
    /** Queries per second over the whole batch. */
    queriesPerSecond: number;
    /** Milliseconds of the median query. The first one includes the prefill, unless the documents were in the cache. */
    medianMs: number;
  };
};

/**
 * A running batch of queries: `await` it for all results, or iterate with `for await` as they come, in the order of the queries.
 * Leaving the loop early stops the batch.
 */
export type RankBatch<T extends DocumentInput = DocumentInput> = Promise<BatchResult<T>> & AsyncIterable<RankResult<T>>;

/**
 * A batch of work that has begun.
 *
 * @param work Hands over results, and stops when its signal says so.
 */
export function batchOf<T extends DocumentInput>(
  work: (onResult: (result: RankResult<T>) => void, signal: AbortSignal) => Promise<BatchResult<T>["throughput"]>,
): RankBatch<T> {
  const results: RankResult<T>[] = [];
  const stop = new AbortController();
  let isDone = false;
  let wake = () => {};
  let more = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const tell = () => {
    wake();
    more = new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  const add = (result: RankResult<T>) => {
    results.push(result);
    tell();
  };
  const whole = work(add, stop.signal)
    .then((throughput) => ({ results, throughput }))
    .finally(() => {
      isDone = true;
      tell();
    });
  async function* read(): AsyncGenerator<RankResult<T>, void, void> {
    try {
      for (let next = 0; ; ) {
        if (next < results.length) yield results[next++]!;
        else if (isDone) break;
        else await more;
      }
      await whole;
    } finally {
      stop.abort();
      await whole.catch(() => {});
    }
  }
  return Object.assign(whole, {
    [Symbol.asyncIterator]: () => {
      // The loop throws the reason of the rejection.
      whole.catch(() => {});
      return read();
    },
  });
}

/** A result with the caller's own documents. */
export function withDocuments<T extends DocumentInput>(
  { results, ...ranking }: Ranking,
  documentAt: (index: number) => T,
): RankResult<T> {
  return {
    ...ranking,
    results: results.map((one) => {
      const { index, id } = one;
      return Object.assign({ index, id, document: documentAt(index) }, one);
    }),
  };
}
