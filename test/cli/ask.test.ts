// `qrhead ask`: which files it takes, what it refuses to generate with, and how it names its sources.
import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGenerator } from "../../src/eval/answer/generator.ts";
import { rankGpt } from "../../src/eval/methods/rankgpt.ts";
import { QRRetriever } from "../../src/index.ts";
import { slimModel } from "../../src/model/slim.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
const QUERY = "Who makes honey?";
const HONEY = "Honey is made by bees from nectar.";
const ask = (args: string[], model = modelPath("tiny-llama")) =>
  run(["ask", "--model", model, "--query", QUERY, "--threads", "1", "--max-tokens", "4", ...args]);

beforeAll(() => {
  for (const folder of ["site/a", "site/b", "site/.git", "site/node_modules/x"])
    mkdirSync(files.path(folder), { recursive: true });
  const contents: Record<string, string | Uint8Array> = {
    "site/a/README.md": `# Bees\n\nThe sky is blue.\n\n${HONEY}\n`,
    "site/b/README.md": "# Stone\n\nGranite is an old and hard rock.\n",
    "site/a/n.jsonl": '{"id": 1, "text": "Cats sleep all day long."}\n',
    "site/b/n.jsonl": '{"id": 1, "text": "Tea is a drink."}\n',
    "site/package.json": '{\n  "name": "honey"\n}\n',
    "site/__init__.py": "",
    "site/logo.png": new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0]),
    "site/paper.pdf": "%PDF-1.4\nall ASCII\n",
    "site/old.txt": Buffer.from("Caf\u00e9\n", "latin1"),
    "site/.git/HEAD": HONEY,
    "site/node_modules/x/index.js": HONEY,
  };
  for (const [name, content] of Object.entries(contents)) writeFileSync(files.path(name), content);
});
afterAll(() => files.remove());

describe.concurrent("files", () => {
  it("are taken from folders, told apart by path, left out with a word where they are no text, and named as sources", async () => {
    const given = [files.path("site"), files.path("site/a/README.md")];
    const { code, stdout, stderr } = await ask([...given, "--chunk-size", "8", "--json"]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/left out .*__init__\.py: is empty/);
    expect(stderr).toMatch(/left out .*logo\.png: is not text but a PNG image/);
    expect(stderr).toMatch(/left out .*old\.txt: line 1 is not valid UTF-8/);
    expect(stderr).toMatch(/left out .*paper\.pdf: is not text but a PDF: extract its text first/);
    const { sources, shown, cites, usage, warnings } = JSON.parse(stdout);
    const first = shown.find(({ text }: { text: string }) => text.includes("bees"));
    expect(first).toMatchObject({ file: files.path("site/a/README.md"), line: 5, score: expect.any(Number) });
    expect(first.documentId).toMatch(/site\/a\/README\.md$/);
    expect(shown.length).toBeLessThanOrEqual(5);
    for (const { score, file } of shown) {
      expect(score).toBeGreaterThan(0);
      expect(file).not.toMatch(/node_modules|\.git/);
    }
    expect(usage.irrelevantChunks).toBeGreaterThan(0);
    if (!cites) expect(sources).toHaveLength(shown.length);
    expect(warnings).toEqual([]);
  }, 180_000);

  it("are refused where none has text, or one that was named is in another encoding", async () => {
    const [binary, latin1, pdf] = await Promise.all([
      ask([files.path("site/logo.png"), files.path("site/__init__.py")]),
      ask([files.path("site/a/README.md"), files.path("site/old.txt")]),
      ask([files.path("site/paper.pdf")]),
    ]);
    expectFailure(binary, 2, "logo.png is not text but a PNG image", "and the other has none either");
    expectFailure(latin1, 2, "old.txt, line 1 is not valid UTF-8");
    expectFailure(pdf, 2, "paper.pdf is not text but a PDF");
  }, 180_000);
});

describe("a model that answers", () => {
  it("must be able to write", async () => {
    const slim = files.path("slim.gguf");
    await slimModel({
      ...{ load: QRRetriever.load, model: modelPath("tiny-llama"), heads: "1-0", output: slim, verify: false },
    });
    const notes = files.path("site/a/README.md");
    const cache = ["--cache", files.path("none.corpus")];
    const [slimmed, cached, encoder, pooled] = await Promise.all([
      ask([notes], slim),
      ask([notes, ...cache], slim),
      ask([notes], modelPath("tiny-bert")),
      ask([notes], modelPath("tiny-llama-pooled")),
    ]);
    for (const one of [slimmed, cached]) {
      expectFailure(one, 2, "Model slim.gguf is slim and cannot write: use the whole model");
    }
    // Measuring answers, and ranking by writing numbers, are no other.
    const context = { load: { gpu: false as const }, signal: undefined };
    const same = "Model slim.gguf is slim and cannot write: use the whole model";
    await expect(openGenerator(slim, context)).rejects.toThrow(same);
    await expect(rankGpt(slim, "r", "rankgpt").open(context)).rejects.toThrow(same);
    expectFailure(encoder, 1, "tiny-bert.gguf (bert) is an encoder and writes no text");
    expectFailure(pooled, 1, "tiny-llama-pooled.gguf (llama) makes embeddings or scores");
  }, 180_000);

  it("is asked in plain text without a chat template, for one line, and named as a base model", async () => {
    const { code, stdout, stderr } = await ask(
      [files.path("site/a/README.md"), "--max-tokens", "64", "--temperature", "0.7", "--repeat-penalty", "1.2"],
      modelPath("tiny-llama-spm"),
    );
    expect(code).toBe(0);
    expect(stderr).toContain("tiny-llama-spm.gguf has no chat template and is probably a base model");
    const [answer, sources] = stdout.split(/\n\n(?=Sources|Shown)/);
    expect(answer!.trimEnd()).not.toContain("\n");
    expect(sources).toMatch(/^\[1\] .*site[\\/]a[\\/]README\.md:1 · relevance \d\.\d\d$/m);
  }, 180_000);

  it("is not asked where no chunk reaches the threshold", async () => {
    const notes = files.path("site/a/README.md");
    const [none, wrong] = await Promise.all([ask([notes, "--threshold", "1"]), ask([notes, "--threshold", "2"])]);
    expect(none.code).toBe(0);
    expect(none.stdout).toBe("Nothing relevant was found.\n");
    expect(none.stderr).toContain("1 below the threshold");
    expectFailure(wrong, 2, "--threshold", "a number from 0 to 1", "2");
  }, 180_000);

  it("takes a temperature and a penalty within bounds", async () => {
    const notes = files.path("site/a/README.md");
    const [hot, low] = await Promise.all([ask([notes, "--temperature", "hot"]), ask([notes, "--repeat-penalty", "0"])]);
    expectFailure(hot, 2, "--temperature", "a number from 0 to 10");
    expectFailure(low, 2, "--repeat-penalty", "a number from 1 to 10");
  }, 180_000);
});
