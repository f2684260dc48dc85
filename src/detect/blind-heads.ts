import { everyHead } from "../heads/heads.ts";
import type { ModelIdentity } from "../types.ts";

/**
 * Heads that are not to be chosen, as indexes by layer and then by head: those of layers with a sliding window, where more
 * than half of the examples' prompts are longer than it. They see a part of such a prompt only, and give the documents before
 * it exactly 0. None if it is unknown which layers those are, or if every layer has a window.
 *
 * @param promptTokens Of each example.
 */
export function blindHeads(
  model: Pick<ModelIdentity, "layers" | "heads" | "slidingWindow">,
  promptTokens: readonly number[],
): ReadonlySet<number> {
  const { slidingWindow, layers, heads } = model;
  const local = new Set(slidingWindow?.layers);
  const long = promptTokens.filter((tokens) => tokens > (slidingWindow?.tokens ?? Number.POSITIVE_INFINITY)).length;
  if (local.size === 0 || local.size === layers || 2 * long <= promptTokens.length) return new Set();
  return new Set(everyHead(layers, heads).flatMap(([layer], index) => (local.has(layer) ? [index] : [])));
}

/** An example's ratings with those of blind heads below all others, so that they are chosen last. */
export function choosable(rates: Float64Array, blind: ReadonlySet<number>): Float64Array {
  return blind.size === 0 ? rates : rates.map((rate, head) => (blind.has(head) ? Number.NEGATIVE_INFINITY : rate));
}

/** How many heads there are to choose among. */
export function countChoosable(rates: Float64Array): number {
  return rates.filter((rate) => rate !== Number.NEGATIVE_INFINITY).length;
}
