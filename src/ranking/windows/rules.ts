import { append } from "../../util/extremes.ts";
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

/** How windows become one ranking: the score of every document. */
export type Rule = (problem: Problem) => Promise<number[]>;

/** Balanced windows, read once each; they may be read in any order. */
export const mergeCalibrated: Rule = async (problem) => {
  const readings = new Readings(problem);
  for (const window of dealAll(problem)) await readings.read(window);
  return readings.means();
};

/**
 * The documents with the best scores of all balanced windows meet in one more, as many as it holds: a second reading where
 * it counts, for one prompt. The balanced windows may be read in any order.
 */
export const mergeFinal: Rule = async (problem) => {
  const readings = new Readings(problem);
  const windows = dealAll(problem);
  for (const window of windows) await readings.read(window);
  if (windows.length > 1) {
    const { costs, capacity, most } = problem;
    const best = byScore(windows.flat(), readings.means());
    let count = 0;
    for (let tokens = 0; count < Math.min(most, best.length); count++) {
      tokens += costs[best[count]!]!;
      if (tokens > capacity) break;
    }
    // One alone would meet nobody.
    if (count > 1) await readings.read(best.slice(0, count).sort((a, b) => a - b));
  }
  return readings.means();
};

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
export async function mergeAnchored({ costs, capacity, most, score }: Problem, anchors: number): Promise<number[]> {
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
  return sums;
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

/** A half takes more prompts and ranks no better (docs/long-context.md). */
const THROUGH = 1 / 3;

/**
 * The best third of every balanced window meets again, until one window holds all that are left. The further a document
 * gets, the more readings its score is the mean of. The windows of a round may be read in any order.
 */
export const mergeTournament: Rule = async (problem) => {
  const { costs, capacity, most } = problem;
  const readings = new Readings(problem);
  for (let left = costs.map((_, index) => index); ; ) {
    const leftCosts = left.map((index) => costs[index]!);
    const last = fitsOne(leftCosts, capacity, most);
    const windows = last ? [left] : dealWindows(leftCosts, capacity, most).map((window) => window.map((i) => left[i]!));
    const through: number[] = [];
    for (const window of windows) {
      const scores = await readings.read(window);
      append(through, byScore(window, scores).slice(0, Math.ceil(window.length * THROUGH)));
    }
    // Windows of one document each have nobody to beat.
    if (last || through.length === left.length) return readings.means();
    left = through.sort((a, b) => a - b);
  }
};

/**
 * A window slides from the end of the given order to its beginning by half its length and sorts what it holds, so that good
 * documents rise and are read again (after RankGPT, arXiv 2304.09542, where the order that the windows leave is the result).
 */
export const mergeSliding: Rule = async (problem) => {
  const { costs, capacity, most } = problem;
  const readings = new Readings(problem);
  const order = costs.map((_, index) => index);
  for (let end = order.length; end > 0; ) {
    let begin = end;
    let tokens = 0;
    while (begin > 0 && end - begin < most && (begin === end || tokens + costs[order[begin - 1]!]! <= capacity)) {
      begin--;
      tokens += costs[order[begin]!]!;
    }
    const window = order.slice(begin, end);
    for (const [offset, index] of byScore(window, await readings.read(window)).entries()) order[begin + offset] = index;
    if (begin === 0) break;
    // The next window must reach further forward than this one did, with the better half of it.
    end = Math.min(end - 1, begin + Math.floor((end - begin) / 2));
  }
  return readings.means();
};

/**
 * What windows said of every document.
 *
 * The null query makes scores of different prompts comparable to a degree: it takes out what a place in the prompt gets from
 * any query. What stays is that documents compete for attention within their window. That is noise of the company that a
 * document was read in, and a mean over several windows takes some of it away.
 */
class Readings {
  readonly #problem: Problem;
  readonly #sums: number[];
  readonly #counts: number[];

  constructor(problem: Problem) {
    this.#problem = problem;
    this.#sums = new Array<number>(problem.costs.length).fill(0);
    this.#counts = new Array<number>(problem.costs.length).fill(0);
  }

  /** Reads one window; the scores of this reading, by document. */
  async read(window: readonly number[]): Promise<number[]> {
    const scores: number[] = [];
    for (const [position, score] of (await this.#problem.score(window)).entries()) {
      const document = window[position]!;
      scores[document] = score;
      this.#sums[document]! += score;
      this.#counts[document]!++;
    }
    return scores;
  }

  means(): number[] {
    return this.#sums.map((sum, document) => sum / this.#counts[document]!);
  }
}

function dealAll({ costs, capacity, most }: Problem): number[][] {
  return dealWindows(costs, capacity, most);
}

/** Highest first; equal ones in the order given. */
function byScore(members: readonly number[], scores: readonly number[]): number[] {
  return members.toSorted((a, b) => scores[b]! - scores[a]! || a - b);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
