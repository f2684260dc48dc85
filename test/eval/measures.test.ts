import { describe, expect, it } from "vitest";
import { sortAsTrec } from "../../src/bm25/order.ts";
import { kendallTau } from "../../src/eval/metrics/correlation.ts";
import { measure, parseMeasure } from "../../src/eval/metrics/measures.ts";
import { bootstrap, holm, percentile, randomizationTest } from "../../src/eval/metrics/statistics.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { orderBySelection, referenceMeasures } from "../helpers/eval-reference.ts";

const value = (
  name: string,
  ranking: string[],
  grades: Record<string, number>,
  gain: "linear" | "exponential" = "linear",
) => measure(parseMeasure(name), ranking, new Map(Object.entries(grades)), gain);

describe("measures, computed by hand", () => {
  const grades = { a: 3, b: 1, c: 0, e: 2 };
  const ranking = ["c", "a", "x", "b"];

  it.each([
    // DCG 3/log2(3) + 1/log2(5) = 2.3234658; ideal 3 + 2/log2(3) + 1/2 = 4.7618595.
    ["ndcg@10", 0.4879324],
    ["ndcg@2", 1.8927893 / 4.2618595],
    ["recall@2", 1 / 3],
    // e, which is relevant, was not found.
    ["recall-all@10", 0],
    ["p@5", 2 / 5],
    ["mrr", 1 / 2],
    ["mrr@1", 0],
    // (1/2 + 2/4) / 3.
    ["map", 1 / 3],
    ["success@1", 0],
    ["success@2", 1],
  ])("%s is %f", (name, expected) => {
    expect(value(name, ranking, grades)).toBeCloseTo(expected, 6);
  });

  it("says whether all relevant documents are among the first k", () => {
    const found = (name: string) => value(name, ["c", "a", "x", "b"], { a: 3, b: 1, c: 0 });
    expect([found("recall-all@3"), found("recall-all@4")]).toEqual([0, 1]);
  });

  it("gains 2^g - 1 when asked to", () => {
    const dcg = 7 / Math.log2(3) + 1 / Math.log2(5);
    const ideal = 7 + 3 / Math.log2(3) + 1 / 2;
    expect(value("ndcg@10", ranking, grades, "exponential")).toBeCloseTo(dcg / ideal, 12);
  });

  it("counts nothing for grades of 0 and below, and 0 where nothing is relevant", () => {
    expect(value("ndcg@10", ["a", "b"], { a: -2, b: 0 })).toBe(0);
    expect(value("map", ["a"], { a: 0 })).toBe(0);
    expect(value("recall@5", [], { a: 1 })).toBe(0);
  });

  it("reads trec_eval's names and refuses what is none", () => {
    expect(parseMeasure("ndcg_cut_10")).toEqual({ name: "ndcg", cutoff: 10 });
    expect(parseMeasure("P.5")).toEqual({ name: "p", cutoff: 5 });
    expect(parseMeasure("recip_rank")).toEqual({ name: "mrr", cutoff: null });
    for (const wrong of ["recall", "recall-all", "ndcg@0", "bleu", "", "map@x"])
      expect(() => parseMeasure(wrong)).toThrow(/measure/);
  });
});

it("orders equal scores by descending id, as trec_eval does, byte by byte", () => {
  const ids = ["d1", "d10", "d2", "\u{1f600}", "\uffff"];
  expect(sortAsTrec(ids, [1, 1, 1, 0, 0]).map((i) => ids[i])).toEqual(["d2", "d10", "d1", "\u{1f600}", "\uffff"]);
});

it("agrees with an independent computation on random runs with many ties", () => {
  const random = seededRandom(5);
  for (let trial = 0; trial < 300; trial++) {
    const ids = Array.from({ length: 1 + Math.floor(random() * 30) }, (_, i) => `d${i}`);
    const scores = ids.map(() => Math.floor(random() * 5));
    const grades = new Map(ids.filter(() => random() < 0.4).map((id) => [id, Math.floor(random() * 5) - 1]));
    grades.set("elsewhere", 2);
    const k = 1 + Math.floor(random() * 12);
    const order = sortAsTrec(ids, scores).map((i) => ids[i]!);
    expect(order).toEqual(orderBySelection(new Map(ids.map((id, i) => [id, scores[i]!]))));
    const expected = referenceMeasures(order, grades, k);
    for (const name of ["ndcg", "recall", "p", "success"] as const) {
      expect(measure({ name, cutoff: k }, order, grades, "linear")).toBeCloseTo(expected[name], 12);
    }
    for (const name of ["map", "mrr"] as const) {
      expect(measure({ name, cutoff: null }, order, grades, "linear")).toBeCloseTo(expected[name], 12);
    }
  }
});

describe("statistics", () => {
  it("interpolates percentiles", () => {
    expect(percentile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(percentile([10, 20], 0.95)).toBeCloseTo(19.5);
  });

  it("gives a bootstrap interval like the normal one, and the same for the same seed", () => {
    const random = seededRandom(1);
    const values = Array.from({ length: 400 }, () => random());
    const { mean, low, high } = bootstrap(values, 7, 4000);
    const error = 1.96 * Math.sqrt(1 / 12 / 400);
    expect(low).toBeCloseTo(mean - error, 2);
    expect(high).toBeCloseTo(mean + error, 2);
    expect(bootstrap(values, 7, 4000)).toEqual({ mean, low, high });
    expect(bootstrap(values, 8, 4000).low).not.toBe(low);
  });

  it("tries every swap of few queries, and random ones of many", () => {
    // Of 8 ways to swap three equal differences two are as large as the observed one.
    expect(randomizationTest([1, 1, 1], [0, 0, 0], 1)).toBe(0.25);
    expect(randomizationTest([1, 0], [0, 1], 1)).toBe(1);
    // +3 −1 −1 sums to 1 in size: 6 of 8 sums (±5 ±1 ±3 …) are at least that.
    expect(randomizationTest([3, 0, 0], [0, 1, 1], 1)).toBe(1);
    const ones = new Array<number>(40).fill(1);
    expect(randomizationTest(ones, new Array<number>(40).fill(0), 1, 999)).toBe(1 / 1000);
    const random = seededRandom(3);
    const noise = ones.map(() => random() - 0.5);
    expect(randomizationTest(noise, new Array<number>(40).fill(0), 1, 2000)).toBeGreaterThan(0.05);
  });

  it("corrects by Holm", () => {
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    expect(holm([0.6, 0.9])).toEqual([1, 1]);
  });

  it("measures agreement of orders by Kendall's tau-b", () => {
    expect(kendallTau([1, 2, 3, 4], [10, 20, 30, 40])).toBe(1);
    expect(kendallTau([1, 2, 3], [3, 2, 1])).toBe(-1);
    // Five pairs agree, one does not.
    expect(kendallTau([1, 2, 3, 4], [1, 2, 4, 3])).toBeCloseTo(4 / 6, 12);
    expect(kendallTau([1, 1, 2], [1, 2, 3])).toBeCloseTo(2 / Math.sqrt(6), 12);
  });
});
