import type { HeadCalibration } from "../heads/head-set.ts";
import { rankDocuments } from "../ranking/scoring/ranking.ts";
import { type Calibration, oddsOf } from "../ranking/scoring/relevance.ts";
import { mean } from "../util/mean.ts";
import { type ExampleScores, meanRates } from "./objectives.ts";
import { addRow, foldsOf, without } from "./quality.ts";
import { MIN_EXAMPLES } from "./stability.ts";

/** A document's odds, and whether it answers. */
export type Labelled = { odds: number; gold: boolean };

/** Weight of the slope's square beside the mean loss, per document. It keeps the slope finite if the odds separate all documents. */
const RIDGE = 1;
const MOST_STEPS = 100;
const CONVERGED = 1e-10;

/**
 * Fits the curve that makes relevance of odds, and says how well it does on examples that it was not fitted on.
 *
 * Documents that answer count as much together as those that do not. Scores are masked head by head here, and in the sum
 * over heads when documents are ranked: the constants are near those that ranking would give.
 *
 * @param heads Indexes of the chosen heads.
 * @param weights What each counts for; null where all count alike. Without, each fold's heads are chosen without the fold.
 * @param rates Of each example, one number per head.
 * @returns null for fewer than `MIN_EXAMPLES`, and where attention does not rise with relevance.
 */
export function calibrate(
  examples: readonly ExampleScores[],
  rates: readonly Float64Array[],
  heads: readonly number[],
  weights: ArrayLike<number> | null,
  seed: number,
): HeadCalibration | null {
  if (examples.length < MIN_EXAMPLES) return null;
  const held: (Labelled & { relevance: number })[] = [];
  const folds = foldsOf(examples.length, seed);
  for (const fold of folds) {
    const training = without(examples.length, fold);
    const chosen = weights ? heads : rankDocuments(meanRates(rates, training), heads.length);
    const curve = fitCurve(training.flatMap((index) => labelledOf(examples[index]!, chosen, weights)));
    for (const one of fold.flatMap((index) => labelledOf(examples[index]!, chosen, weights))) {
      held.push({ ...one, relevance: relevanceAt(one.odds, curve) });
    }
  }
  const { a, b } = fitCurve(examples.flatMap((example) => labelledOf(example, heads, weights)));
  if (!(b > 0)) return null;
  return { a, b, heldOut: { folds: folds.length, auc: areaUnder(held), logLoss: balancedLoss(held) } };
}

/** The documents of an example, with their odds by these heads. */
function labelledOf(
  { ranking, masses, documents, gold }: ExampleScores,
  heads: readonly number[],
  weights: ArrayLike<number> | null,
): Labelled[] {
  const scores = new Float64Array(documents);
  let [seen, weight] = [0, 0];
  for (const [index, head] of heads.entries()) {
    const own = weights ? weights[index]! : 1;
    addRow(scores, ranking, head, own);
    seen += own * masses[head]!;
    weight += own;
  }
  const relevant = new Set(gold);
  const { odds } = oddsOf(scores, [seen], weight);
  return odds.map((value, document) => ({ odds: value, gold: relevant.has(document) }));
}

/**
 * The logistic curve of least mean loss, both kinds of documents having half the weight, by Newton's method. The slope of
 * odds divided by their deviation has a ridge of `RIDGE / (2 · documents)`.
 */
export function fitCurve(documents: readonly Labelled[]): Calibration {
  const positive = documents.filter(({ gold }) => gold).length;
  const [heavy, light] = [0.5 / positive, 0.5 / (documents.length - positive)];
  const centre = documents.reduce((sum, { odds }) => sum + odds, 0) / documents.length;
  const deviation = Math.sqrt(documents.reduce((sum, { odds }) => sum + (odds - centre) ** 2, 0) / documents.length);
  if (!(deviation > 0)) return { a: 0, b: 0 };
  const ridge = RIDGE / documents.length;
  let [a, b] = [0, 0];
  for (let step = 0; step < MOST_STEPS; step++) {
    let [ga, gb, aa, ab, bb] = [0, ridge * b, 0, 0, ridge];
    for (const { odds, gold } of documents) {
      const x = (odds - centre) / deviation;
      const p = relevanceAt(x, { a, b });
      const weight = gold ? heavy : light;
      const error = weight * (p - (gold ? 1 : 0));
      const curvature = weight * p * (1 - p);
      ga += error;
      gb += error * x;
      aa += curvature;
      ab += curvature * x;
      bb += curvature * x * x;
    }
    const determinant = aa * bb - ab * ab;
    const [da, db] = [(bb * ga - ab * gb) / determinant, (aa * gb - ab * ga) / determinant];
    if (!Number.isFinite(da) || !Number.isFinite(db)) break;
    a -= da;
    b -= db;
    if (Math.abs(da) + Math.abs(db) < CONVERGED) break;
  }
  return { a: a - (b * centre) / deviation, b: b / deviation };
}

function relevanceAt(odds: number, { a, b }: Calibration): number {
  return 1 / (1 + Math.exp(-(a + b * odds)));
}

/** How often a document that answers has a higher relevance than one that does not; equal ones count half. */
function areaUnder(documents: readonly { relevance: number; gold: boolean }[]): number {
  const sorted = documents.toSorted((a, b) => a.relevance - b.relevance);
  const positive = documents.filter(({ gold }) => gold).length;
  let ranks = 0;
  for (let begin = 0, end = 0; begin < sorted.length; begin = end) {
    while (end < sorted.length && sorted[end]!.relevance === sorted[begin]!.relevance) end++;
    ranks += sorted.slice(begin, end).filter(({ gold }) => gold).length * ((begin + 1 + end) / 2);
  }
  return (ranks - (positive * (positive + 1)) / 2) / (positive * (documents.length - positive));
}

/** Mean loss in nats, both kinds having half the weight: ln 2 where relevance says nothing. */
function balancedLoss(documents: readonly { relevance: number; gold: boolean }[]): number {
  const lossOf = (kind: boolean) => {
    const own = documents.filter(({ gold }) => gold === kind);
    const loss = ({ relevance }: { relevance: number }) => -Math.log(Math.max(1e-12, kind ? relevance : 1 - relevance));
    return mean(own.map(loss));
  };
  return (lossOf(true) + lossOf(false)) / 2;
}
