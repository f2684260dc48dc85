import { invalidArgument } from "../errors.ts";
import type { Span } from "../types.ts";

/** A sentence or chunk of a text: where it stands, what it is worth, what it costs, and whether it must stay. */
export type PruneUnit = {
  begin: number;
  end: number;
  /** Attention; higher is better. */
  score: number;
  /** Tokens. */
  cost: number;
  protected: boolean;
};

/** How much is to stay; exactly one of them. */
export type PruneLimit = {
  /** Tokens that what stays may have, markers included, at least 1. */
  budgetTokens?: number | undefined;
  /** Keep what scores at least this. */
  threshold?: number | undefined;
  /** Keep the best this many, at least 1, beside what is protected. */
  topK?: number | undefined;
};

/**
 * Chooses what stays. What is protected always does. The others come best first; with a budget one that does not fit is
 * passed over, and a smaller one further down may still fit. Equal scores: the earlier one first.
 *
 * @param texts Units of each text, in its order.
 * @param markerCost Tokens of the marker that stands wherever something was left out.
 * @returns Per text and unit whether it stays.
 */
export function selectUnits(
  texts: readonly (readonly PruneUnit[])[],
  { budgetTokens, threshold, topK }: PruneLimit,
  markerCost: number,
): boolean[][] {
  const kept = texts.map((units) => units.map((unit) => unit.protected));
  const others = texts
    .flatMap((units, text) => units.map((unit, index) => ({ unit, text, index })))
    .filter(({ unit }) => !unit.protected)
    .sort((a, b) => b.unit.score - a.unit.score);
  if (budgetTokens === undefined) {
    const chosen =
      threshold === undefined ? others.slice(0, topK) : others.filter(({ unit }) => unit.score >= threshold);
    for (const { text, index } of chosen) kept[text]![index] = true;
    return kept;
  }
  let left = budgetTokens - costOf(texts, kept, markerCost);
  for (const { unit, text, index } of others) {
    const row = kept[text]!;
    const before = row[index - 1] ?? true;
    const after = row[index + 1] ?? true;
    // A unit between two gaps splits one in two, and one between two kept neighbours closes it.
    const gaps = before && after ? -1 : before || after ? 0 : 1;
    const cost = unit.cost + gaps * markerCost;
    if (cost > left) continue;
    left -= cost;
    row[index] = true;
  }
  return kept;
}

/** Tokens of what stays, markers included. */
export function costOf(
  texts: readonly (readonly PruneUnit[])[],
  kept: readonly boolean[][],
  markerCost: number,
): number {
  let cost = 0;
  for (const [text, units] of texts.entries()) {
    for (const [index, unit] of units.entries()) {
      if (kept[text]![index]) cost += unit.cost;
      else if (index === 0 || kept[text]![index - 1]) cost += markerCost;
    }
  }
  return cost;
}

/** What stays of a text, verbatim and in its order, with the marker wherever something was left out. */
export function joinKept(
  text: string,
  units: readonly PruneUnit[],
  kept: readonly boolean[],
  marker: string,
): { text: string; spans: Span[] } {
  let joined = "";
  const spans: [number, number][] = [];
  for (const [index, { begin, end }] of units.entries()) {
    if (kept[index]) {
      joined += text.slice(begin, end);
      if (index > 0 && kept[index - 1]) spans.at(-1)![1] = end;
      else spans.push([begin, end]);
    } else if (index === 0 || kept[index - 1]) joined += marker;
  }
  return { text: joined, spans };
}

/** @throws InputError `INVALID_ARGUMENT` unless exactly one limit is given, with a value that makes sense. */
export function checkLimit({ budgetTokens, threshold, topK }: PruneLimit): void {
  const given = Object.entries({ budgetTokens, threshold, topK }).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    const names = given.map(([name]) => name).join(" and ") || "none";
    throw invalidArgument("the limit", "exactly one of budgetTokens, threshold and topK", names);
  }
  const positive = (value: number | undefined) => value === undefined || (Number.isInteger(value) && value >= 1);
  if (!positive(budgetTokens)) throw invalidArgument("budgetTokens", "an integer of at least 1", budgetTokens);
  if (!positive(topK)) throw invalidArgument("topK", "an integer of at least 1", topK);
  if (threshold !== undefined && !Number.isFinite(threshold)) throw invalidArgument("threshold", "a number", threshold);
}
