import { callNative } from "../native/call.ts";
import type { Engine } from "../reading/engine.ts";
import type { Seen } from "../reading/query-passes.ts";

/**
 * Per token of the documents: attention summed over the heads by their weights, less the null query's.
 *
 * @param weights Counts where heads were kept apart; they are in the sums otherwise.
 */
export async function tokenScores(
  { model }: Engine,
  query: Seen,
  baseline: Seen | null,
  { end, weights, signal }: { end: number; weights: Float32Array | null; signal?: AbortSignal | undefined },
): Promise<Float32Array> {
  if (!(query instanceof Float32Array)) {
    const minus = baseline instanceof Float32Array ? null : baseline;
    return callNative(model.library.addon, signal, () => query.sumOverHeads(minus, end, weights));
  }
  if (!(baseline instanceof Float32Array)) return query;
  const scores = new Float32Array(query.length);
  for (let token = 0; token < query.length; token++) scores[token] = query[token]! - baseline[token]!;
  return scores;
}
