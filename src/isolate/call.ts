import type { DocumentInput } from "../documents/documents.ts";
import { invalidArgument } from "../errors.ts";
import { optionsOf } from "../options/parse.ts";
import { type BatchResult, batchOf, type RankBatch, withDocuments } from "../ranking/batch.ts";
import { assertQueries } from "../ranking/rank-many.ts";
import type { Ranking } from "../ranking/results.ts";
import { isSignal, ownSignal, underSignals } from "../util/abort-signal.ts";
import type { Functions } from "./connection.ts";
import type { CallHooks } from "./supervisor.ts";

/** Splits options into what can be copied, and the signal and the functions, which stay here. */
export function splitOptions(given: object | undefined): CallHooks & { options: object } {
  const options: Record<string, unknown> = {};
  const functions: Functions = {};
  let signal: AbortSignal | undefined;
  for (const [name, value] of Object.entries(optionsOf(given))) {
    if (value === undefined) continue;
    if (name === "signal") {
      if (!isSignal(value)) throw invalidArgument("signal", "an AbortSignal", value);
      signal = ownSignal(value);
    } else if (typeof value === "function") functions[name] = value as Functions[string];
    else options[name] = value;
  }
  return { options, signal, functions };
}

/** Adds the waiting time of this process, in which calls wait for each other. */
export function withWait<T extends { timings: { waitMs?: number } }>({
  value,
  waitMs,
}: {
  value: T;
  waitMs: number;
}): T {
  return { ...value, timings: { ...value.timings, waitMs: (value.timings.waitMs ?? 0) + waitMs } };
}

/**
 * A batch in the child, whose results come here one by one.
 *
 * @param begin Checks what was given and says what to ask; what it throws is what the batch rejects with.
 */
export function batchIn<T extends DocumentInput>(
  queries: readonly string[],
  given: object,
  begin: () => {
    documentAt: (index: number) => T;
    run: (options: object, hooks: CallHooks) => Promise<BatchResult["throughput"]>;
  },
): RankBatch<T> {
  return batchOf<T>(async (onResult, stop) => {
    const { options, functions, signal } = splitOptions(given);
    assertQueries(queries);
    const { documentAt, run } = begin();
    let waited = 0;
    const tell = (ranking: Ranking) => {
      const result = withDocuments(ranking, documentAt);
      onResult({ ...result, timings: { ...result.timings, waitMs: waited + (result.timings.waitMs ?? 0) } });
    };
    return underSignals([signal, stop], (ending) =>
      run(options, {
        signal: ending,
        functions: { ...functions, onResult: tell },
        onBegin: (waitMs) => {
          waited = waitMs;
        },
      }),
    );
  });
}
