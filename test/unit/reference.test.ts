import { describe, expect, test } from "vitest";
import { plantedModel } from "../../scripts/models/planted.ts";
import type { Head, Span } from "../../src/types.ts";
import { modelPath, plantedHeads } from "../helpers/models.ts";
import { attention, attentionRows } from "../helpers/reference/attention.ts";
import { loadReference } from "../helpers/reference/model.ts";
import { maskedSum, referenceMeans, referenceScores, referenceTokenScores } from "../helpers/reference/scores.ts";

const BEGIN = 1;
/** Token ids that stand for words: distinct, far from the control tokens. */
const words = (begin: number, count: number) => Array.from({ length: count }, (_, i) => 5000 + 37 * (begin + i));

describe.each(["tiny-llama", "tiny-llama-spm", "tiny-qwen2"])("attention of %s", (name) => {
  const model = loadReference(modelPath(name));
  const tokens = [BEGIN, ...words(0, 23)];

  test("is a probability distribution over the positions up to its own", () => {
    const at = attention(model, tokens);
    for (let layer = 0; layer < model.layers; layer++) {
      for (let head = 0; head < model.heads; head++) {
        for (let position = 0; position < tokens.length; position++) {
          const row = at(layer, head, position);
          expect(row).toHaveLength(tokens.length);
          expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
          expect(row.subarray(0, position + 1).every((p) => p > 0)).toBe(true);
          expect(row.subarray(position + 1).every((p) => p === 0)).toBe(true);
        }
      }
    }
  });

  test("does not depend on what comes later", () => {
    const whole = attentionRows(model, tokens, 8, 10);
    const prefix = attentionRows(model, tokens.slice(0, 10), 8, 10);
    for (const [layer, heads] of whole.entries()) {
      for (const [head, rows] of heads.entries()) {
        for (const [row, values] of rows.entries()) expect(values.slice(0, 10)).toEqual(prefix[layer]![head]![row]);
      }
    }
  });

  test("is neither uniform nor all on one token", () => {
    const last = attentionRows(model, tokens, tokens.length - 1, tokens.length);
    for (const heads of last) {
      for (const [row] of heads) {
        const bits = row!.reduce((sum, p) => sum - p * Math.log2(p), 0);
        expect(bits).toBeGreaterThan(0.15 * Math.log2(tokens.length));
        expect(bits).toBeLessThan(0.95 * Math.log2(tokens.length));
      }
    }
  });

  test("depends on positions", () => {
    const swapped = [BEGIN, tokens[2]!, tokens[1]!, ...tokens.slice(3)];
    const [row] = attentionRows(model, tokens, 23, 24)[0]![0]!;
    const [other] = attentionRows(model, swapped, 23, 24)[0]![0]!;
    expect(Math.abs(row![1]! - other![2]!)).toBeGreaterThan(1e-6);
  });

  test("of a range outside the tokens is refused", () => {
    expect(() => attentionRows(model, tokens, 0, tokens.length + 1)).toThrow("Expected a range within 0 to 24");
  });
});

describe("the planted model", () => {
  const model = loadReference(modelPath("planted"));
  const isPlanted = ([layer, head]: Head) => plantedHeads.some(([l, h]) => l === layer && h === head);
  const documents: Span[] = [
    [1, 41],
    [41, 81],
    [81, 121],
  ];
  const prefix = [BEGIN, ...words(0, 120)];
  /** Three words of the second document, and one that none has. */
  const query = [prefix[50]!, prefix[60]!, prefix[70]!, ...words(500, 1)];
  const nullQuery = words(600, 3);
  const every: Head[] = Array.from({ length: 32 }, (_, index): Head => [index >> 3, index & 7]);
  const massIn = (row: Float64Array, [begin, end]: Span) =>
    row.subarray(begin, end).reduce((sum, value) => sum + value, 0);

  test("has five planted heads, and others with another seed", () => {
    expect(plantedHeads).toHaveLength(5);
    expect(plantedModel({ seed: 7 }).planted).toEqual(plantedHeads);
    expect(plantedModel({ seed: 8 }).planted).not.toEqual(plantedHeads);
    expect(plantedModel({ seed: 8, layers: 2, heads: 3, planted: 6 }).planted).toHaveLength(6);
    expect(() => plantedModel({ seed: 8, layers: 2, heads: 3, planted: 7 })).toThrow(
      "Expected at most 6 planted heads",
    );
  });

  test("attends to the same token in its planted heads only", () => {
    const means = referenceMeans(model, prefix, query, { heads: every, rows: [0, 3] });
    for (const [index, head] of every.entries()) {
      const matched = massIn(means[index]!, documents[1]!);
      // Half, because a query's word is itself the same token.
      if (isPlanted(head)) {
        expect(matched, String(head)).toBeGreaterThan(0.4);
        expect(matched, String(head)).toBeLessThan(0.6);
      } else expect(matched, String(head)).toBeLessThan(0.34);
      const elsewhere = Math.max(massIn(means[index]!, documents[0]!), massIn(means[index]!, documents[2]!));
      if (isPlanted(head)) expect(elsewhere, String(head)).toBeLessThan(0.02);
    }
  });

  test.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])("ranks the matching document first (calibrated %s, mask %s)", (calibrated, mask) => {
    const scores = referenceScores(model, {
      prefix,
      query,
      nullQuery,
      documents,
      heads: plantedHeads,
      calibrated,
      mask,
    });
    expect(scores[1]).toBeGreaterThan(0.3 * plantedHeads.length);
    expect(Math.abs(scores[0]!)).toBeLessThan(0.1);
    expect(Math.abs(scores[2]!)).toBeLessThan(0.1);
  });
});

describe("reference scores", () => {
  const model = loadReference(modelPath("tiny-qwen2"));
  const prefix = words(0, 20);
  const documents: Span[] = [
    [2, 9],
    [9, 10],
    [10, 20],
  ];
  const input = { prefix, query: words(40, 4), nullQuery: words(60, 2), documents };

  test("of the null query itself are 0", () => {
    expect(referenceScores(model, { ...input, nullQuery: input.query })).toEqual([0, 0, 0]);
  });

  test("of every head are the sum over the heads", () => {
    const whole = referenceTokenScores(model, input);
    const sum = new Float64Array(prefix.length);
    for (let index = 0; index < model.layers * model.heads; index++) {
      const head: Head = [Math.floor(index / model.heads), index % model.heads];
      for (const [t, value] of referenceTokenScores(model, { ...input, heads: [head] }).entries()) sum[t]! += value;
    }
    for (const [t, value] of whole.entries()) expect(value).toBeCloseTo(sum[t]!, 12);
  });

  test("without calibration and mask are the mass on the document", () => {
    const scores = referenceScores(model, { ...input, calibrated: false, mask: false, heads: [[1, 2]] });
    const rows = attentionRows(model, [...prefix, ...input.query], 20, 24)[1]![2]!;
    const mass = rows.map((row) => row.subarray(2, 9).reduce((sum, value) => sum + value, 0));
    expect(scores[0]).toBeCloseTo(mass.reduce((sum, value) => sum + value, 0) / 4, 12);
  });

  test("take some of a query's tokens as its rows", () => {
    const some = referenceTokenScores(model, { ...input, calibrated: false, queryRows: [1, 2], heads: [[0, 0]] });
    const [row] = attentionRows(model, [...prefix, ...input.query], 21, 22)[0]![0]!;
    expect(some).toEqual(row!.subarray(0, 20));
  });

  test("of a document of one token are 0 under the mask", () => {
    expect(referenceScores(model, input)[1]).toBe(0);
    expect(referenceScores(model, { ...input, mask: false })[1]).not.toBe(0);
  });

  test("need a null query to calibrate with", () => {
    expect(() => referenceScores(model, { prefix, query: input.query, documents })).toThrow("Expected a null query");
  });

  test("leave out what lies two deviations below the mean", () => {
    // Mean 0.9, deviation 3.478…: the threshold is -6.05….
    expect(maskedSum([2, 2, 2, 2, 2, 2, 2, 2, 2, -9])).toBeCloseTo(18);
    expect(maskedSum([2, 4])).toBe(6);
    expect(maskedSum([1, 1])).toBe(0);
    expect(maskedSum([3])).toBe(0);
  });
});
