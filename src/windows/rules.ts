import { dealWindows, fitsOne } from "./plan.ts";

/** Scores the documents of one window together, in the order passed: one forward pass. */
export type ScoreWindow = (members: readonly number[]) => Promise<readonly number[]>;

export type Problem = {
  /** Tokens of each document. */
  costs: readonly number[];
  /** Tokens that the documents of one window may have. */
  capacity: number;
  /** Documents that one window may have. */
  most: number;
  score: ScoreWindow;
};

/** Documents best first, and the score that each had in the end, by document. */
export type Merged = { order: number[]; scores: number[] };

/**
 * Balanced windows; calibrated scores are compared as they are.
 *
 * The null query makes scores of different prompts comparable to a degree: it takes out what a place in the prompt gets from
 * any query. What stays is that documents compete for attention within their window. The windows may be read in any order.
 */
export async function mergeCalibrated({ costs, capacity, most, score }: Problem): Promise<Merged> {
  const scores = new Array<number>(costs.length).fill(0);
  for (const window of dealWindows(costs, capacity, most)) {
    for (const [position, value] of (await score(window)).entries()) scores[window[position]!] = value;
  }
  return byScore(scores);
}

/** A window whose anchors all score about alike says nothing about scale; neither does one that would stretch far. */
const SCALE_BOUNDS = [0.25, 4] as const;

/**
 * Balanced windows that share anchor documents. Every window is shifted and scaled so that its anchors fit their mean over
 * all windows, by least squares; an anchor's own score is the mean of its fitted ones. The windows may be read in any order.
 *
 * Anchors are spread evenly over the documents as given. With one anchor there is a shift only.
 *
 * @param anchors How many; fewer where they would take more than a third of a window.
 */
export async function mergeAnchored({ costs, capacity, most, score }: Problem, anchors: number): Promise<Merged> {
  const chosen = chooseAnchors(costs, anchors, capacity / 3, most - 1);
  const shared = chosen.reduce((sum, index) => sum + costs[index]!, 0);
  const others = costs.map((_, index) => index).filter((index) => !chosen.includes(index));
  const dealt = dealWindows(
    others.map((index) => costs[index]!),
    capacity - shared,
    most - chosen.length,
  );
  const windows: Map<number, number>[] = [];
  for (const members of dealt) {
    const window = [...chosen, ...members.map((member) => others[member]!)].sort((a, b) => a - b);
    const values = await score(window);
    windows.push(new Map(window.map((index, position) => [index, values[position]!])));
  }
  const target = chosen.map((index) => mean(windows.map((window) => window.get(index)!)));
  const sums = new Array<number>(costs.length).fill(0);
  for (const window of windows) {
    const fit = fitLine(
      chosen.map((index) => window.get(index)!),
      target,
    );
    for (const [index, value] of window) sums[index]! += fit.scale * value + fit.shift;
  }
  for (const index of chosen) sums[index]! /= windows.length;
  return byScore(sums);
}

function chooseAnchors(costs: readonly number[], wanted: number, tokens: number, most: number): number[] {
  for (let count = Math.min(wanted, most, costs.length - 1); count > 0; count--) {
    const chosen = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * costs.length) / count));
    if (chosen.reduce((sum, index) => sum + costs[index]!, 0) <= tokens) return chosen;
  }
  return [];
}

/** The line through points nearest in least squares; its slope is kept within bounds, and is 1 where there is none. */
export function fitLine(x: readonly number[], y: readonly number[]): { scale: number; shift: number } {
  if (x.length === 0) return { scale: 1, shift: 0 };
  const [meanX, meanY] = [mean(x), mean(y)];
  const variance = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
  const covariance = x.reduce((sum, value, i) => sum + (value - meanX) * (y[i]! - meanY), 0);
  const slope = variance > 0 ? covariance / variance : 1;
  const scale = slope > 0 ? Math.min(SCALE_BOUNDS[1], Math.max(SCALE_BOUNDS[0], slope)) : 1;
  return { scale, shift: meanY - scale * meanX };
}

/**
 * The better half of every balanced window meets again, until one window holds all that are left and decides among them.
 * Behind these come those that went out last, by score. The windows of a round may be read in any order.
 *
 * A score is that of the last window a document was in, and so comparable within a round only.
 */
export async function mergeTournament({ costs, capacity, most, score }: Problem): Promise<Merged> {
  const scores = new Array<number>(costs.length).fill(0);
  const rounds: number[][] = [];
  let left = costs.map((_, index) => index);
  for (;;) {
    const leftCosts = left.map((index) => costs[index]!);
    const last = fitsOne(leftCosts, capacity, most);
    const windows = last ? [left] : dealWindows(leftCosts, capacity, most).map((window) => window.map((i) => left[i]!));
    const winners: number[] = [];
    const losers: number[] = [];
    for (const window of windows) {
      const values = await score(window);
      for (const [position, value] of values.entries()) scores[window[position]!] = value;
      const ranked = sortByScore(window, scores);
      const through = last ? ranked.length : Math.ceil(ranked.length / 2);
      winners.push(...ranked.slice(0, through));
      losers.push(...ranked.slice(through));
    }
    rounds.push(sortByScore(losers, scores));
    // Windows of one document each have nobody to beat: their scores decide.
    if (last || losers.length === 0) {
      rounds.push(sortByScore(winners, scores));
      return { order: rounds.reverse().flat(), scores };
    }
    left = winners.sort((a, b) => a - b);
  }
}

/**
 * A window slides from the end of the given order to its beginning by half its length and sorts what it holds, so that good
 * documents rise (RankGPT, arXiv 2304.09542). It trusts the given order: what begins at the end rises, what begins in front
 * falls by half a window at most. A score is that of the last window a document was in.
 */
export async function mergeSliding({ costs, capacity, most, score }: Problem): Promise<Merged> {
  const scores = new Array<number>(costs.length).fill(0);
  const order = costs.map((_, index) => index);
  for (let end = order.length; end > 0; ) {
    let begin = end;
    let tokens = 0;
    while (begin > 0 && end - begin < most && (begin === end || tokens + costs[order[begin - 1]!]! <= capacity)) {
      begin--;
      tokens += costs[order[begin]!]!;
    }
    const window = order.slice(begin, end);
    for (const [position, value] of (await score(window)).entries()) scores[window[position]!] = value;
    order.splice(begin, window.length, ...sortByScore(window, scores));
    if (begin === 0) break;
    // The next window must reach further forward than this one did, with the better half of it.
    end = Math.min(end - 1, begin + Math.floor((end - begin) / 2));
  }
  return { order, scores };
}

function byScore(scores: number[]): Merged {
  return {
    order: sortByScore(
      scores.map((_, index) => index),
      scores,
    ),
    scores,
  };
}

/** Highest first; equal ones in the order given. */
function sortByScore(members: readonly number[], scores: readonly number[]): number[] {
  return members.toSorted((a, b) => scores[b]! - scores[a]! || a - b);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
