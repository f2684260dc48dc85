import { mkdirSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { answerTask, listSources, summarizeAnswers } from "../../src/eval/answer/run.ts";
import { exactMatch, parseVerdict, tokenF1 } from "../../src/eval/answer/scores.ts";
import { openTask } from "../../src/eval/data/open.ts";
import { Journal } from "../../src/eval/journal.ts";
import type { Outcome } from "../../src/eval/outcome.ts";
import type { RankDocument } from "../../src/types.ts";
import { temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
afterAll(files.remove);

it("compares answers as SQuAD does", () => {
  expect(exactMatch("The Red Boat!", "red boat")).toBe(1);
  expect(exactMatch("red boats", "red boat")).toBe(0);
  // Punctuation is taken out and parts no words, as in SQuAD's own script.
  expect(exactMatch("the U.S.", "US")).toBe(1);
  expect(exactMatch("well-known", "well known")).toBe(0);
  // Two of three words given, two of two wanted: precision 2/3, recall 1.
  expect(tokenF1("big red boat", "a red boat")).toBeCloseTo(0.8, 12);
  expect(tokenF1("red red", "red")).toBeCloseTo(2 / 3, 12);
  expect(tokenF1("", "red")).toBe(0);
  expect(parseVerdict("It is False, not true.")).toBe(false);
  expect(parseVerdict("Maybe.")).toBeNull();
});

it("counts a pair of claims only when both are judged rightly, and shows chapters in their own order", async () => {
  mkdirSync(files.path("clipper/books"), { recursive: true });
  const claims = [0, 1].map((i) => ({
    id: `b:${i}`,
    book: "b",
    query: `True ${i}.`,
    corrupted: `Wrong ${i}.`,
    gold: [2],
  }));
  files.write("clipper/claims.jsonl", claims.map((claim) => JSON.stringify(claim)).join("\n"));
  const chapters = ["First.", "Second.", "Third."].map((text, i) => ({ id: i + 1, text }));
  files.write("clipper/books/b.json", JSON.stringify({ chapters }));
  await using task = await openTask(files.path("clipper"), { depth: 0 });
  const ranked = (query: string): Outcome => ({
    ...{ task: "clipper", query, method: "m", permutation: 0, status: "ok", ms: 1 },
    ...{ ids: ["1", "2", "3"], scores: [0.1, 0.2, 0.9] },
  });
  const prompts: string[] = [];
  const generator = {
    async answer(prompt: string) {
      prompts.push(prompt);
      if (prompt.includes("True 1")) throw new Error("no memory left");
      if (prompt.includes("Wrong 1")) return "No idea";
      return prompt.includes("Wrong") && prompt.includes("Second") ? "false" : "true";
    },
    async [Symbol.asyncDispose]() {},
  };
  const sources = listSources(["m"], [1, 2], true);
  const journal = await Journal.create(files.path("answers.jsonl"), {});
  const progress: string[] = [];
  await answerTask(task, [ranked("b:0"), ranked("b:1")], sources, generator, journal, {
    onProgress: ({ done, total }) => progress.push(`${done}/${total}`),
  });
  expect([progress.length, progress.at(-1)]).toEqual([12, "12/12"]);
  journal.close();
  expect(prompts[0]).toMatch(/First\.\n\nSecond\.\n\nThird\./);
  expect(prompts.find((prompt) => prompt.startsWith("Second."))).toMatch(/^Second\.\n\nThird\./);
  const summary = summarizeAnswers(journal.outcomes, sources, 1);
  expect(
    summary.map(({ source, accuracy, pairs, malformed, failed }) => [
      source,
      accuracy.mean,
      pairs!.mean,
      malformed,
      failed,
    ]),
  ).toEqual([
    ["full", 0.5, 0.5, 1, 1],
    ["m@1", 0.25, 0, 1, 1],
    ["m@2", 0.5, 0.5, 1, 1],
  ]);
});

it("asks nothing where the method failed, and counts the answer as failed", async () => {
  await using task = await openTask(files.path("clipper"), { depth: 0 });
  const failed: Outcome = {
    ...{ task: "clipper", query: "b:0", method: "m", permutation: 0, status: "failed", ms: 1, ids: [], scores: [] },
  };
  const generator = {
    answer: () => Promise.reject(new Error("asked")),
    async [Symbol.asyncDispose]() {},
  };
  const journal = await Journal.create(files.path("unasked.jsonl"), {});
  const sources = listSources(["m"], [1], false);
  await answerTask(task, [failed], sources, generator, journal);
  journal.close();
  expect(journal.outcomes.map(({ status, error }) => [status, error])).toEqual(
    Array(2).fill(["failed", "The method failed on this query, so there is nothing to show"]),
  );
  expect(summarizeAnswers(journal.outcomes, sources, 1)).toMatchObject([
    { count: 2, failed: 2, accuracy: { mean: 0 } },
  ]);
  await expect(answerTask(task, [{ ...failed, task: "other" }], sources, generator, journal)).rejects.toThrow(
    /no ranking of clipper, only of other/,
  );
});

it("shows a question's documents whole to one question after the other, then what is pruned", async () => {
  await using task = await openTask(files.path("clipper"), { depth: 0 });
  const ranked = (query: string): Outcome => ({
    ...{ task: "clipper", query, method: "m", permutation: 0, status: "ok", ms: 1, ids: ["2"], scores: [1] },
  });
  const prompts: string[] = [];
  const generator = {
    answer: async (prompt: string) => String(prompts.push(prompt)),
    async [Symbol.asyncDispose]() {},
  };
  const shortener = {
    shorten: async (question: string, documents: readonly RankDocument[], percent: number) =>
      documents.map((document) => ({ ...document, text: `${percent} % for ${question}` })),
    async [Symbol.asyncDispose]() {},
  };
  const sources = listSources(["m"], [1], true, [25]);
  expect(sources.map(({ name }) => name)).toEqual(["full", "full, 25 %", "m@1", "m@1, 25 %"]);
  const journal = await Journal.create(files.path("pruned.jsonl"), {});
  await answerTask(task, [ranked("b:0"), ranked("b:1")], sources, generator, journal, { shortener });
  journal.close();
  expect(prompts.map((prompt) => prompt.split("\n\n")[0])).toEqual([
    ...Array(4).fill("First."),
    ...["True 0.", "Wrong 0."].map((claim) => `25 % for ${claim}`),
    ...["Second.", "Second."],
    ...["True 0.", "Wrong 0."].map((claim) => `25 % for ${claim}`),
    ...["True 1.", "Wrong 1."].map((claim) => `25 % for ${claim}`),
    ...["Second.", "Second."],
    ...["True 1.", "Wrong 1."].map((claim) => `25 % for ${claim}`),
  ]);
});
