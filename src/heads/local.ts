import type { Head, ModelIdentity } from "../types.ts";
import { counted } from "../util/counted.ts";
import { headKey } from "./heads.ts";

/** Heads that a sentence names at most. */
const NAMED = 8;

/** The heads in layers with a sliding window, in the order given; none where it is not known which layers have one. */
export function localHeads(heads: readonly Head[], window: ModelIdentity["slidingWindow"]): Head[] {
  const local = new Set(window?.layers);
  return heads.filter(([layer]) => local.has(layer));
}

/** "3 of 16 heads (7-0, 10-2, 12-3)", for sentences about them. */
export function countLocal(local: readonly Head[], all: readonly Head[]): string {
  const names = local.slice(0, NAMED).map(headKey).join(", ");
  const named = `(${names}${local.length > NAMED ? ", …" : ""})`;
  if (all.length === 1) return `the head ${named}`;
  return `${local.length} of ${counted(all.length, "head")} ${named}`;
}

/**
 * The sentence for a prompt that some heads cannot see whole, with what to do; null where all can.
 *
 * @param promptTokens Tokens of the prompt.
 */
export function shortSight(heads: readonly Head[], model: ModelIdentity, promptTokens: number): string | null {
  const { slidingWindow } = model;
  if (!slidingWindow || promptTokens <= slidingWindow.tokens) return null;
  const { tokens, layers } = slidingWindow;
  const remedy = `rank in windows with windows: { windowTokens: ${tokens} }, or with heads of other layers`;
  if (layers === null) {
    return `Some layers of ${model.name} look back ${tokens} tokens only, and this prompt has ${promptTokens}: ${remedy}`;
  }
  const local = localHeads(heads, slidingWindow);
  if (local.length === 0) return null;
  const subject = countLocal(local, heads);
  return (
    `${subject[0]!.toUpperCase()}${subject.slice(1)} look back ${tokens} tokens only, and this prompt has ${promptTokens}, so ` +
    `that documents before that get nothing from them: ${remedy}`
  );
}
