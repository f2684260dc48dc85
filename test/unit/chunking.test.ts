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

test("a long paragraph is cut between sentences, wrapped or not", async () => {
  const sentences = ["The boat was built in a shed. ", "Nobody knew of it until May. ", "Then it rained for a week. "];
  const flat = sentences.join("").repeat(4);
  const wrapped = flat.replace(/(.{1,40}) /g, "$1\n");
  for (const text of [flat, wrapped]) {
    const chunks = await texts(text, { size: 70 });
    expect(chunks.length).toBeGreaterThan(4);
    for (const part of chunks) expect(part).toMatch(/\.\s$/);
  }
});

describe("what is left over", () => {
  test("joins the unit that it belongs to where it fits, and shares with it where it does not", async () => {
    const item = "a word ".repeat(9);
    // 63 + 63 + 3: the last three go with the second.
    expect(await texts(`${item}\n\n${item}\n\nno\n`, { size: 80 })).toEqual([`${item}\n\n`, `${item}\n\nno\n`]);
    const [first, second, ...others] = await texts("word ".repeat(17), { size: 80 });
    expect(others).toEqual([]);
    expect([first!.length, second!.length]).toEqual([40, 45]);
  });

  test("of a heading goes with the section below it", async () => {
    const text = `# A title\n\n${"One sentence. ".repeat(10)}\n`;
    const [first] = await texts(text, { by: "markdown", size: 100 });
    expect(first).toMatch(/^# A title\n\nOne sentence\./);
  });

  test("is no blank chunk, but in a text without a word", async () => {
    expect(await texts("\n\n a\n\n \n\nb\n\n", {})).toEqual(["\n\n a\n\n \n\n", "b\n\n"]);
    expect(await texts("aaaa bbbb\n\n\n\ncccc dddd", { size: 10 })).toEqual(["aaaa ", "bbbb\n\n\n\n", "cccc dddd"]);
    expect(await texts(" \n\n ", {})).toEqual([" \n\n "]);
  });

  test("makes no chunk of a few tokens in any text of words", async () => {
    const word = fc.constantFrom("a ", "word ", "sentence. ", "line\n", "end.\n\n", "# head\n\n", "- item\n", "```\n");
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 80 }), fc.constantFrom(...CHUNK_UNITS), async (parts, by) => {
        const chunks = await chunk(parts.join(""), { by, size: 64 });
        for (const part of chunks) if (chunks.length > 1) expect(part.tokens).toBeGreaterThanOrEqual(16);
      }),
    );
  });
});

test("a part of fenced code or of a table says what it is a part of", async () => {
  const fence = `\`\`\`js\n${"let a = 1;\n".repeat(8)}\`\`\`\n`;
  const table = `| a | b |\n|---|---|\n${"| 1 | 2 |\n".repeat(8)}`;
  const text = `Code:\n\n${fence}\nA table:\n\n${table}\nThe end.\n`;
  for (const { begin, end, partOf } of await chunk(text, { by: "markdown", size: 60 })) {
    const whole = [fence, table].find((one) => {
      const [from, to] = [text.indexOf(one), text.indexOf(one) + one.length - 1];
      return begin < to && end > from && !(begin <= from && end >= to);
    });
    expect(partOf && text.slice(partOf.begin, partOf.end + 1)).toBe(whole);
    if (whole === table) expect(text.slice(...partOf!.frame[0]!)).toBe("| a | b |\n|---|---|");
    if (whole === fence) expect(partOf!.frame.map((line) => text.slice(...line))).toEqual(["```js", "```"]);
  }
});

const LONG: Record<string, string> = {
  letters: "a",
  "line breaks": "\n",
  sentences: "Some words of a note. ",
  "lines without blank ones": "Some words of a note,\nand more of it. ",
  "full stops": ".",
  "list marks": "- ",
  quotes: "> ",
  emphasis: "**_a",
  brackets: "[a](",
  "opening fences": "```\n",
  "unclosed comments": "<!--\n\n",
  tables: "|a|\n|-|\n",
  names: "Ab Cd: x\n",
};

// Where the time grew with the square of the length, these took minutes.
test.each(Object.entries(LONG))("a long text of %s is no trap", { timeout: 10_000 }, async (_, unit) => {
  const text = unit.repeat(200_000 / unit.length);
  for (const by of ["markdown", "turns"] as const) await chunk(text, { by, size: 100 }, 4);
});

test("more pieces of one paragraph than a call has room for arguments are all given", async () => {
  const text = `Begin.\n\n${"a ".repeat(200_000)}\n\nEnd.`;
  const parts = await texts(text, { size: 2 });
  expect(parts.length).toBeGreaterThan(200_000);
  expect(parts.join("")).toBe(text);
}, 20_000);

test("a signal is heard while a long text is cut, and timers go on", async () => {
  const text = "Some words of a note. ".repeat(100_000);
  const controller = new AbortController();
  let turns = 0;
  const timer = setInterval(() => {
    if (++turns === 2) controller.abort(new Error("enough"));
  }, 1);
  const map = new TokenMap(text, byteTokens(text, 4));
  await expect(chunkText(text, map, { size: 100 }, controller.signal)).rejects.toThrow("enough");
  clearInterval(timer);
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
