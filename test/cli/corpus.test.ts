// `rerank --cache` and `rerank --queries`.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
const documents = [
  { id: "bees", text: "Bees collect nectar from flowers and make honey from it in the hive." },
  { id: "rock", text: "Granite is a rock that forms when magma cools slowly below the surface." },
];
const jsonLines = (values: unknown[]) => values.map((value) => JSON.stringify(value)).join("\n");
const docs = files.write("docs.jsonl", jsonLines(documents));
const queries = files.write(
  "queries.jsonl",
  '{"_id":"q1","text":"what makes honey?"}\n{"id":"q2","query":"magma","gold":[]}\n',
);
const one = ["rerank", "--threads", "1", "--query", "magma"];
const resultsOf = (stdout: string) => JSON.parse(stdout).results;

afterAll(() => files.remove());

describe.concurrent("rerank --queries", () => {
  it("prints the contract once a line, each with its query's id", async () => {
    const many = ["rerank", "--threads", "1", "--queries", queries, "--docs", docs];
    const [batch, single, table] = await Promise.all([
      run([...many, "--json"]),
      run([...one, "--docs", docs, "--json"]),
      run(many),
    ]);
    expect(batch.code).toBe(0);
    const lines = batch.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ queryId, query, results }) => [queryId, query, results[0].id])).toEqual([
      ["q1", "what makes honey?", "bees"],
      ["q2", "magma", "rock"],
    ]);
    // Both queries share a pass, which moves last digits.
    const names = ["score", "attention", "share", "relevance"] as const;
    const alone = resultsOf(single.stdout) as Record<(typeof names)[number], number>[];
    const near = (result: (typeof alone)[number]) =>
      Object.fromEntries(names.map((name) => [name, expect.closeTo(result[name], name === "relevance" ? 2 : 3)]));
    expect(lines[1].results).toEqual(alone.map((result) => ({ ...result, ...near(result) })));
    expect(JSON.parse(single.stdout)).not.toHaveProperty("queryId");
    expect(table.stdout).toMatch(/^what makes honey\?\nRank[\s\S]*\n\nmagma\nRank/);
    expect(table.stderr).toMatch(/2 queries in \d+ ms/);
  });

  it("refuses a second kind of query, and standard input twice", async () => {
    const [two, twice] = await Promise.all([
      run([...one, "--queries", queries, "--docs", docs]),
      run(["rerank", "--queries", "-", "--docs", "-"]),
    ]);
    expectFailure(two, 2, "--queries", "--query");
    expectFailure(twice, 2, "--queries", "--docs");
  });
});

describe("rerank --cache", () => {
  it("makes the file, reads it without the documents, and gives the same scores", async () => {
    const cache = files.path("notes.corpus");
    const plain = await run([...one, "--docs", docs, "--json"]);
    const made = await run([...one, "--docs", docs, "--cache", cache, "--json"]);
    const bytes = readFileSync(cache);
    const read = await run([...one, "--cache", cache, "--json"]);
    const both = await run([...one, "--docs", docs, "--cache", cache, "--json"]);
    for (const result of [made, read, both]) {
      expect(result.stderr).toBe("");
      expect(resultsOf(result.stdout)).toEqual(resultsOf(plain.stdout));
    }
    expect(JSON.parse(read.stdout).timings.prefillMs).toBe(0);
    expect(readFileSync(cache).equals(bytes)).toBe(true);
  });

  it("makes the file anew, and says so, when documents or settings have changed", async () => {
    const cache = files.path("stale.corpus");
    await run([...one, "--docs", docs, "--cache", cache]);
    const changed = files.write("changed.jsonl", jsonLines([...documents, { id: "sea", text: "The sea is salt." }]));
    const result = await run([...one, "--docs", changed, "--cache", cache, "--json"]);
    expect(result.stderr).toMatch(/^qrhead: making .*stale\.corpus again: the documents have changed\n$/);
    expect(resultsOf(result.stdout)).toHaveLength(3);
    const cut = await run([...one, "--docs", changed, "--cache", cache, "--max-document-tokens", "5", "--json"]);
    expect(cut.stderr).toContain("the options have changed");
    expect(resultsOf(cut.stdout)[0].truncated).toBe(true);
    const other = await run([...one, "--docs", changed, "--cache", cache, "--null-query", "nothing", "--quiet"]);
    expect([other.code, other.stderr]).toEqual([0, ""]);
  });

  it("does not replace what is no corpus, and needs documents where there is no file", async () => {
    const [foreign, none, folder] = await Promise.all([
      run([...one, "--docs", docs, "--cache", queries]),
      run([...one, "--cache", files.path("none.corpus")]),
      run([...one, "--docs", docs, "--cache", files.path("no/where.corpus")]),
    ]);
    expectFailure(foreign, 2, "queries.jsonl", "not a saved corpus: choose the name of one");
    expectFailure(none, 2, "none.corpus", "--docs");
    expectFailure(folder, 2, "where.corpus");
    expect(readFileSync(queries, "utf8")).toContain("honey");
  });

  it("serves two processes that make it at the same time", async () => {
    const cache = files.path("shared.corpus");
    const call = () => run([...one, "--docs", docs, "--cache", cache, "--json"]);
    const results = await Promise.all([call(), call()]);
    for (const { code, stderr } of results) {
      expect(code).toBe(0);
      // On a slow machine one of them says that it waits.
      expect(stderr).toMatch(/^(qrhead: waiting for process [^\n]*\n)?$/);
    }
    const after = await run([...one, "--cache", cache, "--json"]);
    expect(resultsOf(after.stdout)[0].id).toBe("rock");
    expect(existsSync(cache)).toBe(true);
    expect(readdirSync(files.folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
  });
});
