// What `rank` keeps of independent documents between calls is bounded, and apart from what corpora keep.
import { expect, test, vi } from "vitest";
import type { DocumentInput } from "../../src/index.ts";
import { variedDocuments as documents } from "../helpers/documents.ts";
import { loadTiny } from "../helpers/retriever.ts";

vi.mock("../../src/options.ts", async (original) => ({
  ...(await original<typeof import("../../src/options.ts")>()),
  defaultRankMemory: () => 100_000,
}));

const layout = "independent" as const;
const others = Array.from({ length: 60 }, (_, i) => `Number ${i}: ${documents[i % 3]!.text} ${i * i}`);

test("documents of rank are read again after many others, and those of a corpus are not", async () => {
  await using retriever = await loadTiny("tiny-llama-spm", { batchSize: 32 });
  let read = 0;
  const onProgress = ({ phase, total }: { phase: string; total: number }) => {
    if (phase === "prefill") read = total;
  };
  const readBy = async (work: Promise<unknown>) => {
    read = 0;
    await work;
    return read;
  };
  const rank = (some: readonly DocumentInput[]) => readBy(retriever.rank("What grows?", some, { layout, onProgress }));
  await using corpus = await retriever.corpus(others, { layout });
  expect(await rank(documents)).toBeGreaterThan(0);
  expect(await rank(documents)).toBe(0);
  expect(await rank(others)).toBeGreaterThan(0);
  expect(await rank(documents)).toBeGreaterThan(0);
  // Where memory kept less than the corpus, all of it would be read again.
  const [added] = ["Tulips grow in the garden behind the old mill."];
  const whole = await readBy(corpus.rank("What grows?", { onProgress }));
  await corpus.add([added!]);
  const one = await readBy(corpus.rank("What grows?", { onProgress }));
  expect(whole).toBe(0);
  expect(one).toBeLessThan(60);
});
