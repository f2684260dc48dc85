import { existsSync, readdirSync, readFileSync } from "node:fs";
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
    expect(table.stderr).toMatch(/ tokens in \d windows? \(/);
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

  it("keeps the speakers named, from standard input, and nothing of front matter when told so", async () => {
    const chat =
      "system: Be kind.\nNote: answer in French.\nAnn: Honey is made by bees.\nBob: Granite is a rock.\nAnn: Yes.\n";
    const page = files.write("page.md", `---\ntitle: Rent\n---\n\n${lines.join("\n\n")}\n`);
    const [kept, gone] = await Promise.all([
      run(["prune", ...QUERY, ...QUIET, "--top-k", "1", "--keep-speaker", "Bob", "--keep-speaker", "Alicia", "-"], {
        input: chat,
      }),
      run(["prune", ...QUERY, "--relative", "0.99", "--no-keep-front-matter", ...QUIET, page]),
    ]);
    expect(kept.stdout).toContain("Bob: Granite is a rock.");
    expect(kept.stderr).toMatch(/warning: "Alicia" never speaks.*: the speakers are .*Bob/);
    expect(gone.stdout.replaceAll("[…]", "").trim()).toBe(lines[2]);
  }, 180_000);

  it("asks, streams and lists its sources", async () => {
    const args = ["ask", "--model", modelPath("tiny-llama"), ...QUERY, "--max-tokens", "4", "--context-size", "512"];
    const { code, stdout, stderr } = await run([...args, ...QUIET, text]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\n(Sources:|Shown to the model; .*)\n\[1\] .*notes\.txt:1 · relevance \d\.\d\d\n$/);
    expect(stderr).toMatch(/1 of 1 chunk,/);
  }, 180_000);

  it("writes a page to look at", async () => {
    const page = files.path("why.html");
    const done = await run(["inspect", ...QUERY, "--docs", docs, "-o", page, ...QUIET]);
    expect(done.code).toBe(0);
    expect(readFileSync(page, "utf8")).toMatch(/^<!doctype html>[\s\S]*<article>[\s\S]*<\/html>\n$/);
    expectFailure(await run(["inspect", ...QUERY, "--docs", docs, "-o", page]), 2, page, "--force");
  });

  it("prints what the page shows for programs, and needs one of both", async () => {
    const { stdout, stderr, code } = await run(["inspect", ...QUERY, "--docs", docs, "--json", ...QUIET]);
    expect([stderr, code]).toEqual(["", 0]);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ model: { layers: expect.any(Number) }, headSet: expect.any(String), warnings: [] });
    const [all] = found.heads;
    expect(all.name).toBe("all");
    expect(found.heads.length).toBeGreaterThan(1);
    const tokens = found.documents.map(({ tokens }: { tokens: string[] }) => tokens.length);
    expect(all.calibrated.map(({ length }: number[]) => length)).toEqual(tokens);
    expectFailure(await run(["inspect", ...QUERY, "--docs", docs]), 2, "--output", "--json");
  });

  it("refuses what it cannot do, in one line", async () => {
    const empty = files.write("empty.txt", " \n");
    const model = ["--model", modelPath("tiny-llama")];
    const [missing, blank, noModel, unread, windows] = await Promise.all([
      run(["prune", ...QUERY, "--top-k", "1", files.path("none.txt")]),
      run(["prune", ...QUERY, "--top-k", "1", empty]),
      run(["ask", ...QUERY, text]),
      run(["ask", ...model, ...QUERY, empty]),
      run(["rerank", ...QUERY, "--docs", docs, "--windows", "never", "--merge", "sliding"]),
    ]);
    expectFailure(missing, 2, "none.txt", "does not exist");
    expectFailure(blank, 2, "empty");
    expectFailure(noModel, 2, "--model");
    expectFailure(unread, 2, empty, "is empty");
    expectFailure(windows, 2, "--windows");
  });
});

describe("ask from what is kept", () => {
  const ask = (extra: string[]) =>
    run([
      ...["ask", "--model", modelPath("tiny-llama"), "--max-tokens", "4", "--context-size", "512"],
      ...["--chunk-size", "8", "--json", ...QUIET, ...extra],
    ]);
  const sourcesOf = (stdout: string) => JSON.parse(stdout).sources;
  // A line a minute tells how far a run is, on a machine that is that slow.
  const notes = (stderr: string) => stderr.replace(/^[A-Z].* \d+%\n/gm, "");

  it("reads files once, and again when they or their chunks have changed", async () => {
    const [cache, file] = [files.path("notes.corpus"), files.write("kept.txt", lines.join(" "))];
    const args = [...QUERY, "--cache", cache];
    const made = await ask([...args, file]);
    expect([made.code, notes(made.stderr)]).toEqual([0, ""]);
    const bytes = readFileSync(cache);
    const uncached = await ask([...QUERY, "--layout", "independent", file]);
    const again = await ask([...args, file]);
    const alone = await ask(args);
    for (const result of [uncached, again]) expect(sourcesOf(result.stdout)).toEqual(sourcesOf(made.stdout));
    // A cache does not know where its files are.
    const places = sourcesOf(made.stdout).map(({ file, ...place }: { file: string }) => {
      expect(file).toMatch(/kept\.txt$/);
      return place;
    });
    expect(sourcesOf(alone.stdout)).toEqual(places);
    for (const { document, documentId, begin, end } of sourcesOf(alone.stdout)) {
      expect([document, documentId]).toEqual([0, "kept.txt"]);
      expect(lines.join(" ").slice(begin, end).trim()).not.toBe("");
    }
    expect(readFileSync(cache).equals(bytes)).toBe(true);
    const cut = await ask([...args, "--chunk-size", "16", file]);
    expect(notes(cut.stderr)).toMatch(/^qrhead: making .*notes\.corpus again: the documents have changed\n$/);
    files.write("kept.txt", `${lines.join(" ")} Salt is mined.`);
    expect((await ask([...args, "--chunk-size", "16", file])).stderr).toContain("the documents have changed");
    expect(notes((await ask([...args, "--chunk-size", "16", file])).stderr)).toBe("");
  }, 180_000);

  it("does not touch what is no corpus, and leaves nothing of a failure", async () => {
    const [foreign, none, model, layout] = await Promise.all([
      ask([...QUERY, "--cache", docs, text]),
      ask([...QUERY, "--cache", files.path("none.corpus")]),
      ask([...QUERY, "--cache", files.path("none.corpus"), "--model", files.path("none.gguf"), text]),
      ask([...QUERY, "--cache", files.path("none.corpus"), "--layout", "listwise", text]),
    ]);
    expectFailure(foreign, 2, docs, "not a saved corpus");
    expectFailure(none, 2, "none.corpus", "pass the files");
    expectFailure(model, 2, "none.gguf");
    expectFailure(layout, 2, "--layout");
    expect(readFileSync(docs, "utf8")).toBe(lines.join("\n"));
    expect(readdirSync(files.folder).filter((name) => /none|partial/.test(name))).toEqual([]);
  }, 180_000);

  // Windows has no signals.
  it.skipIf(process.platform === "win32")(
    "ends in order when it is interrupted while it answers",
    async () => {
      const cache = files.path("interrupted.corpus");
      const args = ["ask", "--model", modelPath("tiny-llama"), "--max-tokens", "3000", ...QUERY, "--cache", cache];
      const { code, stderr } = await run([...args, ...QUIET, files.write("interrupted.txt", lines.join(" "))], {
        onSpawn: (child) => child.stdout.once("data", () => child.kill("SIGINT")),
      });
      expect([code, stderr]).toEqual([130, "qrhead: interrupted\n"]);
      expect(existsSync(cache)).toBe(true);
    },
    60_000,
  );
});
