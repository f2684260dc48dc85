import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { type CheckpointKey, openCheckpoint } from "../../src/detect/checkpoint.ts";
import { type DetectionExample, normalizeExamples } from "../../src/detect/examples.ts";
import type { ExampleScores } from "../../src/detect/objectives.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { EXAMPLES } from "../helpers/detect-examples.ts";

const files = temporaryFolder();
afterAll(() => files.remove());

const examples = normalizeExamples(EXAMPLES);
const HEADS = 3;
const key: CheckpointKey = { fingerprint: "f", objective: "mass", nullQuery: "N/A", maxDocumentTokens: null };

const scoresOf = (example: DetectionExample, ranking?: Float32Array): ExampleScores => {
  const documents = example.docs.length;
  // Numbers that decimal text would not carry exactly.
  const scores = Float32Array.from({ length: HEADS * documents }, (_, index) =>
    Math.fround(Math.sin(index + documents) / 3),
  );
  const gold = example.gold.map((id) => example.docs.findIndex((document) => document.id === id));
  return {
    scores,
    ranking: ranking ?? scores,
    masses: scores.filter((_, index) => index % documents === 0),
    documents,
    gold,
  };
};

const open = (file: string, { resume = true, run = key, list = examples } = {}) =>
  openCheckpoint(file, run, { examples: list, heads: HEADS, resume });

let count = 0;
/** A checkpoint that holds this many examples. */
async function written(holding: number): Promise<string> {
  const file = files.path(`checkpoint-${count++}.jsonl`);
  const checkpoint = await open(file, { resume: false });
  for (const example of examples.slice(0, holding)) await checkpoint.append(example, scoresOf(example));
  await checkpoint.close();
  return file;
}

async function knownOf(file: string, options?: Parameters<typeof open>[1]): Promise<ExampleScores[]> {
  const checkpoint = await open(file, options);
  await checkpoint.close();
  return checkpoint.known;
}

describe("a checkpoint", () => {
  test("gives back every bit of what was appended", async () => {
    const file = await written(3);
    const known = await knownOf(file);
    expect(known).toEqual(examples.slice(0, 3).map((example) => scoresOf(example)));
    for (const { scores, ranking } of known) expect(ranking).toBe(scores);
  });

  test("keeps the scores that rank apart where they are others", async () => {
    const file = await written(0);
    const [example] = examples as [DetectionExample];
    const scores = scoresOf(example, new Float32Array(HEADS * example.docs.length).fill(0.1));
    const checkpoint = await open(file);
    await checkpoint.append(example, scores);
    await checkpoint.close();
    expect(await knownOf(file)).toEqual([scores]);
  });

  test("loses at most the last example, wherever a killed process left it", async () => {
    const whole = readFileSync(await written(2));
    const ends = [...whole.keys()].filter((index) => whole[index] === 0x0a).map((index) => index + 1);
    const file = files.path("cut.jsonl");
    for (let length = 0; length <= whole.length; length += 7) {
      writeFileSync(file, whole.subarray(0, length));
      const lines = ends.filter((end) => end <= length).length;
      const checkpoint = await open(file);
      expect(checkpoint.known).toHaveLength(Math.max(0, lines - 1));
      for (const example of examples.slice(checkpoint.known.length, 2))
        await checkpoint.append(example, scoresOf(example));
      await checkpoint.close();
      expect(readFileSync(file).equals(whole), `cut at ${length}`).toBe(true);
    }
  });

  test("is begun anew without resume only if it holds no example", async () => {
    const empty = await written(0);
    expect(await knownOf(empty, { resume: false, run: { ...key, objective: "ndcg" } })).toEqual([]);
    const file = await written(1);
    await expect(open(file, { resume: false })).rejects.toThrow(
      /holds 1 example of an unfinished run: .*resume: true, or remove the file/,
    );
    expect(await knownOf(file)).toHaveLength(1);
  });
});

describe("a checkpoint is refused", () => {
  test.each([
    [{ objective: "ndcg" }, /its objective is "mass", but "ndcg" is requested now/],
    [{ fingerprint: "g" }, /its fingerprint is "f", but "g"/],
    [{ maxDocumentTokens: 100 }, /its maxDocumentTokens is null, but 100/],
  ] as [object, RegExp][])("from a run that differs by %o", async (change, message) => {
    const file = await written(1);
    await expect(open(file, { run: { ...key, ...change } })).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(open(file, { run: { ...key, ...change } })).rejects.toThrow(message);
  });

  test("for other examples, another order, or fewer", async () => {
    const file = await written(2);
    const [first, second] = examples as [DetectionExample, DetectionExample];
    const shapes = [[second, first], [first, { ...second, query: "another" }], [first]] as DetectionExample[][];
    const messages = [
      /line 2 has the scores of "lamp" where those of "honey"/,
      /line 3 has the scores of "honey"/,
      /line 3 .* not among/,
    ];
    for (const [index, list] of shapes.entries()) await expect(open(file, { list })).rejects.toThrow(messages[index]!);
  });

  test("that is damaged, and never repaired by guessing", async () => {
    const file = await written(2);
    const lines = readFileSync(file, "utf8").split("\n");
    const record = JSON.parse(lines[1]!);
    const broken: [object | string, RegExp][] = [
      ["{broken", /line 2 is damaged/],
      [{ ...record, scores: record.scores.slice(0, 8) }, /line 2 does not have 3 × 4 scores/],
      [{ ...record, scores: "" }, /line 2 does not have/],
      [{ ...record, documents: 5 }, /line 2 does not have 3 × 5 scores/],
      [{ ...record, scores: "%%%" }, /line 2 is damaged/],
    ];
    for (const [line, message] of broken) {
      const text = typeof line === "string" ? line : JSON.stringify(line);
      writeFileSync(file, [lines[0], text, lines[2], ""].join("\n"));
      await expect(open(file)).rejects.toThrow(message);
    }
  });

  test("that repeats an example", async () => {
    const file = await written(1);
    appendFileSync(file, `${readFileSync(file, "utf8").split("\n")[1]}\n`);
    await expect(open(file)).rejects.toThrow(/line 3 has the scores of "lamp" where those of "honey" were expected/);
  });

  test("that is another kind of file, which stays as it is", async () => {
    for (const content of ["notes of mine", "notes\n", '{"format":"qrhead-heads"}\n', '{"id":1}\n{"id":2}\n']) {
      const file = files.write("mine.txt", content);
      for (const resume of [true, false]) {
        await expect(open(file, { resume })).rejects.toThrow(/is not a checkpoint of qrhead detect/);
        expect(readFileSync(file, "utf8")).toBe(content);
      }
    }
    await expect(open(files.path("no/such/folder"))).rejects.toThrow(/cannot be written/);
    const file = await written(1);
    truncateSync(file, 0);
    expect(await knownOf(file)).toEqual([]);
  });
});
