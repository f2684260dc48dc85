import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
const lines = [
  "The sky is blue at noon.",
  "Cats sleep all day long.",
  "Honey is made by bees from nectar.",
  "Granite is an old and hard rock.",
];
const QUERY = ["--query", "Who makes honey?"];
const QUIET = ["--threads", "1"];
let text = "";
let docs = "";
beforeAll(() => {
  text = files.write("notes.txt", lines.join(" "));
  docs = files.write("docs.txt", lines.join("\n"));
});
afterAll(() => files.remove());

describe.concurrent("long context", () => {
  it("reranks in windows when asked, and says so", async () => {
    const args = ["rerank", ...QUERY, "--docs", docs, ...QUIET];
    const [json, table, never] = await Promise.all([
      run([...args, "--window-documents", "2", "--merge", "tournament", "--json"]),
      run([...args, "--window-size", "120"]),
      run([...args, "--context-size", "80", "--windows", "never"]),
    ]);
    const result = JSON.parse(json.stdout);
    expect(result.windows).toMatchObject({ merge: "tournament", count: 3 });
    expect(result.results[0].id).toBe("2");
    expect(table.stderr).toMatch(/ tokens in \d windows \(/);
    expectFailure(never, 2, "80", "--context-size");
  });

  it("prunes a text to what answers", async () => {
    const [plain, json] = await Promise.all([
      run(["prune", ...QUERY, "--top-k", "1", "--marker", "", ...QUIET, text]),
      run(["prune", ...QUERY, "--budget", "24", "--reader", modelPath("tiny-qwen2"), "--json", ...QUIET, "-"], {
        input: lines.join(" "),
      }),
    ]);
    expect(plain.stdout.trim()).toBe("Honey is made by bees from nectar.");
    expect(plain.stderr).toMatch(/^\d+ of \d+ tokens · /);
    const result = JSON.parse(json.stdout);
    expect(result.text).toContain("bees");
    expect(result.usage.tokens).toBeLessThanOrEqual(24);
    expect(result.documents[0].kept[0]).toMatchObject({ protected: false });
  }, 180_000);

  it("asks, streams and lists its sources", async () => {
    const args = ["ask", "--model", modelPath("tiny-llama"), ...QUERY, "--max-tokens", "4", "--context-size", "512"];
    const { code, stdout, stderr } = await run([...args, ...QUIET, text]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nSources:\n\[1\] .*notes\.txt, characters 0 to \d+\n$/);
    expect(stderr).toMatch(/1 of 1 chunks/);
  }, 180_000);

  it("writes a page to look at", async () => {
    const page = files.path("why.html");
    const done = await run(["inspect", ...QUERY, "--docs", docs, "-o", page, ...QUIET]);
    expect(done.code).toBe(0);
    expect(readFileSync(page, "utf8")).toMatch(/^<!doctype html>[\s\S]*<article>[\s\S]*<\/html>\n$/);
    expectFailure(await run(["inspect", ...QUERY, "--docs", docs, "-o", page]), 2, page, "--force");
  });

  it("refuses what it cannot do, in one line", async () => {
    const empty = files.write("empty.txt", " \n");
    const model = ["--model", modelPath("tiny-llama")];
    const [missing, folder, blank, both, none, noModel, unread, marks, windows] = await Promise.all([
      run(["prune", ...QUERY, "--top-k", "1", files.path("none.txt")]),
      run(["ask", ...model, ...QUERY, files.folder]),
      run(["prune", ...QUERY, "--top-k", "1", empty]),
      run(["prune", ...QUERY, "--top-k", "1", "--threshold", "2", text]),
      run(["prune", ...QUERY, text]),
      run(["ask", ...QUERY, text]),
      run(["ask", ...model, ...QUERY, empty]),
      run(["prune", ...QUERY, "--top-k", "1", text, "--keep-marks", "<k>"]),
      run(["rerank", ...QUERY, "--docs", docs, "--windows", "never", "--merge", "sliding"]),
    ]);
    expectFailure(missing, 2, "none.txt", "does not exist");
    expectFailure(folder, 2, files.folder, "folder");
    expectFailure(blank, 2, "empty");
    expectFailure(both, 2, "threshold and topK");
    expectFailure(none, 2, "exactly one");
    expectFailure(noModel, 2, "--model");
    expectFailure(unread, 2, empty, "is empty");
    expectFailure(marks, 2, "--keep-marks");
    expectFailure(windows, 2, "--windows");
  });
});
