import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CHUNK_UNITS, type ChunkOptions, chunkText } from "../../src/chunking/chunk.ts";
import { isInsidePair, TokenMap } from "../../src/chunking/token-map.ts";
import { anyText, byteTokens } from "../helpers/texts.ts";

const chunk = (text: string, options: ChunkOptions, tokenBytes = 1) =>
  chunkText(text, new TokenMap(text, byteTokens(text, tokenBytes)), options);
const texts = async (text: string, options: ChunkOptions, tokenBytes = 1) =>
  (await chunk(text, options, tokenBytes)).map((part) => part.text);

describe("any text", () => {
  const unit = fc.constantFrom(...CHUNK_UNITS);

  test("comes back from its chunks to the last character", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyText,
        unit,
        fc.option(fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 1, max: 5 }),
        async (text, by, size, bytes) => {
          const chunks = await chunk(text, { by, ...(size !== null && { size }) }, bytes);
          expect(chunks.map((part) => part.text).join("")).toBe(text);
          let end = 0;
          for (const part of chunks) {
            expect(part.begin).toBe(end);
            expect(part.end).toBeGreaterThan(part.begin);
            expect(isInsidePair(text, part.begin)).toBe(false);
            end = part.end;
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  test("has chunks no longer than asked, but for a single character", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyText,
        unit,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 5 }),
        async (text, by, size, bytes) => {
          const offsets = byteTokens(text, bytes);
          for (const part of await chunk(text, { by, size }, bytes)) {
            // Counted apart: tokens that overlap the chunk's bytes.
            const from = Buffer.byteLength(text.slice(0, part.begin));
            const to = from + Buffer.byteLength(part.text);
            let tokens = 0;
            for (let i = 0; i < offsets.length; i += 2) {
              if (offsets[i]! < to && offsets[i + 1]! > from) tokens++;
            }
            expect(part.tokens).toBe(tokens);
            if ([...part.text].length > 1) expect(tokens).toBeLessThanOrEqual(size);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  test("is covered also by chunks that overlap, which repeat no more than asked", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyText,
        unit,
        fc.integer({ min: 2, max: 30 }),
        fc.integer({ min: 1, max: 29 }),
        async (text, by, size, overlap) => {
          fc.pre(overlap < size);
          const chunks = await chunk(text, { by, size, overlap }, 2);
          let rebuilt = "";
          for (const part of chunks) {
            expect(part.begin).toBeLessThanOrEqual(rebuilt.length);
            expect(part.text).toBe(text.slice(part.begin, part.end));
            expect(isInsidePair(text, part.begin)).toBe(false);
            rebuilt += text.slice(rebuilt.length, part.end);
          }
          expect(rebuilt).toBe(text);
        },
      ),
    );
  });
});

describe("units", () => {
  test("sentences end where readers end them, in any language", async () => {
    expect(await texts("It rains. We stay in! 雨だ。帰ろう。", { by: "sentences" })).toEqual([
      "It rains. ",
      "We stay in! ",
      "雨だ。",
      "帰ろう。",
    ]);
  });

  test("paragraphs end at blank lines, whatever their line breaks", async () => {
    expect(await texts("a\nb\n\nc\r\nd\r\n \r\ne\n", { by: "paragraphs" })).toEqual([
      "a\nb\n\n",
      "c\r\nd\r\n \r\n",
      "e\n",
    ]);
  });

  test("Markdown is cut at headings first, and keeps a heading with what follows and fenced code whole", async () => {
    const text =
      "---\ntitle: x\n---\n# A\nintro\n\n## B\n```js\n# no heading\n\nlet b;\n```\n\n- one\n- two\n\n# C\nend\n";
    expect(await texts(text, { by: "markdown" })).toEqual([
      "---\ntitle: x\n---\n",
      "# A\nintro\n\n",
      "## B\n```js\n# no heading\n\nlet b;\n```\n\n- one\n- two\n\n",
      "# C\nend\n",
    ]);
    const code = (await texts(text, { by: "markdown", size: 42 })).find((part) => part.includes("let b"))!;
    expect(code).toMatch(/^## B\n```js[\s\S]*```\n\n$/);
  });

  test("conversations are cut at speakers who speak twice, and at sessions", async () => {
    const text = "Session 1\nAnn: Hi!\nBob: Hello.\nNote: they wave.\nSession 2\nAnn: Back again\nBob: So am I.\n";
    expect(await texts(text, { by: "turns" })).toEqual([
      "Session 1\n",
      "Ann: Hi!\n",
      "Bob: Hello.\nNote: they wave.\nSession 2\n",
      "Ann: Back again\n",
      "Bob: So am I.\n",
    ]);
    expect(await texts(text, { by: "sessions" })).toEqual([
      "Session 1\nAnn: Hi!\nBob: Hello.\nNote: they wave.\n",
      "Session 2\nAnn: Back again\nBob: So am I.\n",
    ]);
    expect(await texts("> a\n> b\nc\n", { by: "turns", turn: /> /g })).toEqual(["> a\n", "> b\nc\n"]);
  });

  test("code is cut before declarations, not inside them while they fit", async () => {
    const text = "import a;\n\nfunction f() {\n  x();\n\n  y();\n}\n\nfunction g() {}\n";
    expect(await texts(text, { by: "code", size: 40 })).toEqual([
      "import a;\n\n",
      "function f() {\n  x();\n\n  y();\n}\n\n",
      "function g() {}\n",
    ]);
  });

  test("neighbours are put together up to the size", async () => {
    expect(await texts("One. Two. Three. ", { by: "sentences", size: 10 })).toEqual(["One. Two. ", "Three. "]);
  });
});

test("a chunk repeats the end of the one before, from a word on", async () => {
  expect(await texts("aa bb cc dd", { by: "sentences", size: 6, overlap: 3 })).toEqual([
    "aa ",
    "aa bb ",
    "bb cc ",
    "cc dd",
  ]);
});

test("long lines of one kind of character are no trap", async () => {
  const began = performance.now();
  for (const by of CHUNK_UNITS) await chunk("a".repeat(200_000), { by, size: 100 });
  for (const by of CHUNK_UNITS) await chunk("\n".repeat(10_000), { by, size: 100 });
  expect(performance.now() - began).toBeLessThan(10_000);
});

test.each<[ChunkOptions, string]>([
  [{ by: "words" as never }, "sentences"],
  [{ size: 0 }, "at least 1"],
  [{ size: 1.5 }, "at least 1"],
  [{ size: 10, overlap: 10 }, "from 0 to 9"],
  [{ overlap: 2 }, "no size"],
])("refuses %j", async (options, expected) => {
  await expect(chunk("text", options)).rejects.toThrow(expected);
});
