// A forward pass written for clarity in double precision: what the engine's attention is checked against. It shares no code
// with the engine and follows the architectures' definitions: RMS norm, rotary positions, grouped heads, SwiGLU.
import type { Head } from "../../../src/types.ts";
import type { Layer, Matrix, ReferenceModel } from "./model.ts";

/** Attention probabilities of some query rows: `[layer][head][row]`, each as long as the token sequence. */
export type AttentionRows = Float64Array[][][];

function multiply({ values, columns }: Matrix, x: Float64Array, bias: Float64Array | null = null): Float64Array {
  const y = new Float64Array(values.length / columns);
  for (let row = 0; row < y.length; row++) {
    let sum = bias ? bias[row]! : 0;
    for (let i = 0, at = row * columns; i < columns; i++, at++) sum += values[at]! * x[i]!;
    y[row] = sum;
  }
  return y;
}

/** x / √(mean(x²) + ε) · w */
function rmsNorm(x: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  let squares = 0;
  for (const value of x) squares += value * value;
  const scale = 1 / Math.sqrt(squares / x.length + epsilon);
  return x.map((value, i) => value * scale * weight[i]!);
}

/** Rotates every head of `x` in place. llama pairs neighbours (2i, 2i+1); qwen2 pairs halves (i, i + size/2). */
function rotate(model: ReferenceModel, x: Float64Array, position: number): void {
  const { architecture, headSize, frequencyBase, frequencyFactors } = model;
  const pairs = headSize / 2;
  for (let head = 0; head < x.length; head += headSize) {
    for (let pair = 0; pair < pairs; pair++) {
      const angle = (position * frequencyBase ** (-pair / pairs)) / frequencyFactors[pair]!;
      const first = head + (architecture === "llama" ? 2 * pair : pair);
      const second = architecture === "llama" ? first + 1 : first + pairs;
      const [a, b] = [x[first]!, x[second]!];
      x[first] = a * Math.cos(angle) - b * Math.sin(angle);
      x[second] = a * Math.sin(angle) + b * Math.cos(angle);
    }
  }
}

/** Where tokens stand and which of those before it each sees. In a plain sequence: at their index, and all. */
export type Arrangement = { positionOf: (token: number) => number; sees: (token: number, other: number) => boolean };

const SEQUENCE: Arrangement = { positionOf: (token) => token, sees: () => true };

/** softmax(q·k/√size) over the tokens 0 to `position` that are seen, zeros elsewhere. */
function attend(
  model: ReferenceModel,
  query: Float64Array,
  keys: readonly Float64Array[],
  head: number,
  position: number,
  sees: Arrangement["sees"],
): Float64Array {
  const { headSize, heads, kvHeads } = model;
  const queryAt = head * headSize;
  const keyAt = Math.floor(head / (heads / kvHeads)) * headSize;
  const row = new Float64Array(keys.length);
  let largest = Number.NEGATIVE_INFINITY;
  for (let t = 0; t <= position; t++) {
    if (!sees(position, t)) continue;
    const key = keys[t]!;
    let dot = 0;
    for (let i = 0; i < headSize; i++) dot += query[queryAt + i]! * key[keyAt + i]!;
    row[t] = dot / Math.sqrt(headSize);
    largest = Math.max(largest, row[t]!);
  }
  let sum = 0;
  for (let t = 0; t <= position; t++) {
    if (!sees(position, t)) continue;
    row[t] = Math.exp(row[t]! - largest);
    sum += row[t]!;
  }
  for (let t = 0; t <= position; t++) row[t]! /= sum;
  return row;
}

function add(x: Float64Array, y: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i]! += y[i]!;
}

function feedForward(layer: Layer, x: Float64Array): Float64Array {
  const gate = multiply(layer.gate, x);
  const up = multiply(layer.up, x);
  return multiply(
    layer.down,
    gate.map((value, i) => (value / (1 + Math.exp(-value))) * up[i]!),
  );
}

/**
 * Attention of the query positions `[begin, end)` of a token sequence, every layer and head, with the whole sequence before
 * each position in view, unless `arrangement` says otherwise. Every returned row has one probability per token; those behind the row's own position are 0.
 * @throws when the range is not within the tokens
 */
export function attentionRows(
  model: ReferenceModel,
  tokens: readonly number[],
  begin: number,
  end: number,
  arrangement: Arrangement = SEQUENCE,
): AttentionRows {
  return forward(model, tokens, { begin, end, arrangement, without: [] }).rows;
}

/**
 * Logits behind a token sequence, one a token of the vocabulary.
 *
 * @param without Heads whose output is zero, for every token.
 */
export function referenceLogits(
  model: ReferenceModel,
  tokens: readonly number[],
  without: readonly Head[] = [],
): Float64Array {
  const { stream } = forward(model, tokens, { begin: 0, end: 0, arrangement: SEQUENCE, without });
  return multiply(model.output(), rmsNorm(stream.at(-1)!, model.outputNorm, model.epsilon));
}

function forward(
  model: ReferenceModel,
  tokens: readonly number[],
  {
    begin,
    end,
    arrangement,
    without,
  }: { begin: number; end: number; arrangement: Arrangement; without: readonly Head[] },
): { rows: AttentionRows; stream: Float64Array[] } {
  const { positionOf, sees } = arrangement;
  if (begin < 0 || end > tokens.length || begin > end) {
    throw new Error(`Expected a range within 0 to ${tokens.length} but received [${begin}, ${end})`);
  }
  const { heads, kvHeads, headSize, epsilon } = model;
  const stream = tokens.map((token) => model.embed(token));
  const rows = model.weights.map((layer, number) => {
    const inputs = stream.map((x) => rmsNorm(x, layer.attentionNorm, epsilon));
    const queries = inputs.map((x) => multiply(layer.query, x, layer.queryBias));
    const keys = inputs.map((x) => multiply(layer.key, x, layer.keyBias));
    const values = inputs.map((x) => multiply(layer.value, x, layer.valueBias));
    for (let position = 0; position < tokens.length; position++) {
      rotate(model, queries[position]!, positionOf(position));
      rotate(model, keys[position]!, positionOf(position));
    }
    const kept: Float64Array[][] = Array.from({ length: heads }, () => []);
    for (let position = 0; position < tokens.length; position++) {
      const mixed = new Float64Array(heads * headSize);
      for (let head = 0; head < heads; head++) {
        const row = attend(model, queries[position]!, keys, head, position, sees);
        if (position >= begin && position < end) kept[head]!.push(row);
        if (without.some(([l, h]) => l === number && h === head)) continue;
        const valueAt = Math.floor(head / (heads / kvHeads)) * headSize;
        for (let t = 0; t <= position; t++) {
          const value = values[t]!;
          for (let i = 0; i < headSize; i++) mixed[head * headSize + i]! += row[t]! * value[valueAt + i]!;
        }
      }
      add(stream[position]!, multiply(layer.output, mixed));
    }
    for (const x of stream) add(x, feedForward(layer, rmsNorm(x, layer.feedForwardNorm, epsilon)));
    return kept;
  });
  return { rows, stream };
}

/**
 * Attention of one query position: `attention(model, tokens)(layer, head, position)`. Every position's rows are computed and
 * held, so the sequence should be short.
 */
export function attention(
  model: ReferenceModel,
  tokens: readonly number[],
): (layer: number, head: number, position: number) => Float64Array {
  const rows = attentionRows(model, tokens, 0, tokens.length);
  return (layer, head, position) => rows[layer]![head]![position]!;
}
