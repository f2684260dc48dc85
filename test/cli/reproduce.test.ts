import { mkdirSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { PUBLISHED_TABLES, publishedNumber } from "../../src/eval/published-numbers.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { EXAMPLES } from "../helpers/detect-examples.ts";

const files = temporaryFolder();
afterAll(files.remove);

const lines = (values: readonly unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join("");
const texts = ["Bees dance to show the way.", "Glaciers flow under their own weight.", "A ferry crosses the bay."];
for (const set of ["scifact", "of-our-own"]) {
  mkdirSync(files.path(`beir/${set}/qrels`), { recursive: true });
  files.write(`beir/${set}/corpus.jsonl`, lines(texts.map((text, id) => ({ _id: String(id), text }))));
  files.write(`beir/${set}/queries.jsonl`, lines([{ _id: "q", text: "Why do bees dance?" }]));
  files.write(`beir/${set}/qrels/test.tsv`, "query-id\tcorpus-id\tscore\nq\t0\t1\n");
}
const reproduce = (...args: string[]) => run(["reproduce", ...args, "--threads", "1", "--gpu", "false", "--quiet"]);

describe("the published numbers", () => {
  it("are one a column of every row, and are found by model, method and set", () => {
    for (const { columns, bm25, models } of Object.values(PUBLISHED_TABLES)) {
      const rows = [bm25, ...Object.values(models).flatMap(({ icr, qrhead }) => [icr, qrhead])];
      for (const row of rows) expect(row).toHaveLength(columns.length);
    }
    const { beir, clipper } = PUBLISHED_TABLES;
    expect(publishedNumber(beir, "llama-3.1-8b", "qrhead", { set: "fever", measure: "ndcg@10" })).toBe(85.3);
    expect(publishedNumber(clipper, "llama-3.2-3b", "icr", { set: "clipper", measure: "recall@5" })).toBe(83.6);
    expect(publishedNumber(clipper, "qwen2.5-7b", "icr", { set: "clipper", measure: "recall@5" })).toBeNull();
    // Other data in the place of the paper's are not compared with it.
    expect(publishedNumber(clipper, "llama-3.2-3b", "icr", { set: "novels", measure: "recall@5" })).toBeNull();
    const rounds = { set: "longmemeval_s-rounds", measure: "recall@10" };
    expect(publishedNumber(PUBLISHED_TABLES.longmemeval, undefined, "bm25", rounds)).toBe(67.5);
    expect(publishedNumber(beir, undefined, "bm25", { set: "nq-test", measure: "ndcg@10" })).toBeNull();
  });

  it("have the averages that the paper prints", () => {
    const { bm25, models } = PUBLISHED_TABLES.beir;
    const average = (row: readonly number[]) => row.reduce((sum, value) => sum + value, 0) / row.length;
    const rows = [bm25, ...Object.values(models).flatMap(({ icr, qrhead }) => [icr, qrhead])];
    const printed = [38.4, 46.5, 48.6, 48.5, 50.0, 43.0, 44.2, 47.9, 50.1];
    for (const [index, row] of rows.entries()) expect(Math.abs(average(row) - printed[index]!)).toBeLessThan(0.06);
  });
});

describe("qrhead reproduce", () => {
  it("prints the published number, ours and the difference, says what is not the paper's, and goes on", async () => {
    const output = files.path("results");
    const args = ["beir", "--data", files.path("beir"), "--limit", "1", "-o", output];
    const { stdout, stderr } = await reproduce(...args, "--json");
    expect(stderr).toBe("");
    const { rows, changed } = JSON.parse(stdout);
    expect(changed).toEqual(["1 query in place of 512"]);
    const bm25 = rows.find((row: { set: string; method: string }) => row.set === "scifact" && row.method === "bm25");
    expect(bm25).toMatchObject({ published: 67.9, ours: 100, queries: 1 });
    expect(bm25.difference).toBeCloseTo(32.1);
    expect(rows.filter(({ published }: { published: number | null }) => published !== null)).toEqual([bm25]);
    expect(rows.map(({ set, method }: { set: string; method: string }) => `${set} ${method}`)).toEqual(
      ["of-our-own", "scifact"].flatMap((set) => ["bm25", "icr", "qrhead"].map((method) => `${set} ${method}`)),
    );
    const journal = readFileSync(`${output}/results.jsonl`, "utf8");
    const again = await reproduce(...args);
    expect(again.stdout).toContain("Not the paper's setting: 1 query in place of 512");
    expect(again.stdout).toMatch(/scifact +ndcg@10 +bm25 +1 +67\.9 +100\.0 .* \+32\.1/);
    expect(readFileSync(`${output}/results.jsonl`, "utf8")).toBe(journal);
  });

  it("finds heads again, and counts those that are the published ones", async () => {
    const data = files.write("examples.jsonl", lines([...EXAMPLES, ...EXAMPLES].map((one, id) => ({ ...one, id }))));
    const output = files.path("detection");
    const { stdout, stderr } = await reproduce("detect", "--data", data, "--limit", "4", "-o", output, "--json");
    expect(stderr).toBe("");
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ set: "qrhead-mini-v3", examples: 4 });
    expect(found.published).toHaveLength(9);
    expect(found.ours).toHaveLength(9);
    expect(found.shared).toEqual(found.published.filter((head: string) => found.ours.includes(head)));
    expect(found.difference).toBe(found.shared.length - 9);
  });

  it("refuses what it cannot measure in one line", async () => {
    expectFailure(await reproduce("beir"), 2, "--data PATH");
    expectFailure(await reproduce("beir", "--data", files.path("nowhere")), 2, "is no BEIR set and holds none");
    expectFailure(await reproduce("table-9", "--data", "x"), 2, "table-9");
  });
});
