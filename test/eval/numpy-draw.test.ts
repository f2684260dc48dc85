import { expect, it } from "vitest";
import { numpyPermutation } from "../../src/eval/numpy-draw.ts";

// What NumPy 2.4.6 printed for `np.random.seed(SEED)` and `np.random.permutation(COUNT)`.
it.each([
  [10, 0, [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]],
  [10, 42, [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]],
  [10, 2 ** 32 - 1, [6, 9, 5, 1, 8, 0, 7, 4, 2, 3]],
  [1000, 42, [521, 737, 740, 660, 411, 678, 626, 513]],
  // `np.random.choice(3452, 512, replace=False)` begins so: the draw of queries in the paper's setting for NQ.
  [3452, 42, [1451, 51, 567, 1612, 1164, 1094, 229, 298]],
])("permutes %i by seed %i as NumPy does", (count, seed, head) => {
  expect(numpyPermutation(count, seed).slice(0, head.length)).toEqual(head);
});

it("keeps to NumPy where the generator has to be refilled many times", () => {
  const order = numpyPermutation(70_000, 42);
  expect([0, 1, 2, 35_000, 69_999].map((place) => order[place])).toEqual([46730, 48393, 41416, 59728, 15795]);
  expect(new Set(order).size).toBe(70_000);
});
