import { InputError } from "../errors.ts";
import { wellFormed } from "../prompt/build.ts";
import type { Ranked, Ranking } from "../ranking/results.ts";

/** What pruning reads of a ranking. */
export type PruneRanking = Pick<Ranking, "usage" | "timings" | "warnings" | "windows"> & { results: RankedPassage[] };
export type RankedPassage = Pick<Ranked, "index" | "score" | "tokenScores" | "passages" | "truncated">;

import type { PruneUnit } from "./select.ts";

/**
 * A token of a text that was read: where its last character stands, the price of its passage, and how much more attention it
 * got than the passage's tokens on average.
 */
export type PricedToken = { at: number; passage: number; excess: number };

export type Price = Pick<PruneUnit, "score" | "cost">;

/** A unit differs from its passage as if so many more of its tokens had had the passage's mean: measured, docs/results/pruning.md. */
const PRIOR_TOKENS = 512;

/** What attention a passage gives for each token that it was read with. */
export function passagePrice({ score }: RankedPassage, tokens: number): number {
  return score / Math.max(1, tokens);
}

/**
 * The tokens of a passage's text, without its number and title.
 *
 * @param begin Where the passage begins in its document.
 * @param price Of the passage.
 * @throws InputError `INVALID_ARGUMENT` for a result that is not of the whole passage.
 */
export function readTokens(text: string, begin: number, result: RankedPassage, price: number): PricedToken[] {
  const tokens = result.tokenScores ?? [];
  const shown = tokens
    .map((token) => token.text)
    .join("")
    .trimEnd();
  const inner = wellFormed(text).trim();
  if (result.truncated || !shown.endsWith(inner)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Pruning needs the attention of whole passages, but the ranking cut one: pass no maxDocumentTokens",
    );
  }
  const header = shown.length - inner.length;
  const offset = begin + text.length - text.trimStart().length - header;
  const last = begin + text.length - 1;
  const found: { at: number; score: number }[] = [];
  let position = 0;
  for (const token of tokens) {
    const end = position + Math.max(1, token.text.length) - 1;
    position += token.text.length;
    if (end >= header) found.push({ at: Math.min(last, offset + end), score: token.kept ? token.score : 0 });
  }
  const mean = found.reduce((sum, { score }) => sum + score, 0) / Math.max(1, found.length);
  return found.map(({ at, score }) => ({ at, passage: price, excess: score - mean }));
}

/**
 * Prices units by the tokens in them: what attention each gives for a token of a budget. That is the price of the passage,
 * and more or less by how much its own tokens differ. Attention falls on few tokens, so that a short sentence says little by
 * itself.
 *
 * @param tokens Of the whole text, in order.
 */
export function priceByTokens(units: readonly { end: number }[], tokens: readonly PricedToken[]): Price[] {
  let next = 0;
  return units.map(({ end }, index) => {
    let [passage, excess, cost] = [0, 0, 0];
    // A token belongs to the unit that its last character is in.
    for (; next < tokens.length && (tokens[next]!.at < end || index === units.length - 1); next++, cost++) {
      passage += tokens[next]!.passage;
      excess += tokens[next]!.excess;
    }
    return { cost, score: passage / Math.max(1, cost) + excess / (cost + PRIOR_TOKENS) };
  });
}
