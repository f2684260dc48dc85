import { InputError } from "../errors.ts";
import { rankDocuments } from "../ranking/scoring/ranking.ts";
import type { Head } from "../types.ts";
import { counted } from "../util/counted.ts";
import { mean } from "../util/mean.ts";
import { assertHeadSet } from "./given-set.ts";
import type { HeadSet } from "./head-set.ts";
import { headKey } from "./heads.ts";

/** Numbers of best heads that two sets of scores are compared at. */
const TOPS = [1, 4, 8, 16, 32, 64, 128];

/** What two head sets have in common. */
export type HeadSetComparison = {
  /** Heads of both, in the order of the first. */
  shared: Head[];
  /** Shared heads over the heads of the smaller set, 0 to 1. */
  overlap: number;
  /** Shared heads over the heads of either. */
  jaccard: number;
  /** The overlap to expect of random sets of these sizes; null where neither says how many heads its model has. */
  chance: number | null;
  /** Overlap of the best heads by score, for several numbers of them; empty unless both score every head. */
  top: { heads: number; overlap: number; chance: number }[];
  /** Rank correlation of all scores, −1 to 1, equal scores sharing their mean rank; null unless both score every head. */
  spearman: number | null;
};

/**
 * Compares two head sets of one model: the heads that they chose, and where both have scores for every head, their whole
 * order.
 *
 * @throws InputError `HEADS_MISMATCH` when they are of models of different shape.
 * @example
 * const { shared } = compareHeadSets(parseHeadSet("13-18,13-21", "a"), parseHeadSet("13-18", "b"));
 */
export function compareHeadSets(a: HeadSet, b: HeadSet): HeadSetComparison {
  assertHeadSet(a, "a");
  assertHeadSet(b, "b");
  const [shapeA, shapeB] = [shapeOf(a), shapeOf(b)];
  if (shapeA && shapeB && (shapeA.layers !== shapeB.layers || shapeA.heads !== shapeB.heads)) {
    throw new InputError(
      "HEADS_MISMATCH",
      `The sets are of different models, ${describe(shapeA)} and ${describe(shapeB)}: compare sets of one model`,
    );
  }
  const shape = shapeA ?? shapeB;
  const total = shape ? shape.layers * shape.heads : null;
  const keys = new Set(b.heads.map(headKey));
  const shared = a.heads.filter((head) => keys.has(headKey(head)));
  const [small, large] = [a.heads.length, b.heads.length].sort((x, y) => x - y) as [number, number];
  const scores = a.scores && b.scores ? ([a.scores.flat(), b.scores.flat()] as const) : null;
  return {
    shared: shared.map(([layer, head]): Head => [layer, head]),
    overlap: shared.length / small,
    jaccard: shared.length / (small + large - shared.length),
    chance: total && large / total,
    top: scores ? overlapsOf(...scores) : [],
    spearman: scores && correlation(ranksOf(scores[0]), ranksOf(scores[1])),
  };
}

function shapeOf({ model, scores }: HeadSet): { layers: number; heads: number } | null {
  if (model) return model;
  return scores ? { layers: scores.length, heads: scores[0]!.length } : null;
}

function describe({ layers, heads }: { layers: number; heads: number }): string {
  return `${counted(layers, "layer")} of ${counted(heads, "head")}`;
}

function overlapsOf(a: readonly number[], b: readonly number[]): HeadSetComparison["top"] {
  return TOPS.filter((heads) => heads < a.length).map((heads) => {
    const first = new Set(rankDocuments(a, heads));
    const shared = rankDocuments(b, heads).filter((head) => first.has(head));
    return { heads, overlap: shared.length / heads, chance: heads / a.length };
  });
}

/** Ranks from 0, lowest score first; equal scores share the mean of their ranks. */
function ranksOf(scores: readonly number[]): number[] {
  const order = [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!);
  const ranks = new Array<number>(scores.length);
  for (let begin = 0; begin < order.length; ) {
    let end = begin + 1;
    while (end < order.length && scores[order[end]!] === scores[order[begin]!]) end++;
    for (let i = begin; i < end; i++) ranks[order[i]!] = (begin + end - 1) / 2;
    begin = end;
  }
  return ranks;
}

/** Pearson's correlation; null where one of the two does not vary. */
function correlation(a: readonly number[], b: readonly number[]): number | null {
  const centred = (values: readonly number[]) => {
    const middle = mean(values);
    return values.map((value) => value - middle);
  };
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  const [x, y] = [centred(a), centred(b)];
  const norm = Math.sqrt(dot(x, x) * dot(y, y));
  return norm > 0 ? dot(x, y) / norm : null;
}
