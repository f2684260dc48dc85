// The persistent first stage: what it finds, what an update reads again, and what becomes of its file.
import { spawn } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it, test, vi } from "vitest";
import { Bm25Index, textOf } from "../../src/bm25/bm25.ts";
import { BOOTSTRAP_TEXT } from "../../src/detect/bootstrap-text.ts";
import { openIndex } from "../../src/index.ts";
import { estimateTokens } from "../../src/index-store/estimate-tokens.ts";
import { temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
afterAll(() => files.remove());

const passages = BOOTSTRAP_TEXT.trim().split("\n\n");
const root = path.resolve(import.meta.dirname, "..", "..");

/** A new folder with these files. */
function folderOf(name: string, contents: Record<string, string | Uint8Array>): string {
  const folder = files.path(name);
  for (const [file, content] of Object.entries(contents)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), content);
  }
  return folder;
}

/** Long enough ago that an update trusts the time. */
function settle(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) utimesSync(path.join(entry.parentPath, entry.name), 1e9, 1e9);
  }
}

describe("search", () => {
  const words = "the a keys Keys key's tower towers honey-bee U.S.A. 3.14 don't naïve 漢字 x_y 🦉 ".split(" ");
  const text = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 30 }).map((list) => `${list.join(" ")}.`);
  const record = fc.record({ text, title: fc.option(text, { nil: undefined }) });

  it("scores as the BM25 of src/bm25 does, also after documents have left", async () => {
    await fc.assert(
      fc.asyncProperty(
        ...([fc.array(record, { minLength: 2, maxLength: 40 }), text, fc.nat({ max: 100 })] as const),
        async (records, query, seed) => {
          const first = files.path("a.jsonl");
          const second = files.path("b.jsonl");
          const index = files.path("agree.index");
          rmSync(index, { force: true });
          const half = 1 + (seed % (records.length - 1));
          const lines = (list: typeof records) => list.map((one) => `${JSON.stringify(one)}\n`).join("");
          writeFileSync(first, lines(records.slice(0, half)));
          writeFileSync(second, lines(records.slice(half)));
          await using opened = await openIndex(index);
          const check = async (kept: typeof records) => {
            const reference = Bm25Index.of(kept.map((one) => textOf({ id: "", ...one } as never)));
            const expected = reference.scores(query, [...kept.keys()]).filter((score) => score > 0);
            const found = await opened.search(query, 1000);
            expect(opened.size).toBe(kept.length);
            const scores = found.map(({ score }) => score);
            expect(scores.length).toBe(expected.length);
            for (const [i, score] of expected.sort((a, b) => b - a).entries()) expect(scores[i]).toBeCloseTo(score, 9);
          };
          await opened.update([first, second]);
          await check(records);
          await opened.update([second]);
          await check(records.slice(half));
        },
      ),
      { numRuns: 20 },
    );
  }, 120_000);

  it("gives chunks with their places, the best first, and no more than asked for", async () => {
    const book = `# Bees\n\n${passages.join("\n\n")}\n`;
    const folder = folderOf("places", {
      "book.md": book,
      "n.jsonl": '\n{"id":"x","title":"T","text":"A zebra. \\u0000"}\n',
    });
    await using index = await openIndex(files.path("places.index"));
    await index.update([folder]);
    const found = await index.search("why do bees dance", 3);
    expect(found).toHaveLength(3);
    expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).sort((a, b) => b - a));
    for (const { file, begin, end, text: chunk, line, id, documentId, title } of found) {
      expect(file).toBe(path.join(folder, "book.md"));
      expect([documentId, id, title]).toEqual([file, `${file}#${begin}-${end}`, "places/book.md"]);
      expect(book.slice(begin, end)).toBe(chunk);
      expect(line).toBe(book.slice(0, begin + chunk.length - chunk.trimStart().length).split("\n").length);
    }
    const [zebra, ...others] = await index.search("zebras");
    expect(others).toEqual([]);
    expect(zebra).toMatchObject({
      documentId: `${path.join(folder, "n.jsonl")}:x`,
      title: "T",
      line: 2,
      text: "A zebra. \0",
    });
    expect(await index.search("the of, and?")).toEqual([]);
  });
});

describe("update", () => {
  it("reads what has changed, forgets what is gone, and remembers what has no text", async () => {
    const folder = folderOf("changes", {
      "a.md": "The lighthouse keeper has the keys.",
      "b/b.txt": "Rye bread needs sourdough.",
      "c.ts": "export const kettle = 1;\n",
      "empty.txt": "",
      "image.txt": new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a]),
      "node_modules/x.md": "Hidden.",
    });
    settle(folder);
    const file = files.path("changes.index");
    const left: string[] = [];
    await using index = await openIndex(file);
    expect([index.size, index.files, index.paths, await index.search("keys")]).toEqual([0, 0, [], []]);
    const first = await index.update([folder], {
      onLeftOut: ({ file: one, reason }) => left.push(`${path.basename(one)} ${reason}`),
    });
    expect(first).toEqual({ added: 3, changed: 0, removed: 0, unchanged: 0, leftOut: 2, chunks: 3 });
    expect(left).toEqual(["empty.txt is empty", expect.stringMatching(/^image\.txt is not text but a PNG image/)]);
    expect([index.size, index.files, index.paths]).toEqual([3, 3, [folder]]);

    const written = statSync(file).ino;
    expect(await index.update()).toEqual({ ...first, added: 0, unchanged: 3 });
    expect(statSync(file).ino).toBe(written);

    writeFileSync(path.join(folder, "a.md"), "The harbour master has the keys.");
    rmSync(path.join(folder, "b"), { recursive: true });
    writeFileSync(path.join(folder, "d.md"), "A heron waits.");
    // Another time and the same content.
    utimesSync(path.join(folder, "c.ts"), 1.1e9, 1.1e9);
    expect(await index.update()).toEqual({ added: 1, changed: 1, removed: 1, unchanged: 1, leftOut: 2, chunks: 3 });
    const found = async (query: string) => (await index.search(query)).map(({ text }) => text);
    expect(await found("lighthouse bread")).toEqual([]);
    expect(await found("harbour")).toEqual(["The harbour master has the keys."]);
    // Same size, and the time of a moment ago: its content decides.
    writeFileSync(path.join(folder, "d.md"), "A hedge waits.");
    expect(await index.update()).toMatchObject({ changed: 1, unchanged: 2 });
    expect(await found("hedge heron")).toEqual(["A hedge waits."]);

    await using again = await openIndex(file, { mustExist: true });
    expect((await again.search("kettle")).map(({ text }) => text)).toEqual(["export const kettle = 1;\n"]);
    expect(await index.update([path.join(folder, "d.md")])).toMatchObject({ unchanged: 1, removed: 2, chunks: 1 });
    // What was opened before stays as it was.
    expect(again.size).toBe(3);
  });

  it("cuts all files again when the size of chunks is another", async () => {
    const folder = folderOf("sizes", { "book.txt": passages.join("\n\n") });
    await using index = await openIndex(files.path("sizes.index"));
    const { chunks } = await index.update([folder]);
    const smaller = await index.update(undefined, { chunkTokens: 40 });
    expect(smaller.chunks).toBeGreaterThan(2 * chunks);
    expect(await index.update()).toMatchObject({ unchanged: 1, chunks: smaller.chunks });
  });

  it("stops when told, and leaves the index as it was", async () => {
    const folder = folderOf("stopped", { "a.md": "The keys.", "b.md": "The tower." });
    const file = files.path("stopped.index");
    await using index = await openIndex(file);
    await index.update([path.join(folder, "a.md")]);
    const before = readFileSync(file);
    const controller = new AbortController();
    const stopped = index.update([folder], {
      signal: controller.signal,
      onProgress: ({ done }) => done === 1 && controller.abort("enough"),
    });
    await expect(stopped).rejects.toBe("enough");
    expect(readFileSync(file)).toEqual(before);
    expect([index.size, (await index.search("tower")).length]).toEqual([1, 0]);
    expect(readdirSync(files.folder).filter((name) => /partial|lock/.test(name))).toEqual([]);
  });

  it("says so where there is no folder for temporary files", async () => {
    const missing = files.path("missing");
    for (const name of ["TMPDIR", "TEMP", "TMP"]) vi.stubEnv(name, missing);
    const opened = openIndex(files.path("one.index"));
    await expect(opened).rejects.toMatchObject({ code: "INVALID_INPUT", name: "InputError" });
    await expect(opened).rejects.toThrow(`Temporary files cannot be written to ${missing}: there is no such folder`);
    await expect(opened).rejects.toThrow("set TMPDIR");
    vi.unstubAllEnvs();
  });

  it("refuses what it cannot do, by name", async () => {
    const file = files.path("none.index");
    const invalid = { code: "INVALID_ARGUMENT", name: "InputError" };
    await expect(openIndex("")).rejects.toMatchObject({ ...invalid, option: "file" });
    await expect(openIndex(file, { create: true } as never)).rejects.toThrow("Unknown option create");
    await expect(openIndex(file, { mustExist: true })).rejects.toMatchObject({ code: "INVALID_INPUT" });
    const index = await openIndex(file);
    await expect(index.update([])).rejects.toMatchObject({ ...invalid, option: "paths" });
    await expect(index.update(undefined)).rejects.toThrow("The index has no files yet: pass files or folders");
    await expect(index.update([files.path("nowhere")])).rejects.toThrow("does not exist");
    await expect(index.update(["x"], { chunkTokens: 4 })).rejects.toMatchObject({ ...invalid, option: "chunkTokens" });
    await expect(index.search("q", 0)).rejects.toMatchObject({ ...invalid, option: "n" });
    await expect(index.search(1 as never)).rejects.toMatchObject({ ...invalid, option: "query" });
    await index.close();
    await index.close();
    await expect(index.search("q")).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(index.update(["x"])).rejects.toMatchObject({ code: "DISPOSED" });
    expect(readdirSync(files.folder)).not.toContain("none.index");
  });
});

describe("a file", () => {
  const whole = files.path("whole.index");
  const damages: [string, (file: string) => void, RegExp][] = [
    ["cut short", (file) => truncateSync(file, statSync(file).size - 100), /is damaged or cut short/],
    ["empty", (file) => truncateSync(file, 0), /is not an index of qrhead/],
    ["cut in its preamble", (file) => truncateSync(file, 10), /is damaged or cut short/],
    ["longer", (file) => appendFileSync(file, "x"), /is damaged or cut short/],
    ["of a text", (file) => writeFileSync(file, "Notes about an index.\n"), /is not an index of qrhead/],
    ["with a changed bit", (file) => flip(file, statSync(file).size >> 1), /is damaged or cut short/],
    ["of a newer version", (file) => flip(file, 9), /has format version 257: this qrhead reads 1: update qrhead/],
  ];

  test.each(damages)("%s is an error, and stays", async (name, damage, message) => {
    const folder = folderOf("damages", { "a.md": "The lighthouse keeper has the keys." });
    await using index = await openIndex(whole);
    await index.update([folder]);
    const file = files.path(`${name}.index`);
    copyFileSync(whole, file);
    damage(file);
    const bytes = readFileSync(file);
    await expect(openIndex(file)).rejects.toMatchObject({ code: "INDEX_INVALID", name: "InputError" });
    await expect(openIndex(file)).rejects.toThrow(message);
    copyFileSync(whole, file);
    await using opened = await openIndex(file);
    writeFileSync(file, bytes);
    await expect(opened.update([folder])).rejects.toMatchObject({ code: "INDEX_INVALID" });
    expect(readFileSync(file)).toEqual(bytes);
    expect((await opened.search("keys")).length).toBe(1);
  });

  test("that is a folder, or in a folder that does not exist, is an error with advice", async () => {
    await expect(openIndex(files.folder)).rejects.toThrow("is a folder or a device: pass the file of an index");
    for (const file of [files.path("nowhere/notes.index"), path.join(whole, "notes.index")]) {
      const problem = { code: "INVALID_INPUT", option: "file", expected: "a path in a folder that exists" };
      await expect(openIndex(file)).rejects.toMatchObject({ ...problem, advice: "make the folder first" });
    }
  });
});

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  writeFileSync(file, bytes);
}

describe.skipIf(process.platform === "win32")("a process that is killed in an update", () => {
  const folder = folderOf("killed", Object.fromEntries(passages.map((text, i) => [`${i}.md`, text])));
  const script = (index: string, when: string) => `
    import { openIndex } from ${JSON.stringify(path.join(root, "src", "index-store", "chunk-index.ts"))};
    import { readdirSync } from "node:fs";
    const end = () => process.kill(process.pid, "SIGKILL");
    const index = await openIndex(${JSON.stringify(index)});
    const total = ${passages.length};
    if (${JSON.stringify(when)} === "writing") {
      const { Hash } = await import("node:crypto");
      const update = Hash.prototype.digest;
      Hash.prototype.digest = function (...args) {
        if (readdirSync(${JSON.stringify(files.folder)}).some((name) => name.includes(".partial"))) end();
        return update.apply(this, args);
      };
    }
    await index.update([${JSON.stringify(folder)}], {
      onProgress: ({ done }) => done === { first: 0, middle: total >> 1, last: total }[${JSON.stringify(when)}] && end(),
    });`;

  test.each(["first", "middle", "last", "writing"])("leaves the old index whole (%s)", async (when) => {
    const index = files.path(`killed-${when}.index`);
    await using opened = await openIndex(index);
    await opened.update([path.join(folder, "0.md")]);
    const before = readFileSync(index);
    const temporary = files.path(`tmp-${when}`);
    mkdirSync(temporary);
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script(index, when)], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, TMPDIR: temporary },
    });
    const signal = await new Promise((resolve) => child.once("close", (_, name) => resolve(name)));
    expect(signal).toBe("SIGKILL");
    expect(readFileSync(index)).toEqual(before);
    expect(readdirSync(temporary).filter((name) => name.startsWith("qrhead"))).toEqual([]);
    expect(await opened.update([folder])).toMatchObject({ unchanged: 1, added: passages.length - 1 });
    expect(readdirSync(files.folder).filter((name) => /partial|lock$/.test(name))).toEqual([]);
  });
});

test("estimated tokens stand side by side and cover the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const offsets = estimateTokens(text);
      let byte = 0;
      for (let i = 0; i < offsets.length; i += 2) {
        expect(offsets[i]).toBe(byte);
        byte = offsets[i + 1]!;
      }
      expect(byte).toBe(Buffer.byteLength(text));
    }),
  );
});
