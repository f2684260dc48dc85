import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { RankDocument, RankResult } from "../../src/index.ts";
import { run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const head = z.tuple([z.int().nonnegative(), z.int().nonnegative()]);
const milliseconds = z.number().nonnegative();

/** The output that programs rely on. Keys beside these may come. */
const contract = z.object({
  model: z.strictObject({
    path: z.string(),
    name: z.string(),
    architecture: z.string(),
    layers: z.int().positive(),
    heads: z.int().positive(),
  }),
  heads: z.array(head).min(1),
  query: z.string(),
  results: z.array(
    z.object({
      index: z.int().nonnegative(),
      id: z.string(),
      score: z.number(),
      attention: z.number().optional(),
      prior: z.number().optional(),
      share: z.number().min(0).max(1),
      relevance: z.number().min(0).max(1),
      truncated: z.literal(true).optional(),
      headScores: z.array(z.number()).optional(),
      tokenScores: z.array(z.object({ text: z.string(), score: z.number(), kept: z.boolean() })).optional(),
    }),
  ),
  usage: z.strictObject({
    promptTokens: z.int().positive(),
    queryTokens: z.int().positive(),
    documentTokens: z.array(z.int().positive()),
  }),
  timings: z.strictObject({
    loadMs: milliseconds,
    prefillMs: milliseconds,
    nullMs: milliseconds,
    queryMs: milliseconds,
    totalMs: milliseconds,
  }),
});

const files = temporaryFolder();
const QUERY = "What do bees make from nectar?";
const documents = [
  {
    id: "rail",
    title: "Railways",
    text: "The first public steam railway opened in 1825 between Stockton and Darlington.",
  },
  { id: "bees", text: "Bees collect nectar from flowers and make honey from it in the hive." },
  { _id: 7, contents: "Granite is a rock that forms when magma cools slowly below the surface." },
];
let docs = "";

/** Runs rerank with `--json`, checks that the result has the shape and nothing else was printed, and returns it. */
async function rerank(args: string[], input?: string) {
  const result = await run(["rerank", "--query", QUERY, ...args, "--json"], input === undefined ? {} : { input });
  expect(result.stderr).toBe("");
  expect(result.code).toBe(0);
  expect(result.stdout.endsWith("}\n")).toBe(true);
  return contract.parse(JSON.parse(result.stdout));
}

beforeAll(() => {
  docs = files.write("docs.jsonl", documents.map((document) => JSON.stringify(document)).join("\n"));
});
afterAll(() => files.remove());

describe.concurrent("rerank", () => {
  it("prints nothing but the result with several threads", async () => {
    expect((await rerank(["--docs", docs, "--threads", "2"])).results).toHaveLength(3);
  });

  it("prints the contract's JSON, best first", async () => {
    const result = await rerank(["--docs", docs]);
    expect(path.basename(result.model.path)).toBe("qrhead-mini-v3-q8_0.gguf");
    expect(path.isAbsolute(result.model.path)).toBe(true);
    expect(result.model).toMatchObject({ architecture: "llama", layers: 3, heads: 9 });
    expect(result.heads).toHaveLength(9);
    expect(result.query).toBe(QUERY);
    expect(result.results[0]).toMatchObject({ index: 1, id: "bees" });
    expect(result.results.map(({ id }) => id).sort()).toEqual(["7", "bees", "rail"]);
    expect(result.usage.documentTokens).toHaveLength(3);
    const scores = result.results.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
  });

  it("says how relevant, and leaves out what is below a threshold", async () => {
    const ask = async (...args: string[]) => {
      const { stdout } = await run(["rerank", "--query", QUERY, "--docs", docs, "--json", ...args]);
      return JSON.parse(stdout) as Pick<
        RankResult<RankDocument>,
        "results" | "abstained" | "belowThreshold" | "calibration"
      >;
    };
    const all = await ask();
    expect(all.results.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(all.results[0]).toMatchObject({ text: documents[1]!.text, relevance: expect.any(Number) });
    expect(all.results[0]).not.toHaveProperty("document");
    expect(all).toMatchObject({ belowThreshold: 0, calibration: { fitted: true } });
    const threshold = String(all.results[1]!.relevance);
    const some = await ask("--threshold", threshold);
    expect(some.results.map(({ id }) => id)).toEqual(all.results.slice(0, 2).map(({ id }) => id));
    expect(some).toMatchObject({ belowThreshold: 1, abstained: false });
    const none = await run(["rerank", "--query", QUERY, "--docs", docs, "--threshold", "1"]);
    expect(none.stderr).toContain("3 below the threshold");
    const wrong = await run(["rerank", "--query", QUERY, "--docs", docs, "--threshold", "2"]);
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
    expect(wrong.stderr).toMatch(/^qrhead: .*from 0 to 1 for --threshold/);
  });

  it("reads standard input, and gives the same scores", async () => {
    const text = documents.map((document) => JSON.stringify(document)).join("\n");
    const [fromFile, fromInput] = await Promise.all([rerank(["--docs", docs]), rerank(["--docs", "-"], text)]);
    expect(fromInput.results).toEqual(fromFile.results);
  });

  it("orders equal scores as the documents come, and prints the best only", async () => {
    // The query itself as null query leaves exactly nothing.
    const result = await rerank(["--docs", docs, "--null-query", QUERY, "--top-k", "2", "--fuse", "none"]);
    expect(result.results.map(({ index, score }) => [index, score])).toEqual([
      [0, 0],
      [1, 0],
    ]);
    expect(result.usage.documentTokens).toHaveLength(3);
  });

  it("shows the heads that contribute most, and the passage that was ranked", async () => {
    const filler = "Granite stood near the river. ".repeat(40);
    const long = files.write("long.txt", `${filler}Bees dance to show where flowers are. ${filler}\nA kettle sang.\n`);
    const shown = ["--docs", long, "--window-size", "400", "--token-scores", "--head-scores"];
    const { stdout, code } = await run(["rerank", "--query", "Where are the flowers that bees dance for?", ...shown]);
    expect(code).toBe(0);
    // The marks of a passage are tried in highlight.test.ts.
    expect(stdout).toMatch(/ 0 {2,}… \S/);
    expect(stdout).toMatch(/Heads that contribute most\n +1 {2}(\d-\d -?[\d.]+( {2})?){5}\n/);
  });

  it("gives head scores that add up, and token scores that join to the document", async () => {
    const result = await rerank(["--docs", docs, "--head-scores", "--token-scores", "--heads", "2-0,1-2"]);
    expect(result.heads).toEqual([
      [2, 0],
      [1, 2],
    ]);
    for (const { headScores, tokenScores, score, index } of result.results) {
      expect(headScores).toHaveLength(2);
      expect(headScores!.reduce((sum, value) => sum + value, 0)).toBeCloseTo(score, 5);
      const text = tokenScores!.map((token) => token.text).join("");
      expect(text).toContain(documents[index]!.text ?? documents[index]!.contents);
      expect(text.startsWith(`[${index + 1}] `)).toBe(true);
      const sum = tokenScores!.filter(({ kept }) => kept).reduce((total, token) => total + token.score, 0);
      expect(sum).toBeCloseTo(score, 5);
    }
  });

  it("takes every option", async () => {
    const result = await rerank([
      ...["--docs", docs, "--model", modelPath("tiny-qwen2"), "--heads", "random:3:1", "--prompt", "plain"],
      ...["--null-query", "nothing", "--no-mask", "--order", "reverse", "--context-size", "512", "--batch-size", "64"],
      ...["--threads", "1", "--gpu", "false", "--gpu-layers", "0", "--cache-type-k", "q8_0", "--cache-type-v", "f32"],
      ...["--max-document-tokens", "5", "--quiet", "--verbose"],
    ]);
    expect(result.heads).toHaveLength(3);
    expect(result.results.every(({ truncated }) => truncated)).toBe(true);
    expect(result.model.architecture).toBe("qwen2");
  });

  it("agrees with itself without flash attention, and without calibration and mask runs the query alone", async () => {
    const model = ["--docs", docs, "--model", modelPath("tiny-llama"), "--heads", "all"];
    const [fast, slow, bare] = await Promise.all([
      rerank(model),
      rerank([...model, "--no-flash-attention"]),
      rerank([...model, "--no-calibration", "--no-mask"]),
    ]);
    const byIndex = (result: typeof fast) => result.results.toSorted((a, b) => a.index - b.index).map((r) => r.score);
    for (const [index, score] of byIndex(slow).entries()) expect(score).toBeCloseTo(byIndex(fast)[index]!, 2);
    expect(bare.timings.nullMs).toBe(0);
    expect(byIndex(bare).every((score) => score > 0)).toBe(true);
  });

  it("prints a table without --json, wide characters aligned, and a footer that --quiet leaves out", async () => {
    const input = `${JSON.stringify({ id: "a\u001b[31m", text: "日本の蜂は花の蜜から蜂蜜を作る。".repeat(9) })}\n"bees make honey\\nfrom nectar"`;
    const args = ["rerank", "--query", QUERY, "--docs", "-", "--top-k", "2"];
    const [result, quiet] = await Promise.all([run(args, { input }), run([...args, "--quiet"], { input })]);
    expect(result.code).toBe(0);
    const lines = result.stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^Rank +Score +Heads +Id +Document$/);
    expect(result.stdout).toContain("bees make honey from nectar");
    expect(result.stdout).not.toContain("\u001b");
    expect(result.stdout).toMatch(/蜜.*…/);
    expect(result.stderr).toMatch(
      /^qrhead mini v3 · 9 heads of qrhead-mini-v3 fused with BM25 \(heads 0\.5; --fuse none: heads alone\) · 2 documents · \d+ tokens · \d+ ms and \d+ ms to load\n$/,
    );
    expect(quiet.stderr).toBe("");
    expect(quiet.stdout).toBe(result.stdout);
  });

  it("reads the query from a file, without the line break at its end", async () => {
    const query = files.write("query.txt", `${QUERY}\n`);
    const [named, read] = await Promise.all([
      rerank(["--docs", docs]),
      run(["rerank", "--query-file", query, "--docs", docs, "--json"]),
    ]);
    expect(contract.parse(JSON.parse(read.stdout)).results).toEqual(named.results);
  });
});
