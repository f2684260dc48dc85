import { linesOf } from "../chunking/lines.ts";
import { type TurnOptions, turnsOf } from "../chunking/turns.ts";
import { textUnits } from "../chunking/units.ts";
import type { Span } from "../types.ts";
import { firstWhere } from "../util/first-where.ts";
import { inSlices } from "../util/in-slices.ts";
import type { PruneText } from "./fit.ts";
import { type Price, type PricedToken, priceByTokens } from "./price.ts";
import { cutUnits } from "./units.ts";

/** A passage of a document that was read: where it stands, its price, and its tokens. */
export type ReadPassage = { begin: number; end: number; price: number; cost: number };

export type TextOptions = {
  /** How speakers begin their turns, which no unit goes beyond. */
  turns: TurnOptions;
  isSource: boolean;
  /** Tokens that a passage may have; none means any number. */
  passageTokens: number | undefined;
  signal: AbortSignal | undefined;
};

/**
 * A text with its units and their prices.
 *
 * @param passages In order; what stands between two is blank.
 * @param tokens Of all passages, where units are sentences.
 * @param guarded What must stay.
 * @param readAgain Reads the tokens of a stretch where those of all passages are not known.
 */
export async function toPruneText(
  text: string,
  passages: readonly ReadPassage[],
  tokens: readonly PricedToken[] | undefined,
  guarded: readonly Span[],
  readAgain: (span: Span) => Promise<PricedToken[]>,
  { isSource, passageTokens, turns, signal }: TextOptions,
): Promise<PruneText> {
  const spoken = isSource ? [] : (await inSlices(turnsOf(text, turns), signal)).map(({ begin }) => begin);
  const { units: fine, structures } = await textUnits(text, { isSource, cuts: spoken, signal });
  const edges = fine.slice(1).map(({ begin }) => begin);
  const borders = passages.slice(1).map(({ begin }) => begin);
  const cuts = cutUnits(text, tokens ? sentenceEdges() : borders, structures, isSource);
  const prices = tokens ? priceByTokens(cuts, tokens) : cuts.map(chunkPrice);
  const guards = merged(guarded);
  const units = cuts.map((cut, index) => {
    const guard = guards[firstWhere(guards.length, (at) => guards[at]![1] > cut.begin)];
    return { ...cut, ...prices[index]!, protected: guard !== undefined && guard[0] < cut.end };
  });
  return {
    ...{ text, isSource, structures, units },
    finer: isSource ? (await inSlices(linesOf(text), signal)).begins : edges,
    tokensOf: async ([begin, end]) =>
      tokens ? tokens.slice(firstToken(begin), firstToken(end)) : readAgain([begin, end]),
  };

  /** The beginnings of sentences, and in one that no passage holds those of its passages. */
  function sentenceEdges(): number[] {
    const inside = borders.filter((border) => {
      const next = firstWhere(edges.length, (index) => edges[index]! >= border);
      if (edges[next] === border) return false;
      return (
        firstToken(edges[next] ?? text.length) - firstToken(edges[next - 1] ?? 0) >
        (passageTokens ?? Number.POSITIVE_INFINITY)
      );
    });
    return inside.length === 0 ? edges : [...edges, ...inside].sort((a, b) => a - b);
  }

  function firstToken(position: number): number {
    return firstWhere(tokens!.length, (index) => tokens![index]!.at >= position);
  }

  /** The price of the chunk that a unit is, or is a part of. */
  function chunkPrice({ begin, end }: { begin: number; end: number }): Price {
    const at = begin + text.slice(begin, end).search(/\S/);
    const passage = passages[firstWhere(passages.length, (index) => passages[index]!.end > at)]!;
    const share = Math.min(1, (end - begin) / (passage.end - passage.begin));
    return { score: passage.price, cost: passage.cost * share };
  }
}

/** Stretches in order, those that overlap as one. */
function merged(spans: readonly Span[]): Span[] {
  const joined: [number, number][] = [];
  for (const [begin, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && begin <= last[1]) last[1] = Math.max(last[1], end);
    else joined.push([begin, end]);
  }
  return joined;
}
