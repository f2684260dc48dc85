// `qrhead index`, and the commands that take what it has made.
import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BOOTSTRAP_TEXT } from "../../src/detect/bootstrap-text.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
const passages = BOOTSTRAP_TEXT.trim()
  .split("\n\n")
  .filter((text) => !/octopus/i.test(text));
const QUERY = "How many hearts does an octopus have?";
const ANSWER = "Octopuses have three hearts: two of them serve the gills, and one the rest of the body.";
const index = files.path("notes.index");
const cpu = ["--threads", "1", "--gpu", "false"];

beforeAll(async () => {
  mkdirSync(files.path("notes"));
  for (const [i, text] of passages.entries()) writeFileSync(files.path(`notes/${i}.md`), `# Note ${i}\n\n${text}\n`);
  writeFileSync(files.path("notes/octopus.md"), `# Sea\n\nAn octopus lives alone.\n\n${ANSWER}\n`);
  writeFileSync(files.path("notes/logo.png"), new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));
  const { code, stdout, stderr } = await run(["index", files.path("notes"), "--index", index]);
  expect([code, stdout]).toEqual([
    0,
    `${index}: ${passages.length + 1} chunks of ${passages.length + 1} files · ${passages.length + 1} added\n`,
  ]);
  expect(stderr).toMatch(/^qrhead: warning: left out .*logo\.png: is not text but a PNG image[^\n]*\n$/);
}, 60_000);
afterAll(() => files.remove());

describe("qrhead index", () => {
  it("brings the index up to date, and says what it found", async () => {
    const own = files.path("own.index");
    const folder = files.path("own");
    mkdirSync(folder);
    writeFileSync(path.join(folder, "a.txt"), "One.");
    writeFileSync(path.join(folder, "b.txt"), "Two.");
    await run(["index", path.join(folder, "*.txt"), "--index", own, "--quiet"]);
    appendFileSync(path.join(folder, "a.txt"), " And more.");
    const changed = await run(["index", "--index", own, "--json"]);
    expect(JSON.parse(changed.stdout)).toEqual({
      ...{ index: own, paths: [path.join(folder, "a.txt"), path.join(folder, "b.txt")], files: 2, chunks: 2 },
      ...{ added: 0, changed: 1, removed: 0, unchanged: 1, leftOut: 0 },
    });
    rmSync(path.join(folder, "b.txt"));
    const gone = await run(["index", folder, "--index", own]);
    expect(gone.stdout).toBe(`${own}: 1 chunk of 1 file · 1 removed\n`);
    expect((await run(["index", "--index", own])).stdout).toContain("nothing has changed");
  }, 60_000);

  it("says what is missing", async () => {
    const [none, empty, nowhere] = await Promise.all([
      run(["index", files.path("notes")]),
      run(["index", "--index", files.path("new.index")]),
      run(["index", files.path("nowhere"), "--index", files.path("new.index")]),
    ]);
    expectFailure(none, 2, "Expected an index: pass --index FILE");
    expectFailure(empty, 2, "The index has no files yet: pass files or folders");
    expectFailure(nowhere, 2, "nowhere does not exist");
  }, 60_000);
});

describe("qrhead retrieve", () => {
  const retrieve = (...args: string[]) => run(["retrieve", QUERY, ...cpu, ...args]);

  it("finds in an index and in files what answers, in every format", async () => {
    const [full, json, text, ids, tsv, fromFiles] = await Promise.all([
      retrieve("--index", index, "-k", "1"),
      retrieve("--index", index, "-k", "1", "--json"),
      retrieve("--index", index, "-k", "1", "--format", "text"),
      retrieve("--index", index, "-k", "1", "--format", "ids"),
      retrieve("--index", index, "-k", "1", "--format", "tsv"),
      retrieve(files.path("notes"), "-k", "1", "--format", "ids", "--candidates", "3"),
    ]);
    const place = `${files.path("notes/octopus.md")}:1`;
    expect(full.stdout).toMatch(/^\[1\] notes\/octopus\.md\n# Sea\n/);
    expect(full.stdout).toContain(`\n\nSources:\n[1] ${place} · relevance `);
    expect(full.stderr).toMatch(/^1 of \d+ chunks \(the heads ranked \d+\), \d+ tokens/);
    const { sources, messages, usage, query } = JSON.parse(json.stdout);
    expect(query).toBe(QUERY);
    expect(sources).toMatchObject([{ citation: 1, line: 1, file: files.path("notes/octopus.md") }]);
    expect(sources[0].text).toContain("three hearts");
    expect(messages[1].content).toContain(`Question: ${QUERY}`);
    expect(usage.chunks).toBe(passages.length + 1);
    expect(`${JSON.parse(json.stdout).text}\n`).toBe(text.stdout);
    expect(ids.stdout).toBe(`${place}\n`);
    expect(tsv.stdout).toMatch(/^1\t\d\.\d+\t.*octopus\.md:1\tnotes\/octopus\.md · # Sea .*three hearts[^\n]*\n$/);
    expect([fromFiles.stdout, fromFiles.stderr]).toEqual([`${place}\n`, expect.stringContaining("left out")]);
  }, 120_000);

  it("says so where no chunk has a word of the question", async () => {
    const { code, stdout, stderr } = await run(["retrieve", "Xylophone?", ...cpu, "--index", index, "--quiet"]);
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toBe("qrhead: warning: no chunk of the index shares a word with the question\n");
  }, 60_000);

  it("refuses an index that is missing or damaged, and two things to look in", async () => {
    const damaged = files.path("damaged.index");
    writeFileSync(damaged, readFileSync(index));
    truncateSync(damaged, 5000);
    const [missing, cut, foreign, both, formats] = await Promise.all([
      retrieve("--index", files.path("none.index")),
      retrieve("--index", damaged),
      retrieve("--index", files.path("notes/0.md")),
      retrieve(files.path("notes"), "--index", index),
      retrieve("--index", index, "--json", "--format", "ids"),
    ]);
    expectFailure(missing, 2, "none.index does not exist: make it with qrhead index FILES --index");
    expectFailure(cut, 2, "damaged.index is damaged or cut short: remove it, and make it again with qrhead index");
    expectFailure(foreign, 2, "0.md is not an index of qrhead");
    expectFailure(both, 2, "Expected files or --index but received both");
    expectFailure(formats, 2, "--json or --format ids");
  }, 120_000);
});

describe("qrhead rerank", () => {
  const rerank = (...args: string[]) => run(["rerank", ...cpu, ...args]);
  const place = `${files.path("notes/octopus.md")}:1`;

  it("ranks the candidates of an index, for each of several questions", async () => {
    const queries = files.write("queries.jsonl", `{"id":"o","text":"${QUERY}"}\n{"id":"x","text":"Xylophone?"}\n`);
    const { stdout, code } = await rerank("--queries", queries, "--index", index, "-k", "1", "--json");
    expect(code).toBe(0);
    const [octopus, none] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(octopus).toMatchObject({ queryId: "o", results: [{ id: place, line: 1, index: 0 }] });
    expect(octopus.results[0].text).toContain("three hearts");
    expect(none).toMatchObject({ results: [], warnings: ["no chunk of the index shares a word with the question"] });
    const fused = await rerank(QUERY, "--index", index, "--fuse", "bm25:0", "-k", "1", "--format", "ids");
    expect(fused.stdout).toBe(`${place}\n`);
  }, 120_000);

  it("ranks of many passages those that BM25 chooses, with their own positions", async () => {
    const lines = [...passages, ANSWER].map((text, i) => `${JSON.stringify({ id: `p${i}`, text })}\n`);
    const notes = files.write("notes.jsonl", lines.join(""));
    const { stdout } = await rerank(QUERY, notes, "--candidates", "2", "--json");
    const { results, usage } = JSON.parse(stdout);
    expect(usage.documentTokens).toHaveLength(2);
    expect(results[0]).toMatchObject({ index: passages.length, id: `p${passages.length}`, text: ANSWER });
    expectFailure(await rerank(QUERY, notes, "--candidates", "2", "--cache", "c"), 2, "no --candidates beside --cache");
  }, 120_000);
});

describe("qrhead ask", () => {
  it("answers from an index", async () => {
    const args = ["--model", modelPath("tiny-llama"), "--max-tokens", "4", "-k", "1", "--json"];
    const { stdout, code } = await run(["ask", QUERY, ...cpu, ...args, "--index", index]);
    expect(code).toBe(0);
    const { shown, usage } = JSON.parse(stdout);
    expect(shown).toMatchObject([{ file: files.path("notes/octopus.md"), line: 1 }]);
    expect(usage.chunks).toBe(passages.length + 1);
  }, 120_000);
});
