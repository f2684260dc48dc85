// The dense baseline on a released model. `npm run models:real -- minilm` makes its GGUF; without it these are skipped.
import { expect, it } from "vitest";
import { dense } from "../../src/eval/methods/dense.ts";
import { hasReal, REAL_MODELS } from "../helpers/real-models.ts";

it.skipIf(!hasReal("minilm"))("gives the cosines that transformers gives for the same weights in F32", async () => {
  const documents = [
    { id: "ada", text: "Ada Lovelace wrote the first program for the Analytical Engine." },
    { id: "rain", text: "Rain falls mainly on the plain." },
  ];
  const method = dense(REAL_MODELS.minilm, "dense", "dense");
  await using ranker = await method.open({ load: { gpu: false, threads: 1 } });
  const topic = { id: "q", query: "What did Ada Lovelace write?", grades: new Map() };
  const { scores } = await ranker.rank({ topic, documents, scores: [], bm25: async () => [] });
  // transformers 4.57.1, mean of the last layer over all tokens: 0.568032, 0.027286.
  expect(scores[0]).toBeCloseTo(0.568032, 2);
  expect(scores[1]).toBeCloseTo(0.027286, 2);
});
