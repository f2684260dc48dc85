// What files, folders and patterns become documents, and which arguments are the question.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { askedOf } from "../../src/cli/query.ts";
import { cutSources, readSources, type SourceFlags, warnOfLeftOut } from "../../src/cli/sources.ts";
import { temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
const { signal } = new AbortController();
const read = (paths: string[], flags: SourceFlags = {}) => readSources(paths.map(files.path), flags, signal);

beforeAll(() => {
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  mkdirSync(files.path("notes/deep"), { recursive: true });
  const contents = {
    "one.jsonl": '{"text": "first"}\n\n{"id": "own", "title": "T", "text": "second"}\n',
    "two.jsonl": '{"text": "third"}\n{"id": "own", "text": "fourth"}\n',
    "lines.txt": "alpha\n\nbeta\n",
    "notes/a.md": "# Bees\n\nHoney is made by bees.\n",
    "notes/deep/b.md": "# Stone\n\nGranite is a rock.\n",
    "notes/c.txt": "gamma\n",
    "notes/logo.png": "\u0089PNG\r\n\u001a\n",
    "notes/settings.json": '{"name": "x"}',
  };
  for (const [name, content] of Object.entries(contents)) writeFileSync(files.path(name), content, "latin1");
});
afterAll(() => {
  vi.restoreAllMocks();
  files.remove();
});

describe("a documents file", () => {
  it("alone keeps its ids, the 0-based index where there is none", async () => {
    expect(await read(["one.jsonl"])).toEqual([
      { id: "0", text: "first" },
      { id: "own", title: "T", text: "second" },
    ]);
    expect((await read(["lines.txt"])).map(({ id, text }) => [id, text])).toEqual([
      ["0", "alpha"],
      ["1", "beta"],
    ]);
  });

  it("beside others has places as ids, where it has none of its own that is the only one", async () => {
    const found = await read(["one.jsonl", "two.jsonl", "lines.txt"]);
    const place = (name: string, line: number) => `${files.path(name)}:${line}`;
    expect(found.map(({ id }) => id)).toEqual([
      place("one.jsonl", 1),
      place("one.jsonl", 3),
      place("two.jsonl", 1),
      place("two.jsonl", 2),
      place("lines.txt", 1),
      place("lines.txt", 3),
    ]);
  });

  it("named twice, or by a pattern too, is read once", async () => {
    const found = await readSources([files.path("one.jsonl"), `${files.folder}/*.jsonl`], {}, signal);
    expect(found.map(({ text }) => text)).toEqual(["first", "second", "third", "fourth"]);
  });
});

describe("a folder and a pattern", () => {
  it("give the same files, Markdown to be cut, plain text by lines, and leave out what is no text", async () => {
    const folder = await read(["notes"]);
    const pattern = await readSources([`${files.folder}/notes/**/*.{md,txt}`], {}, signal);
    const seen = (found: typeof folder) => found.map(({ file, cut, text }) => [path.basename(file!), cut, text]).sort();
    expect(seen(folder)).toEqual([
      ["a.md", "markdown", "# Bees\n\nHoney is made by bees.\n"],
      ["b.md", "markdown", "# Stone\n\nGranite is a rock.\n"],
      ["c.txt", undefined, "gamma"],
    ]);
    expect(seen(pattern)).toEqual(seen(folder));
  });

  it("are documents whole, or line by line, where --split says so", async () => {
    expect(await read(["notes/a.md"], { split: "whole" })).toMatchObject([{ title: "a.md" }]);
    expect((await read(["notes/a.md"], { split: "lines" })).map(({ text }) => text)).toEqual([
      "# Bees",
      "Honey is made by bees.",
    ]);
  });

  it("fail where nothing is found, or one that was named is no text", async () => {
    await expect(readSources([`${files.folder}/*.none`], {}, signal)).rejects.toThrow(/No file matches .*\*\.none/);
    await expect(read(["notes/logo.png"])).rejects.toThrow(/logo\.png is not text but a PNG image/);
    await expect(read(["nowhere"])).rejects.toThrow(/File or folder .*nowhere does not exist/);
  });

  it("say of each file that is left out why, in a sentence", async () => {
    mkdirSync(files.path("odd"));
    for (const [name, content] of Object.entries({ "a.jsonl": '{"name": 1}\n', "b.md": "Text.", "c.md": "" })) {
      writeFileSync(files.path(`odd/${name}`), content);
    }
    writeFileSync(files.path("odd/d.md"), Buffer.from([0xff, 0xfe, 0x00, 0x01]));
    const write = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const warnings = () => write.mock.calls.map(([line]) => String(line).replaceAll(files.folder, ""));
    expect((await read(["odd"])).map(({ text }) => text)).toEqual(["Text.", "\uFEFF\u0100"]);
    expect(warnings()[0]).toMatch(/^qrhead: warning: left out \/odd\/a\.jsonl: line 1 has no "text"/);
    expect(warnings()[1]).toBe("qrhead: warning: left out /odd/c.md: is empty\n");
    rmSync(files.path("odd/b.md"));
    rmSync(files.path("odd/d.md"));
    await expect(read(["odd"])).rejects.toThrow(/^Expected documents but .*a\.jsonl, line 1 has no "text"/);
    const many = Array.from({ length: 6 }, (_, index) => ({ file: `${index}`, reason: "is empty" }));
    warnOfLeftOut(many);
    expect(warnings().at(-1)).toBe("qrhead: warning: left out 1 more file\n");
  });

  it("become chunks that are named FILE:LINE", async () => {
    const chunker = {
      chunk: async (text: string) => {
        const at = text.indexOf("Honey");
        return [
          { begin: 0, end: at, text: text.slice(0, at), tokens: 2 },
          { begin: at, end: text.length, text: text.slice(at), tokens: 5 },
        ];
      },
    };
    const cut = await cutSources(chunker, await read(["notes/a.md"]), { signal });
    const file = files.path("notes/a.md");
    expect(cut.map(({ id, line, text }) => [id, line, text.trim()])).toEqual([
      [`${file}:1`, 1, "# Bees"],
      [`${file}:3`, 3, "Honey is made by bees."],
    ]);
  });
});

describe("the question", () => {
  it("is the first argument, unless a flag has it", () => {
    expect(askedOf(["why?", "a", "b"], {})).toEqual({ query: "why?", files: ["a", "b"] });
    expect(askedOf(["a", "b"], { query: "why?" })).toEqual({ files: ["a", "b"] });
    expect(askedOf(["a"], { queryFile: "q.txt", docs: ["d"] })).toEqual({ files: ["a", "d"] });
    for (const kept of [{ cache: "c" }, { index: "i" }]) {
      expect(askedOf(["why?"], kept)).toEqual({ query: "why?", files: [] });
    }
  });

  it("has an index in place of files or a cache, not beside them", () => {
    expect(() => askedOf(["why?", "a"], { index: "i" })).toThrow("files or --index but received both --index and a");
    expect(() => askedOf(["why?"], { index: "i", cache: "c" })).toThrow("both --index and --cache");
  });

  it("and the files cannot both be standard input", () => {
    expect(() => askedOf(["-"], { queryFile: "-" })).toThrow(/--query-file or for the files/);
    expect(() => askedOf(["q", "-", "-"], {})).toThrow(/a second file/);
  });
});
