// Scores of documents from attention rows, step by step as published: mean over query rows, minus the null query's, summed
// over heads, outliers dropped per document, summed over tokens.
import type { Head, Span } from "../../../src/types.ts";
import { type AttentionRows, attentionRows } from "./attention.ts";
import type { ReferenceModel } from "./model.ts";

export type ReferenceInput = {
  /** Tokens up to the query, documents among them. */
  prefix: readonly number[];
  /** Tokens decoded behind the prefix for the query. */
  query: readonly number[];
  /** Tokens decoded behind the same prefix for the null query. Needed unless `calibrated` is false. */
  nullQuery?: readonly number[];
  /** Token spans of the documents within `prefix`. */
  documents: readonly Span[];
  /** Heads to sum over. Default: every head. */
  heads?: readonly Head[];
  /** Which tokens of `query` are query rows, as a span within `query`. Default: all. */
  queryRows?: Span;
  /** The same for `nullQuery`. */
  nullRows?: Span;
  /** Subtract the null query's attention. Default: true. */
  calibrated?: boolean;
  /** Drop outliers per document. Default: true. */
  mask?: boolean;
};

function everyHead({ layers, heads }: ReferenceModel): Head[] {
  return Array.from({ length: layers * heads }, (_, index): Head => [Math.floor(index / heads), index % heads]);
}

/** a(t): mean over rows of one head's attention. */
function meanRow(rows: AttentionRows, [layer, head]: Head, tokens: number): Float64Array {
  const mean = new Float64Array(tokens);
  const ofHead = rows[layer]![head]!;
  for (const row of ofHead) for (let t = 0; t < tokens; t++) mean[t]! += row[t]! / ofHead.length;
  return mean;
}

/**
 * Mean attention of each head from a query's rows to each prefix token: `[head][token]`, heads in the order given.
 */
export function referenceMeans(
  model: ReferenceModel,
  prefix: readonly number[],
  query: readonly number[],
  { heads = everyHead(model), rows: [begin, end] = [0, query.length] }: { heads?: readonly Head[]; rows?: Span } = {},
): Float64Array[] {
  const rows = attentionRows(model, [...prefix, ...query], prefix.length + begin, prefix.length + end);
  return heads.map((head) => meanRow(rows, head, prefix.length));
}

/** Sum of the values above mean − 2 · standard deviation (n − 1); of one value nothing is kept, and the sum is 0. */
export function maskedSum(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const threshold = mean - 2 * Math.sqrt(squares / (values.length - 1));
  // One value's deviation is 0/0: no comparison with NaN holds.
  return values.reduce((sum, value) => (value > threshold ? sum + value : sum), 0);
}

/**
 * c(t) of every prefix token: sum over heads of a(t) − a₀(t), or of a(t) alone.
 * @throws when calibration is wanted and there is no null query
 */
export function referenceTokenScores(model: ReferenceModel, input: ReferenceInput): Float64Array {
  const { prefix, query, nullQuery, heads = everyHead(model), calibrated = true } = input;
  if (calibrated && !nullQuery) throw new Error("Expected a null query for calibrated scores");
  const means = (tokens: readonly number[], rows: Span | undefined) =>
    referenceMeans(model, prefix, tokens, { heads, ...(rows ? { rows } : {}) });
  const ofQuery = means(query, input.queryRows);
  const ofNull = calibrated
    ? means(nullQuery ?? [], input.nullRows)
    : ofQuery.map((mean) => new Float64Array(mean.length));
  return new Float64Array(prefix.length).map((_, t) =>
    ofQuery.reduce((sum, mean, head) => sum + (mean[t]! - ofNull[head]![t]!), 0),
  );
}

/** The score of every document, in the documents' order. */
export function referenceScores(model: ReferenceModel, input: ReferenceInput): number[] {
  const tokenScores = referenceTokenScores(model, input);
  return input.documents.map(([begin, end]) => {
    const values = Array.from(tokenScores.subarray(begin, end));
    return input.mask === false ? values.reduce((sum, value) => sum + value, 0) : maskedSum(values);
  });
}
