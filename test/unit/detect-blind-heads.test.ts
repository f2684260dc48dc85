import { expect, test } from "vitest";
import { blindHeads } from "../../src/detect/blind-heads.ts";
import { identity } from "../helpers/identity.ts";

const model = (layers: number[] | null) => identity({ layers: 3, heads: 2, slidingWindow: { tokens: 100, layers } });

test("are those of local layers where most prompts are longer than the window", () => {
  expect([...blindHeads(model([0, 2]), [101, 500, 30])]).toEqual([0, 1, 4, 5]);
  expect(blindHeads(model([0, 2]), [101, 100, 30]).size).toBe(0);
  expect(blindHeads(model([0, 2]), [101, 100]).size).toBe(0);
});

test("are none where nothing else could be chosen, or nothing is known", () => {
  expect(blindHeads(model([0, 1, 2]), [500]).size).toBe(0);
  expect(blindHeads(model(null), [500]).size).toBe(0);
  expect(blindHeads(identity({ layers: 3, heads: 2 }), [500]).size).toBe(0);
});
