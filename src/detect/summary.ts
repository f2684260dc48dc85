import { QRHeadError } from "../errors.ts";
import { DEFAULT_HEAD_COUNT } from "../heads/formats.ts";
import type { HeadSetModel } from "../heads/head-set.ts";
import type { PromptName } from "../prompt/profiles.ts";
import { countChoosable } from "./blind-heads.ts";
import { calibrate } from "./calibrate.ts";
import type { Collected } from "./collect.ts";
import { fitWeights, MIN_FIT_EXAMPLES } from "./fit.ts";
import type { DetectedHeadSet } from "./format.ts";
import { bestHeads, meanRates, rateHeads } from "./objectives.ts";
import { assertEnough, type ParsedDetectOptions } from "./options.ts";
import { chooseCount, qualityOf } from "./quality.ts";
import { MIN_EXAMPLES, stabilityOf } from "./stability.ts";

/** Digits of the numbers that say how far to trust a set. More digits would claim a precision that is not there. */
const DIGITS = 6;

type Summary = Pick<
  ParsedDetectOptions,
  "name" | "objective" | "temperature" | "nullQuery" | "seed" | "shuffle" | "sourceName" | "top" | "fitWeights"
> & { model: HeadSetModel; prompt: PromptName };

/**
 * The head set that the examples' scores amount to. A function of them alone: a resumed run gives the same.
 *
 * @throws InputError `INVALID_INPUT` where there are too few examples for `top: "auto"` or `fitWeights`.
 * @throws QRHeadError `MODEL_UNSUPPORTED` where no head has a rating above zero, unless `top` is a number.
 */
export function summarize({ examples, rates, skipped }: Collected, options: Summary): DetectedHeadSet {
  const { model, prompt, name, objective, temperature, nullQuery, seed, shuffle, sourceName } = options;
  const { layers, heads } = model;
  const means = meanRates(examples.map((scores) => rateHeads(scores, objective, options.temperature)));
  const measured = qualityOf(examples, rates, seed);
  // Checked before the examples were read, but long ones may have been left out since.
  if (options.top === "auto") assertEnough('top "auto"', MIN_EXAMPLES, examples.length);
  if (options.fitWeights) assertEnough("fitWeights", MIN_FIT_EXAMPLES, examples.length);
  const wanted = options.top ?? (measured ? "auto" : DEFAULT_HEAD_COUNT);
  const top = wanted === "auto" ? chooseCount(measured!.quality, measured!.ndcgs) : wanted;
  const ratings = meanRates(rates);
  const most = typeof options.top === "number" ? countChoosable(rates[0]!) : countPositive(ratings, model.name);
  const chosen = bestHeads(ratings, heads, Math.min(top, most));
  const stability = stabilityOf(rates, chosen.length, seed);
  const fitted = options.fitWeights ? weigh({ examples, rates }, chosen, heads, seed) : null;
  const kept = fitted?.fit.kept ? fitted.weights : null;
  const used = kept ? chosen.filter((_, index) => kept[index]! > 0) : chosen;
  const weights = kept ? [...kept].filter((weight) => weight > 0).map(rounded) : null;
  const indexes = used.map(([layer, head]) => layer * heads + head);
  // Ranking subtracts the null query whatever the objective, so calibration uses the scores of ranking.
  const curve = calibrate(examples, rates, indexes, weights, seed);
  return {
    format: "qrhead-heads",
    version: 1,
    model,
    prompt,
    ...(nullQuery !== null && { nullQuery }),
    objective: name,
    ...(objective === "contrastive" && { temperature }),
    seed,
    source: {
      name: sourceName,
      examples: examples.length,
      ...(skipped > 0 && { skipped }),
      ...(shuffle !== undefined && { shuffle }),
    },
    // A head of weight 0 would cost its layers and add nothing.
    heads: used,
    ...(weights && { weights }),
    ...(curve && { calibration: { listwise: roundedAll(curve) } }),
    ...(stability && { stability: roundedAll(stability) }),
    ...(measured && { quality: roundedAll(measured.quality) }),
    ...(fitted && { fit: roundedAll(fitted.fit) }),
    scores: Array.from({ length: layers }, (_, layer) => [...means.subarray(layer * heads, (layer + 1) * heads)]),
  };
}

/**
 * Heads whose rating is above zero: the others attend no more to what answers than they do without a question.
 *
 * @throws QRHeadError `MODEL_UNSUPPORTED` where there are none.
 */
function countPositive(ratings: Float64Array, name: string): number {
  const count = ratings.filter((rating) => rating > 0).length;
  if (count > 0) return count;
  throw new QRHeadError("MODEL_UNSUPPORTED", `No head of ${name} has a rating above zero with these examples`, {
    advice: "use more examples, or another model",
  });
}

function weigh(
  { examples, rates }: Pick<Collected, "examples" | "rates">,
  chosen: DetectedHeadSet["heads"],
  headsPerLayer: number,
  seed: number,
) {
  const indexes = chosen.map(([layer, head]) => layer * headsPerLayer + head);
  return fitWeights(examples, rates, indexes, seed);
}

function rounded(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

/** The same with every number in it rounded. */
function roundedAll<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_, part) => (typeof part === "number" ? rounded(part) : part));
}
