// Lists that are longer than the stack: what was once spread over the arguments of a call.
import { expect, it } from "vitest";
import { parseHeadSet } from "../../src/heads/head-set.ts";
import { protectedSpans } from "../../src/pruning/protect.ts";
import { append, largestOf, smallestOf } from "../../src/util/extremes.ts";

const MANY = 200_000;

it("finds extremes of long lists and appends them", () => {
  const values = Array.from({ length: MANY }, (_, i) => (i * 7919) % MANY);
  expect([smallestOf(values), largestOf(values)]).toEqual([0, MANY - 1]);
  const list = [1];
  append(list, values);
  expect(list).toHaveLength(MANY + 1);
});

it("reads a head file of 160,000 scores", () => {
  const scores: Record<string, number> = {};
  for (let layer = 0; layer < 400; layer++) for (let head = 0; head < 400; head++) scores[`${layer}-${head}`] = layer;
  expect(parseHeadSet(JSON.stringify(scores), "big.json").heads).toHaveLength(16);
});

it("protects a speaker of many turns", () => {
  expect(protectedSpans("Ann: yes\nBob: no\n".repeat(MANY / 2), { speakers: ["Ann"] }).length).toBeGreaterThan(0);
});
