import { expect, it } from "vitest";
import { evalTables } from "../../src/cli/eval/table.ts";
import { parseMeasure } from "../../src/eval/metrics/measures.ts";
import type { Outcome } from "../../src/eval/outcome.ts";
import { renderHtml } from "../../src/eval/report/html.ts";
import { makeReport } from "../../src/eval/report/report.ts";

const LONG = "dense:/very/long/path/to/some/embedding-model.gguf";
const QUERIES = ["q0", "q1", "q2"];

const outcome = (method: string, query: string, more: Partial<Outcome> = {}): Outcome => ({
  ...{ task: "set", query, method, permutation: 0, status: "ok", ids: ["a", "b"], scores: [1, 2], ms: 3 },
  ...more,
});
const failed: Partial<Outcome> = { status: "failed", ids: [], scores: [], error: "5 < 6 & no memory" };

const outcomes = [
  ...QUERIES.map((query) => outcome("bm25", query, query === "q1" ? { warnings: ["too long a prompt"] } : {})),
  ...QUERIES.map((query) => outcome(LONG, query, { scores: [2, 1] })),
  ...QUERIES.map((query, i) => outcome("rankgpt", query, { answers: 2, malformed: i })),
  outcome("rankgpt", "q0", { permutation: 1, scores: [2, 1], answers: 1, malformed: 1 }),
  outcome("rankgpt", "q1", { permutation: 1, ...failed }),
  ...QUERIES.map((query, i) => outcome("<mine>", query, i === 2 ? failed : {})),
];

const task = {
  ...({ name: "set", format: "pools", firstStage: "given", documents: 2 } as const),
  dropped: [{ reason: "queries that are blank", count: 1, examples: ["q9"] }],
  topics: QUERIES.map((id) => ({ id, grades: new Map([["a", 1]]) })),
};

const report = makeReport(
  {
    ...{ command: "qrhead eval --data '<x>'", settings: {} },
    machine: { cpu: "cpu", cores: 1, memoryBytes: 1, node: "v20", platform: "linux-x64" },
  },
  [task, { ...task, name: "other", topics: [] }],
  outcomes,
  ["bm25", LONG, "rankgpt", "<mine>"],
  { measures: [parseMeasure("mrr")], gain: "linear", baseline: "bm25", seed: 1, samples: 200 },
);

it("counts malformed answers and failures of every order, in JSON, table and page alike", async () => {
  const [, , rankgpt, mine] = report.tasks[0]!.methods;
  expect(rankgpt).toMatchObject({ answers: 7, malformed: 4, failed: 0, order: { queries: 1, failed: 1, tau: -1 } });
  expect(mine).toMatchObject({ queries: 3, failed: 1 });
  expect(report.failures).toEqual([
    { task: "set", query: "q1", method: "rankgpt", permutation: 1, error: failed.error },
    { task: "set", query: "q2", method: "<mine>", permutation: 0, error: failed.error },
  ]);
  const table = evalTables(report);
  const page = await renderHtml(report);
  for (const text of [
    "4 of 7",
    "1 of 3",
    "-1.000 ± 0.000",
    "bm25, 1 of 3 queries: too long a prompt",
    "queries that are blank: 1 (such as q9)",
  ]) {
    expect(table).toContain(text);
    expect(page).toContain(text);
  }
  expect(page).toContain("rankgpt on q1, order 1: 5 &lt; 6 &amp; no memory");
  expect(page).toMatch(
    /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; /,
  );
});

it("the overview says of which method answers were malformed", async () => {
  const [overview] = (await renderHtml(report)).match(/<h2>Overview.*?<\/p>/s)!;
  expect(overview).toContain("rankgpt: 4 of 7 answers malformed");
  expect(overview.match(/malformed/g)).toHaveLength(1);
});

it("the page needs no network and no script, is for light and dark, and names every method", async () => {
  const page = await renderHtml(report);
  expect(page).not.toMatch(/<script|<link|src=|url\(|@import|NaN|undefined/);
  expect(page).toContain("prefers-color-scheme: dark");
  expect(page).not.toContain("<mine>");
  expect(page).toContain(LONG);
  // Beside points there is no room for a path.
  expect(page).toMatch(/>dense:\/very\/l…ing-model\.gguf</);
  expect(page).toMatch(/<a href="#set1">set<\/a>/);
});
