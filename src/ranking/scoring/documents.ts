import { invalidArgument, QRHeadError } from "../../errors.ts";
import type { Span } from "../../types.ts";

/** Standard deviations below a document's mean at which a token counts as an outlier. (QRRetriever and ICR.) */
const OUTLIER_DEVIATIONS = 2;

/**
 * Scores documents by the attention that their tokens get: the sum over a document's tokens, as in QRRetriever
 * (EMNLP 2025) and ICR (arXiv 2410.02642). Not divided by length; unbounded, and negative where the null query attends
 * more; comparable within one call.
 *
 * `mask` keeps of each document the tokens strictly above `mean − 2·std` of that document (unbiased standard deviation).
 * As published, a document of one token has no deviation and scores 0, and so does one whose tokens are all equal.
 *
 * @param tokenScores Per token of the prompt: attention summed over heads, minus that of the null query.
 * @param spans Half-open token spans, one per document.
 * @returns One score per span.
 * @throws QRHeadError `ATTENTION_INVALID` when a token score is not finite.
 * @throws InputError `INVALID_ARGUMENT` when a span reaches beyond the tokens.
 */
export function scoreDocuments(
  tokenScores: Float32Array | Float64Array,
  spans: readonly Span[],
  options: { mask: boolean },
): Float64Array {
  const bad = firstBad(tokenScores);
  if (bad !== undefined) {
    throw new QRHeadError(
      "ATTENTION_INVALID",
      `The attention on token ${bad} is ${tokenScores[bad]} where a finite number was expected`,
      { advice: "the model or the GPU computes wrongly, try gpu: false or another GGUF of the model" },
    );
  }
  const scores = new Float64Array(spans.length);
  spans.forEach(([begin, end], index) => {
    if (!(begin >= 0 && begin <= end && end <= tokenScores.length)) {
      throw invalidArgument(`spans[${index}]`, `a span within ${tokenScores.length} tokens`, `[${begin}, ${end})`);
    }
    scores[index] = sumKept(tokenScores.subarray(begin, end), options.mask);
  });
  return scores;
}

// Plain loops from here on: an iterator or a callback of a typed array makes an object of each of its numbers.

function firstBad(values: Float32Array | Float64Array): number | undefined {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return undefined;
}

function sumKept(values: Float32Array | Float64Array, mask: boolean): number {
  const threshold = mask ? outlierThreshold(values) : Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > threshold) sum += values[i]!;
  return sum;
}

/**
 * Which of a document's tokens count: those strictly above `mean − 2·std`. One token has no deviation, so nothing is kept.
 *
 * @param values Token scores of one document.
 */
export function outlierMask(values: Float32Array | Float64Array): boolean[] {
  const threshold = outlierThreshold(values);
  const kept = new Array<boolean>(values.length);
  for (let i = 0; i < values.length; i++) kept[i] = values[i]! > threshold;
  return kept;
}

/** NaN for one value, which nothing is above. */
function outlierThreshold(values: Float32Array | Float64Array): number {
  const n = values.length;
  let sum = 0;
  for (let index = 0; index < n; index++) sum += values[index]!;
  const mean = sum / n;
  let squares = 0;
  for (let index = 0; index < n; index++) squares += (values[index]! - mean) ** 2;
  return mean - OUTLIER_DEVIATIONS * Math.sqrt(squares / (n - 1));
}
