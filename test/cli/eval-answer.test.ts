// From retrieval to accuracy by the commands, with a generator whose answers are known beforehand: the copying model goes on
// with what follows the last time that its prompt's last tokens stood, which is the beginning of the first document shown.
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { copyingHead } from "../../scripts/models/table.ts";
import type { AnswerSummary } from "../../src/eval/answer/run.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
afterAll(files.remove);

const lines = (values: unknown[]) => values.map((value) => JSON.stringify(value)).join("\n");
const generator = [
  "--model",
  modelPath("copying"),
  "--context-size",
  "2048",
  "--gpu",
  "false",
  "--threads",
  "1",
  "--quiet",
];

async function retrieve(data: string, output: string) {
  const found = await run(["eval", "--data", data, "--method", "bm25", "--quiet", "-o", output]);
  expect(found.stderr).toBe("");
}

async function answer(data: string, results: string, ...more: string[]): Promise<Record<string, AnswerSummary>> {
  const args = ["eval-answer", "--data", data, "--results", results, "--top-k", "1", "--full", "--json", ...generator];
  const { stdout, stderr } = await run([...args, ...more]);
  expect(stderr).toBe("");
  return Object.fromEntries(JSON.parse(stdout).map((summary: AnswerSummary) => [summary.source, summary]));
}

type Chat = { model: string; messages: [{ content: string }] };

/** A server with OpenAI's chat completions. */
async function chatServer(reply: (asked: Chat) => string) {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const message = { role: "assistant", content: reply(JSON.parse(body)) };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ choices: [{ index: 0, message }] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const close = async () => void server.close();
  return { address, [Symbol.asyncDispose]: close };
}

describe("eval-answer", () => {
  it("LoCoMo: what retrieval puts before the generator decides whether it answers", async () => {
    const data = files.path("locomo");
    mkdirSync(data);
    const turns = [
      "Morning fog covers seven quiet harbours.",
      "Violet turtles whisper ancient riddles beneath crooked lanterns.",
      "Drowsy bakers juggle marble eggs.",
    ];
    const documents = turns.map((text, i) => ({ id: `D1:${i + 1}`, text }));
    files.write("locomo/c.docs.json", JSON.stringify({ sample_id: "c", sessions: [], turns: documents }));
    const questions = [1, 2].map((i) => ({
      ...{ id: `q${i}`, conversation: "c", category: 1, gold_turns: [`D1:${i + 1}`] },
      ...{ query: i === 1 ? "which lantern?" : "which egg?", answer: turns[i] },
    }));
    files.write("locomo/questions.jsonl", lines(questions));
    await retrieve(data, files.path("locomo-results"));
    const { full, "bm25@1": best } = await answer(data, files.path("locomo-results"));
    expect([full!.count, full!.failed, best!.count, best!.failed]).toEqual([2, 0, 2, 0]);
    const given = readFileSync(files.path("locomo-results/answers.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((line) => JSON.parse(line));
    for (const { method, query, answer: found } of given) {
      const right = method === "bm25@1" ? turns[Number(query.slice(1))]! : turns[0]!;
      expect(found.given, `${method} ${query}`).toContain(right.slice(0, 20));
    }
    const missing = ["eval-answer", "--data", data, "--results", files.path("locomo-results"), ...generator];
    // Without the head that copies it says something else, in results of their own.
    const out = ["-o", files.path("locomo-without"), "--without-heads", copyingHead.join("-")];
    const without = await answer(data, files.path("locomo-results"), ...out);
    expect([without["bm25@1"]!.count, without["bm25@1"]!.failed, without["bm25@1"]!.f1.mean]).toEqual([2, 0, 0]);
    expectFailure(await run([...missing, "-o", files.path("x"), "--without-heads", "9-0"]), 2, "Head 9-0");
    // A judge sees question, right and given answer, and here finds the right one's beginning in the given one.
    const out2 = ["-o", files.path("locomo-judged"), "--judge"];
    const prompts: string[] = [];
    await using judge = await chatServer(({ model, messages: [{ content }] }) => {
      prompts.push(`${model}: ${content}`);
      const [, right, given] = /Right answer: (.*)\nGiven answer: (.*)\n\nDoes/s.exec(content) ?? ["", "-", ""];
      return given!.slice(0, 40).includes(right!.slice(0, 20)) ? "Yes." : "No, not at all";
    });
    const judged = await answer(data, files.path("locomo-results"), ...out2, `${judge.address}#small`);
    expect([judged["bm25@1"]!.judged?.mean, judged.full!.judged?.mean]).toEqual([1, 0]);
    expect(best!.judged).toBeNull();
    expect(prompts[1]).toMatch(/^small: Question: which lantern\?\nRight answer: Violet turtles/);
    // A file as judge: the copying model goes on with the question's "yes or no", and is asked for every answer.
    const local = ["-o", files.path("locomo-local"), "--judge", modelPath("copying")];
    const copied = await answer(data, files.path("locomo-results"), ...local);
    expect(copied["bm25@1"]).toMatchObject({ count: 2, failed: 0, judged: { mean: 0 } });
    const nobody = [...missing, "-o", files.path("y"), "--judge", "http://127.0.0.1:2/v1"];
    expectFailure(await run(nobody), 2, "http://127.0.0.1:2/v1/chat/completions cannot be reached");
    // It goes on for 64 tokens, so that even the right answer has words too many.
    expect(best!.f1.mean).toBeGreaterThan(full!.f1.mean + 0.1);
  });

  it("LoCoMo: pruned to the turn with the question's words, all documents begin with it", async () => {
    const [data, results] = [files.path("locomo"), files.path("locomo-results")];
    const pruned = ["-o", files.path("locomo-pruned"), "--prune", "40", "--pruner", "mini"];
    const found = await answer(data, results, ...pruned);
    expect(Object.keys(found)).toEqual(["full", "full, 40 %", "bm25@1", "bm25@1, 40 %"]);
    expect(found["full, 40 %"]).toMatchObject({ count: 2, failed: 0 });
    expect(found["full, 40 %"]!.f1.mean).toBeGreaterThan(found.full!.f1.mean + 0.1);
    const wrong = ["eval-answer", "--data", data, "--results", results, "-o", files.path("z"), "--prune", "0"];
    expectFailure(await run([...wrong, ...generator]), 2, "--prune");
  });

  it("CLIPPER: one verdict for claim and twin is half of the claims and no pair; goes on, and keeps contexts apart", async () => {
    const data = files.path("clipper");
    mkdirSync(`${data}/books`, { recursive: true });
    const claims = [0, 1].map((i) => ({
      ...{ id: `b:${i}`, book: "b", gold: [2] },
      ...{ query: `The ferry reached harbour ${i}.`, corrupted: `The ferry never reached harbour ${i}.` },
    }));
    files.write("clipper/claims.jsonl", lines(claims));
    const chapters = ["Nothing happens here at all. ".repeat(60), "True is that the ferry reached its harbour."];
    files.write("clipper/books/b.json", JSON.stringify({ chapters: chapters.map((text, i) => ({ id: i + 1, text })) }));
    const results = files.path("clipper-results");
    await retrieve(data, results);
    const found = await answer(data, results);
    expect(found["bm25@1"]).toMatchObject({
      count: 4,
      malformed: 0,
      failed: 0,
      accuracy: { mean: 0.5 },
      pairs: { mean: 0 },
    });
    expect(found.full).toMatchObject({ count: 4, failed: 0, pairs: { mean: 0 } });
    const before = readFileSync(`${results}/answers.jsonl`, "utf8");
    expect(await answer(data, results)).toEqual(found);
    expect(readFileSync(`${results}/answers.jsonl`, "utf8")).toBe(before);
    const other = [
      "eval-answer",
      "--data",
      data,
      "--results",
      results,
      "--context-size",
      "4096",
      ...generator.slice(4),
    ];
    expectFailure(await run(other), 2, "began with");
    const small = await answer(data, results, "-o", files.path("small"), "--context-size", "256");
    expect(small.full).toMatchObject({ count: 4, failed: 4, accuracy: { mean: 0 } });
    expectFailure(await run(["eval-answer", "--top-k", "1.5"]), 2, "--top-k", "whole");
    const wrong = ["eval-answer", "--data", files.path("locomo"), "--results", results, ...generator];
    expectFailure(await run([...wrong, "-o", files.path("wrong")]), 2, "no ranking of locomo-turns", "clipper");
  });
});
