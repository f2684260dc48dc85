import type { Structure } from "../chunking/structures.ts";
import { InputError } from "../errors.ts";
import type { Span } from "../types.ts";
import { counted } from "../util/counted.ts";
import { joinKept } from "./join.ts";
import { bestPiece } from "./piece.ts";
import { type Price, type PricedToken, priceByTokens } from "./price.ts";
import {
  candidates,
  costOf,
  keep,
  keptAnyway,
  type PruneLimit,
  type PruneUnit,
  selectUnits,
  type UnitPlace,
} from "./select.ts";
import { cutUnits } from "./units.ts";

/** A text with the units that it is pruned by. */
export type PruneText = {
  text: string;
  isSource: boolean;
  structures: readonly Structure[];
  units: PruneUnit[];
  /** Where its sentences or lines begin: how a unit is cut that is too large. */
  finer: readonly number[];
  /** What attention the tokens of a stretch got, in order. */
  tokensOf: (span: Span) => Promise<PricedToken[]>;
};

/** What stays, and the texts that this makes. */
export type Selection = { kept: boolean[][]; texts: string[]; text: string; tokens: number; warnings: string[] };

export type Measure = {
  marker: string;
  /** Tokens of the marker. */
  markerCost: number;
  /** Tokens for the reader of one token of the retriever, about. */
  scale: number;
  count: (text: string) => number | Promise<number>;
};

export const SEPARATOR = "\n\n";
/** Selections tried so that the tokens of the joined text come close to the budget. */
const ATTEMPTS = 8;

/** The text of a selection, and its tokens. */
export async function render(texts: readonly PruneText[], kept: boolean[][], measure: Measure): Promise<Selection> {
  const parts = texts.map(({ text, units }, index) => joinKept(text, units, kept[index]!, measure.marker));
  const text = parts.filter((part) => part !== "").join(SEPARATOR);
  return { kept, texts: parts, text, tokens: text === "" ? 0 : await measure.count(text), warnings: [] };
}

/**
 * The best selection whose text fits a budget. The best unit is part of it: one that is too large is cut, to its sentences,
 * to its lines where it is source, and to a run of words at last; the units of `texts` are then those parts.
 *
 * @param what What a unit is called, for messages.
 * @throws InputError `INVALID_ARGUMENT` when what is protected does not fit, or nothing does.
 */
export async function fitBudget(
  texts: readonly PruneText[],
  limit: PruneLimit & { budgetTokens: number },
  measure: Measure,
  what: string,
): Promise<Selection> {
  const { budgetTokens } = limit;
  const unitsOf = () => texts.map(({ units }) => units);
  const fits = ({ tokens }: Selection) => tokens <= budgetTokens;

  const least = await render(texts, keptAnyway(unitsOf()), measure);
  if (!fits(least)) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `The protected text has ${counted(least.tokens, "token")} but the budget is ${budgetTokens}: ` +
        `use a budget of at least ${least.tokens}, or protect less`,
    );
  }
  let needed: number | undefined;
  let certain = least;
  for (;;) {
    const [best] = candidates(unitsOf(), limit);
    if (!best) return least;
    certain = await render(texts, withUnit(best), measure);
    if (fits(certain)) break;
    needed ??= certain.tokens;
    if (await refine(texts[best.text]!, best.index, measure.scale)) continue;
    const piece = await cutToFit(best);
    if (piece) {
      certain = piece;
      break;
    }
    if (least.text === "") {
      throw new InputError(
        "INVALID_ARGUMENT",
        `Not even a word of the best ${what} fits the budget of ${counted(budgetTokens, "token")}: ` +
          `use a budget of at least ${needed} for the whole ${what}`,
      );
    }
    return warned(
      least,
      `The budget of ${counted(budgetTokens, "token")} has no room for the best ${what} beside the protected text`,
    );
  }

  let best = certain;
  let allowance = budgetTokens;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const kept = selectUnits(unitsOf(), { ...limit, budgetTokens: allowance }, measure.markerCost, certain.kept);
    const tried = await render(texts, kept, measure);
    if (fits(tried) && tried.tokens > best.tokens) best = tried;
    if (tried.tokens === budgetTokens || kept.every((row) => !row.includes(false))) break;
    allowance += budgetTokens - tried.tokens;
    // Exclude the unit that was too much.
    if (!fits(tried)) allowance = Math.min(allowance, costOf(unitsOf(), kept, measure.markerCost) - 0.5);
    if (allowance < 0) break;
  }
  if (needed === undefined) return best;
  return warned(
    best,
    `The best ${what} does not fit the budget of ${counted(budgetTokens, "token")}, so only a part of it stays`,
  );

  function warned(selection: Selection, problem: string): Selection {
    return { ...selection, warnings: [`${problem}: use a budget of at least ${needed} for the whole ${what}`] };
  }

  function withUnit({ text, index }: UnitPlace): boolean[][] {
    const kept = keptAnyway(unitsOf());
    keep(texts[text]!.units, kept[text]!, index);
    return kept;
  }

  /** Puts the best piece of a unit that fits in its place, without what it needs where it fits only so. */
  async function cutToFit({ text: index, index: unit }: UnitPlace): Promise<Selection | undefined> {
    const owner = texts[index]!;
    const { units } = owner;
    const whole = units[unit]!;
    const tokens = await owner.tokensOf([whole.begin, whole.end]);
    for (const needs of whole.needs?.length ? [whole.needs, []] : [[]]) {
      const around = needs.reduce((sum, one) => sum + units[one]!.cost, 2 * measure.markerCost);
      let size = Math.min(
        tokens.length,
        Math.max(1, Math.ceil((budgetTokens - least.tokens - around) / measure.scale)),
      );
      let best: { units: PruneUnit[]; selection: Selection } | undefined;
      for (let attempt = 0; attempt < ATTEMPTS && size >= 1; attempt++) {
        const span = bestPiece(owner.text, [whole.begin, whole.end], tokens, size);
        if (!span) break;
        owner.units = withPiece(units, unit, span, needs, tokens, measure.scale);
        const at = owner.units.findIndex(({ begin }) => begin === span[0]);
        const selection = await render(texts, withUnit({ text: index, index: at }), measure);
        if (fits(selection) && selection.tokens > (best?.selection.tokens ?? 0))
          best = { units: owner.units, selection };
        const step = Math.trunc((budgetTokens - selection.tokens) / measure.scale);
        if (step === 0 && fits(selection)) break;
        size += step === 0 ? -1 : step;
      }
      owner.units = best?.units ?? units;
      if (best) return best.selection;
    }
    return undefined;
  }
}

/** Cuts one unit of a text at its sentences, or its lines where the text is source. @returns False where it has one alone. */
async function refine(owner: PruneText, index: number, scale: number): Promise<boolean> {
  const { text, units, structures, isSource, finer } = owner;
  const whole = units[index]!;
  const edges = finer.filter((edge) => edge > whole.begin && edge < whole.end);
  if (edges.length === 0) return false;
  const all = [...units.map(({ begin }) => begin), ...edges].sort((a, b) => a - b).slice(1);
  const cuts = cutUnits(text, all, structures, isSource);
  const parts = cuts.filter(({ begin, end }) => begin >= whole.begin && end <= whole.end);
  if (parts.length < 2) return false;
  const prices = priceByTokens(parts, await owner.tokensOf([whole.begin, whole.end]));
  let from = 0;
  owner.units = cuts.map((cut): PruneUnit => {
    const part = parts.indexOf(cut);
    if (part !== -1) return { ...cut, score: prices[part]!.score, cost: prices[part]!.cost * scale, protected: false };
    while (units[from]!.end <= cut.begin) from++;
    const { score, cost, protected: isProtected } = units[from]!;
    return { ...cut, score, cost, protected: isProtected };
  });
  return true;
}

/** The units with a piece of one, and what is left of it, in its place. */
function withPiece(
  units: readonly PruneUnit[],
  index: number,
  [begin, end]: Span,
  needs: readonly number[],
  tokens: readonly PricedToken[],
  scale: number,
): PruneUnit[] {
  const whole = units[index]!;
  const [{ score, cost: count }] = priceByTokens(
    [{ end }],
    tokens.filter(({ at }) => at >= begin && at < end),
  ) as [Price];
  const cost = count * scale;
  const rest = {
    score: whole.score,
    cost: Math.max(1, Math.round((whole.cost - cost) / 2)),
    protected: false,
    isPassive: true,
  };
  const parts: PruneUnit[] = [
    ...(begin > whole.begin ? [{ ...rest, begin: whole.begin, end: begin }] : []),
    { begin, end, score, cost, protected: false, needs, isBlock: begin === whole.begin && whole.isBlock === true },
    ...(end < whole.end ? [{ ...rest, begin: end, end: whole.end }] : []),
  ];
  const shift = (one: number) => (one > index ? one + parts.length - 1 : one);
  const moved = (unit: PruneUnit): PruneUnit => (unit.needs ? { ...unit, needs: unit.needs.map(shift) } : unit);
  return [...units.slice(0, index).map(moved), ...parts.map(moved), ...units.slice(index + 1).map(moved)];
}
