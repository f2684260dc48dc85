import { append } from "../../util/extremes.ts";
import type { MergeRule } from "./options.ts";
import { dealWindows, fitsOne } from "./plan.ts";

/** Scores the documents of one window together, in the order passed: one forward pass. */
type ScoreWindow = (members: readonly number[]) => Promise<readonly number[]>;

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
    // A single document needs no final.
    if (count > 1) await readings.read(best.slice(0, count).sort((a, b) => a - b));
  }
  return readings.means();
};

/** A half takes more prompts and ranks no better (docs/results/windows.md). */
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

/** The rules by their names. */
export const RULES: Readonly<Record<MergeRule, Rule>> = {
  tournament: mergeTournament,
  calibrated: mergeCalibrated,
  final: mergeFinal,
  sliding: mergeSliding,
};

/**
 * What windows said of every document.
 *
 * The null query makes scores of different prompts comparable to a degree: it removes what a place in the prompt gets from
 * any query. Documents still compete for attention within their window. This adds noise that depends on the other documents
 * of the window, and a mean over several windows reduces it.
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
