import { InputError } from "../errors.ts";
import { parseOptions } from "../options/parse.ts";
import { LIMITING } from "../options/texts.ts";
import type { PruneLimit } from "../options/types/texts.ts";

/** A sentence, line or chunk of a text: where it stands, what it is worth, what it costs, and whether it must stay. */
export type PruneUnit = {
  begin: number;
  end: number;
  /** Attention; higher is better. */
  score: number;
  /** Tokens. */
  cost: number;
  protected: boolean;
  /** Never stays for its own sake, only where another unit needs it: a fence's marks, the header of a table. */
  isPassive?: boolean;
  /** Indexes, in the same text, of the units without which this one makes no sense. */
  needs?: readonly number[];
  /** Begins a line whose beginning tells what it is, such as an item or a row. */
  isBlock?: boolean;
};

export type { PruneLimit };

/** Where a unit stands: the index of its text, and its own in it. */
export type UnitPlace = { text: number; index: number };

/** The units that may stay for their own sake under a limit, best first; equal scores: the earlier one first. */
export function candidates(
  texts: readonly (readonly PruneUnit[])[],
  { threshold, relative }: PruneLimit,
): (UnitPlace & { unit: PruneUnit })[] {
  const sorted = texts
    .flatMap((units, text) => units.map((unit, index) => ({ unit, text, index })))
    .filter(({ unit }) => !unit.isPassive)
    .sort((a, b) => b.unit.score - a.unit.score);
  const best = sorted[0]?.unit.score ?? 0;
  const least = Math.max(
    threshold ?? Number.NEGATIVE_INFINITY,
    // A share of a negative score would be above the score.
    relative === undefined ? Number.NEGATIVE_INFINITY : Math.min(best, Math.max(best, 0) * relative),
  );
  return sorted.filter(({ unit }) => unit.score >= least && !unit.protected);
}

/** What stays whatever the limit: what is protected, and what that needs. */
export function keptAnyway(texts: readonly (readonly PruneUnit[])[]): boolean[][] {
  const kept = texts.map((units) => units.map(() => false));
  for (const [text, units] of texts.entries()) {
    for (const [index, unit] of units.entries()) if (unit.protected) keep(units, kept[text]!, index);
  }
  return kept;
}

/** Keeps a unit with those that it needs. */
export function keep(units: readonly PruneUnit[], kept: boolean[], index: number): void {
  kept[index] = true;
  for (const needed of units[index]!.needs ?? []) kept[needed] = true;
}

/**
 * Chooses what stays. What is protected always does. The others come best first; with a budget one that does not fit is
 * passed over, and a smaller one further down may still fit.
 *
 * @param texts Units of each text, in its order.
 * @param markerCost Tokens of the marker that stands wherever something was left out.
 * @param certain What stays in any case; what is protected by default.
 * @returns Per text and unit whether it stays.
 */
export function selectUnits(
  texts: readonly (readonly PruneUnit[])[],
  limit: PruneLimit,
  markerCost: number,
  certain: readonly (readonly boolean[])[] = keptAnyway(texts),
): boolean[][] {
  const { budgetTokens, topK } = limit;
  const kept = certain.map((row) => [...row]);
  const others = candidates(texts, limit);
  if (budgetTokens === undefined) {
    for (const { text, index } of others.slice(0, topK)) keep(texts[text]!, kept[text]!, index);
    return kept;
  }
  let left = budgetTokens - costOf(texts, kept, markerCost);
  for (const { text, index } of others) {
    if (kept[text]![index]) continue;
    const cost = costOfKeeping(texts[text]!, kept[text]!, index, markerCost);
    if (cost > left) continue;
    left -= cost;
    keep(texts[text]!, kept[text]!, index);
  }
  return kept;
}

/**
 * Tokens that a unit adds with those it needs. One between two gaps splits one in two, one between two kept closes it, and
 * the first of its text opens the gap before it.
 */
function costOfKeeping(
  units: readonly PruneUnit[],
  kept: readonly boolean[],
  index: number,
  markerCost: number,
): number {
  const added = new Set([index, ...(units[index]!.needs ?? [])].filter((one) => !kept[one]));
  const touched = new Set([...added].flatMap((one) => [one, one + 1]));
  const gaps = (stays: (one: number) => boolean) =>
    [...touched].filter((one) => one < units.length && !stays(one) && (one === 0 || stays(one - 1))).length;
  const opened = kept.includes(true) ? 0 : 1;
  const change = opened + gaps((one) => kept[one]! || added.has(one)) - gaps((one) => kept[one]!);
  return [...added].reduce((sum, one) => sum + units[one]!.cost, 0) + change * markerCost;
}

/** Tokens of what stays, markers included. A text of which nothing stays has none. */
export function costOf(
  texts: readonly (readonly PruneUnit[])[],
  kept: readonly (readonly boolean[])[],
  markerCost: number,
): number {
  let cost = 0;
  for (const [text, units] of texts.entries()) {
    if (!kept[text]!.includes(true)) continue;
    for (const [index, unit] of units.entries()) {
      if (kept[text]![index]) cost += unit.cost;
      else if (index === 0 || kept[text]![index - 1]) cost += markerCost;
    }
  }
  return cost;
}

/** @throws InputError `INVALID_ARGUMENT` unless exactly one limit is given, with a value that makes sense. */
export function checkLimit(limit: PruneLimit): void {
  const { relative, budgetTokens, threshold, topK } = parseOptions(LIMITING, limit) as PruneLimit;
  const given = Object.entries({ budgetTokens, threshold, topK }).filter(([, value]) => value !== undefined);
  if (given.length > 1 || (given.length === 0 && relative === undefined)) {
    const expected = "exactly one of budgetTokens, threshold and topK, or relative";
    const received = given.map(([name]) => name).join(" and ") || "none of them";
    throw new InputError("INVALID_ARGUMENT", `Expected ${expected}, but received ${received}`, {
      ...{ option: given[0]?.[0] ?? "budgetTokens", expected, received },
    });
  }
}
