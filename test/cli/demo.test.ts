import { expect, it } from "vitest";
import { DEMO_DOCUMENTS, DEMO_QUERIES } from "../../src/cli/demo-data.ts";
import { QRRetriever } from "../../src/retriever.ts";
import { run } from "../helpers/cli.ts";

it("shows every query with the passage that answers it first", async () => {
  const { code, stdout, stderr } = await run(["demo"]);
  expect(code).toBe(0);
  expect(stderr).toBe("");
  const parts = stdout.split("\nQuery: ").slice(1);
  expect(parts).toHaveLength(DEMO_QUERIES.length);
  for (const [index, { query, answer }] of DEMO_QUERIES.entries()) {
    expect(parts[index]!.startsWith(query)).toBe(true);
    expect(parts[index]).toMatch(new RegExp(`^ +1 +[\\d.]+ +[\\d.]+ +${answer} `, "m"));
    expect(parts[index]).toMatch(/^Best: .*«\w+»/m);
  }
  expect(stdout).toContain("qrhead rerank -m");
  expect(stdout).not.toContain("\u001b");
});

it("has answers that lead by far", async () => {
  await using retriever = await QRRetriever.load();
  for (const { query, answer } of DEMO_QUERIES) {
    const { results } = await retriever.rank(query, DEMO_DOCUMENTS, { fuse: "none" });
    expect(results[0]!.id).toBe(answer);
    expect(results[0]!.score).toBeGreaterThan(2 * results[1]!.score);
    const fused = await retriever.rank(query, DEMO_DOCUMENTS);
    expect(fused.results[0]!.id).toBe(answer);
    expect(fused.results[0]!.score).toBeGreaterThan(2 * fused.results[1]!.score);
  }
});
