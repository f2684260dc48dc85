import { describe, expect, it } from "vitest";
import { openGenerator } from "../../src/eval/answer/generator.ts";
import type { Request } from "../../src/eval/methods/method.ts";
import { conversation } from "../../src/eval/methods/rankgpt.ts";
import { parseMethods } from "../../src/eval/methods/spec.ts";
import { modelPath } from "../helpers/models.ts";

const request: Request = {
  topic: { id: "q", query: "red boat", grades: new Map() },
  documents: [
    { id: "a", text: "green hills and quiet rivers" },
    { id: "b", text: "red boat" },
    { id: "c", title: "Bread", text: "warm kitchens" },
  ],
  scores: [3, 2, 1],
  bm25: async () => [0, 1, 0],
};
const context = { load: { gpu: false as const, threads: 1 } };

it("a dense method gives a text that equals the query a cosine of 1, and others less", async () => {
  const [method] = parseMethods([`dense:${modelPath("tiny-bert")}`]);
  await using ranker = await method!.open(context);
  const { scores, tokens } = await ranker.rank(request);
  expect(scores[1]).toBeCloseTo(1, 4);
  expect(Math.max(scores[0]!, scores[2]!)).toBeLessThan(0.999);
  expect(tokens).toBeGreaterThan(5);
  expect((await ranker.rank(request)).scores).toEqual(scores);
});

it("a cross-encoder scores every document by itself", async () => {
  const [method] = parseMethods([`cross-encoder:${modelPath("tiny-bert-ranker")}`]);
  await using ranker = await method!.open(context);
  const { scores } = await ranker.rank(request);
  expect(new Set(scores).size).toBe(3);
  for (const score of scores) expect(score > 0 && score < 1).toBe(true);
  const reversed = await ranker.rank({ ...request, documents: [...request.documents].reverse() });
  expect(reversed.scores.reverse()).toEqual(scores.map((score) => expect.closeTo(score, 5)));
});

it.each([
  ["dense", "tiny-bert"],
  ["cross-encoder", "tiny-bert-ranker"],
])("%s reads the beginning of a document that is longer than its context, and counts it", async (kind, model) => {
  const [method] = parseMethods([`${kind}:${modelPath(model)}`]);
  await using ranker = await method!.open(context);
  const long = "warm kitchens and quiet rivers ".repeat(400);
  const documents = [
    { id: "a", text: "red boat" },
    { id: "b", text: long },
    { id: "c", text: `${long} red boat` },
  ];
  const { scores, cut } = await ranker.rank({ ...request, documents });
  expect(cut).toBe(2);
  // What differs is behind the cut.
  expect(scores[2]).toBe(scores[1]);
  expect(scores[1]).not.toBe(scores[0]);
});

describe("RankGPT in a context of 768 tokens", () => {
  const [method] = parseMethods([`rankgpt:${modelPath("tiny-llama")}`]);
  const small = { load: { ...context.load, contextSize: 768 } };
  const sentence = "The red boat lies in the harbour. ";

  it("reads the beginning of passages that do not fit together, and counts those that lost words", async () => {
    await using ranker = await method!.open(small);
    const [long, longer] = [40, 60].map((times) => sentence.repeat(times));
    const rank = (first: string, second: string) =>
      ranker.rank({
        ...request,
        documents: [first, second, "red boat"].map((text, index) => ({ id: `${index}`, text })),
      });
    const found = await rank(long!, longer!);
    expect(found).toMatchObject({ cut: 2, answers: 1 });
    expect(found.tokens).toBeLessThanOrEqual(768);
    // The answer may be shorter than the 256 tokens that are kept free for it; the rest is used, but for some words.
    expect(found.tokens).toBeGreaterThan(450);
    // What differs is behind the cut.
    expect(await rank(longer!, long!)).toEqual(found);
    expect(await rank("green hills", "warm kitchens")).not.toHaveProperty("cut");
  });

  it("refuses more passages than fit, instead of losing some", async () => {
    await using ranker = await method!.open(small);
    const documents = Array.from({ length: 20 }, (_, index) => ({ id: `${index}`, text: sentence.repeat(9) }));
    await expect(ranker.rank({ ...request, documents })).rejects.toMatchObject({ code: "CONTEXT_OVERFLOW" });
  });
});

it("a model without a ranking head is refused with its name", async () => {
  const [method] = parseMethods([`cross-encoder:${modelPath("tiny-bert")}`]);
  await expect(method!.open(context)).rejects.toThrow(/node-llama-cpp cannot use .*tiny-bert\.gguf/);
});

it("RankGPT shows every passage in a turn of its own", () => {
  const turns = conversation("red boat", request.documents);
  expect(turns).toHaveLength(3 + 2 * 3 + 1);
  expect(turns[7]).toEqual({ type: "user", text: "[3] Title: Bread Content: warm kitchens" });
  expect(turns[8]).toEqual({ type: "model", response: ["Received passage [3]."] });
});

it("a generator answers from what fits, and refuses what does not instead of cutting it", async () => {
  const small = { load: { ...context.load, contextSize: 256 } };
  await expect(openGenerator(modelPath("tiny-bert"), small)).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
  await using generator = await openGenerator(modelPath("copying"), small);
  expect(typeof (await generator.answer("red boat", 4))).toBe("string");
  const long = "The red boat lies in the harbour. ".repeat(60);
  await expect(generator.answer(long, 4)).rejects.toMatchObject({
    code: "CONTEXT_OVERFLOW",
    message: expect.stringMatching(/^The prompt has \d+ .*256/),
  });
});
