import fc from "fast-check";
import { fromMarkdown } from "mdast-util-from-markdown";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import type { PruneOptions } from "../../src/pruning/options.ts";
import { prune } from "../../src/pruning/prune.ts";
import { attendingTo, tokensOf } from "../helpers/attention.ts";

const repeated = (count: number, line: (index: number) => string) => Array.from({ length: count }, (_, i) => line(i));

test("a sentence counts with its passage: a short one of another passage does not come before it", async () => {
  const documents = ["Anna owns the ferry today. It leaves at nine in summer.", "Yes. There is bread at night."];
  const host = attendingTo({ ferry: 4, "Yes.": 1 });
  const { text } = await prune(host, "When does the ferry leave?", documents, { topK: 2 });
  expect(text).toBe(documents[0]);
  const { documents: all } = await prune(host, "When does the ferry leave?", documents, { topK: 9 });
  // The price of the passage, and the sentence's difference from its mean over 512 tokens more than it has.
  const passage = 8 / tokensOf(`[1] ${documents[0]}`).length;
  const mean = 8 / tokensOf(`[1] ${documents[0]}`).slice(1).length;
  expect(all[0]!.kept.map(({ score }) => score)).toEqual([
    expect.closeTo(passage + (8 - 6 * mean) / (6 + 512), 12),
    expect.closeTo(passage - (8 * mean) / (8 + 512), 12),
  ]);
});

describe("the unit that nobody chose", () => {
  const turn = (index: number) => `Anna: I saw it. It was number ${index}.`;
  const long = (index: number) => repeated(12, (i) => `Sentence ${i} of paragraph ${index} has these words.`).join(" ");
  const host = attendingTo({ "number 7": 5, "paragraph 7": 5 });
  const keep = (documents: string[], options: Partial<PruneOptions> = {}) =>
    prune(host, "Which one?", documents, { topK: 1, ...options } as PruneOptions);

  test("is the turn where the texts are many short ones", async () => {
    const { unit, text } = await keep(repeated(20, turn));
    expect({ unit, text }).toEqual({ unit: "chunk", text: turn(7) });
    const asked = await keep(repeated(20, turn), { unit: "sentence" });
    expect(asked.unit).toBe("sentence");
    expect(asked.text.length).toBeLessThan(turn(7).length);
  });

  test("is the sentence in longer texts, and where there are few", async () => {
    expect((await keep(repeated(20, long))).unit).toBe("sentence");
    expect((await keep(repeated(9, turn))).unit).toBe("sentence");
  });
});

describe("a unit that is larger than the budget", () => {
  const ANSWER = "31-March";
  const cases: [string, string][] = [
    [
      "a transcript in small letters",
      `${repeated(20, (i) => `so number ${i} was there and we went on`).join(" ")} and the lease ends on 31-March he said ${repeated(20, (i) => `then ${i} came and left`).join(" ")}`,
    ],
    ["Thai", `${"วันนี้อากาศดีมากและเราไปเดินเล่นที่ตลาด".repeat(6)}31-March${"เขาชอบกินข้าวผัดกับไข่ดาวทุกเช้า".repeat(6)}`],
    [
      "minified JSON",
      JSON.stringify({
        a: Array.from({ length: 30 }, (_, id) => ({ id })),
        lease: { end: "31-March" },
        b: Array.from({ length: 30 }, (_, k) => ({ k })),
      }),
    ],
    [
      "minified source",
      `${"function a(b){return b+1}".repeat(12)}var e="31-March";${"var q=[1,2,3].map(a);".repeat(12)}`,
    ],
    [
      "a row of a table",
      `| a | b |\n| - | - |\n| lease | ${repeated(40, (i) => `word${i}`).join(" ")} ends on 31-March ${repeated(30, (i) => `more${i}`).join(" ")} |\n`,
    ],
    [
      "a list of clauses",
      `It lists ${repeated(30, (i) => `item ${i} of the room`).join("; ")}; the lease ends on 31-March; ${repeated(30, (i) => `thing ${i}`).join("; ")}`,
    ],
    [
      "an address",
      `https://example.org/${repeated(40, (i) => `part${i}`).join("/")}?end=31-March&${repeated(40, (i) => `q${i}=v`).join("&")}`,
    ],
  ];

  test.each(cases)("is cut where attention falls: %s", async (_, text) => {
    const host = attendingTo({ [ANSWER]: 9 });
    for (const unit of ["sentence", "chunk"] as const) {
      for (const budgetTokens of [12, 25, 50]) {
        const { text: short, usage, warnings, documents } = await prune(host, "q", text, { budgetTokens, unit });
        expect(usage.tokens).toBeLessThanOrEqual(budgetTokens);
        expect(usage.tokens).toBeGreaterThanOrEqual(budgetTokens / 2);
        expect(short).toContain(ANSWER);
        expect(documents[0]!.text).toBe(short);
        for (const { begin, end } of documents[0]!.kept) expect(short).toContain(text.slice(begin, end));
        for (const piece of short.split("[…] ")) expect(text).toContain(piece);
        const [, enough] = /a budget of at least (\d+) for the whole (?:sentence|chunk)/.exec(warnings.join()) ?? [];
        const whole = await prune(host, "q", text, { budgetTokens: Number(enough), unit });
        expect(whole.warnings).toEqual([]);
        expect(whole.text).toContain(ANSWER);
      }
    }
  });

  test("leaves at least a word, or the call fails and says what would do", async () => {
    const call = prune(attendingTo({ [ANSWER]: 9 }), "q", cases[0]![1], { budgetTokens: 1 });
    await expect(call).rejects.toBeInstanceOf(InputError);
    await expect(call).rejects.toThrow(/^Not even a word .* the budget of 1 token: use a budget of at least \d+/);
  });

  test("leaves what is protected, with a warning, where there is no room beside it", async () => {
    const text = `<k>keep</k>\n\n${"word".repeat(100)}`;
    const protect = { markers: ["<k>", "</k>"] as [string, string] };
    const options = { budgetTokens: 5, protect, marker: "<!-- left out -->" };
    const { text: short, warnings } = await prune(attendingTo({ word: 9 }), "q", text, { ...options, budgetTokens: 8 });
    expect(short).toBe("<k>keep</k>\n\n<!-- left out -->");
    expect(warnings).toEqual([
      expect.stringMatching(/no room for the best sentence beside the protected text: use a budget of at least \d+/),
    ]);
    await expect(prune(attendingTo({ word: 9 }), "q", text, options)).rejects.toThrow(
      "The protected text has 8 tokens",
    );
  });
});

test.each<[PruneOptions, string[], RegExp | undefined]>([
  [{ threshold: 50 }, [], /^No sentence reaches the threshold of 50: the best has \d/],
  [{ relative: 1 }, ["The ferry leaves at nine."], undefined],
  [{ relative: 0.5 }, ["The ferry leaves at nine.", "A ferry is a ship."], undefined],
  [{ relative: 0.5, topK: 1 }, ["The ferry leaves at nine."], undefined],
  [{ relative: 0.5, budgetTokens: 40 }, ["The ferry leaves at nine.", "A ferry is a ship."], undefined],
])("%j keeps %j", async (options, expected, warning) => {
  const given = [
    "The ferry leaves at nine.",
    "Nobody knows the town.",
    "Bread is baked at night.",
    "A ferry is a ship.",
  ];
  const host = attendingTo({ "ferry leaves at": 9, "A ferry": 9 });
  const { documents, text, warnings } = await prune(host, "q", given, options);
  const kept = documents.flatMap(({ index, kept }) => kept.map(({ begin, end }) => given[index]!.slice(begin, end)));
  expect(kept).toEqual(expected);
  expect(warnings).toEqual(warning ? [expect.stringMatching(warning)] : []);
  // A text of which nothing stays is empty, by itself and among the others.
  expect(text).toBe(documents.flatMap((one) => one.text || []).join("\n\n"));
});

describe("structure", () => {
  const GUIDE = [
    "# Guide\n\nInstall the tool.\nThen run it.\n\n",
    "```sh\n# fetch\ncurl -L https://example.org/tool.tar.gz -o tool.tar.gz\n\nmake && make install\n```\n\n",
    "Ports:\n\n| port | use |\n| ---- | --- |\n| 8080 | web |\n| 8443 | safe web |\n| 9090 | admin |\n\n",
    '1. First step. It is long.\n2. Second step.\n\n~~~json\n{\n  "tls": { "cert": "a.pem" },\n  "log": "info"\n}\n~~~\n\nThe end.\n',
  ].join("");
  const words = ["fetch", "curl", "make", "8443", "admin", "tls", "log", "Second", "The end", "Install", "Guide"];

  test("stays well-formed whatever is kept: fences in pairs, rows under their header, blocks at the beginning of a line", async () => {
    const choice = fc.record({
      attended: fc.subarray(words, { minLength: 1, maxLength: 3 }),
      limit: fc.oneof(
        fc.record({ topK: fc.integer({ min: 1, max: 6 }) }),
        fc.record({ budgetTokens: fc.integer({ min: 25, max: 110 }) }),
      ),
      unit: fc.constantFrom("sentence" as const, "chunk" as const),
      size: fc.integer({ min: 12, max: 60 }),
      marker: fc.constantFrom("[…] ", ""),
    });
    const isCode = new Set<string>();
    for (const node of fromMarkdown(GUIDE).children) if (node.type === "code") isCode.add(...[node.value]);
    const code = new Set([...isCode].flatMap((value) => value.split("\n")).filter((line) => line.trim() !== ""));
    await fc.assert(
      fc.asyncProperty(choice, async ({ attended, limit, unit, size, marker }) => {
        const host = attendingTo(Object.fromEntries(attended.map((word) => [word, 9])));
        const options = { ...limit, unit, marker, chunk: { by: "markdown" as const, size } };
        const { text, documents, warnings } = await prune(host, "q", GUIDE, options);
        const lines = text.split("\n");
        expect(lines.filter((line) => /^(```|~~~)/.test(line)).length % 2).toBe(0);
        expect(lines.some((line) => /.(```|~~~)/.test(line))).toBe(false);
        const fenced = fromMarkdown(text).children.flatMap((node) =>
          node.type === "code" ? node.value.split("\n") : [],
        );
        // All of the code, and nothing but code, is still code.
        for (const line of lines) if (warnings.length === 0 && code.has(line)) expect(fenced).toContain(line);
        for (const line of fenced)
          if (line.trim() !== "[…]")
            expect([...code].some((one) => one.includes(line.replace("[…] ", "").trim()))).toBe(true);
        const row = lines.findIndex((line) => /^\| \d+ \| .* \|$/.test(line));
        if (row !== -1 && warnings.length === 0) {
          const table = text.indexOf("| port | use |\n| ---- | --- |\n");
          expect(table).toBeGreaterThanOrEqual(0);
          expect(text.slice(0, table)).toMatch(/(^|\n\n)$/);
        }
        expect(documents[0]!.text).toBe(text);
      }),
      { numRuns: 150 },
    );
  });

  test("of source are its lines and blocks, with both ends of a comment", async () => {
    const source = `import os\n\n\ndef load(path):\n    """Loads a file.\n\n    The path must exist. It is read whole.\n    """\n    return open(path)\n\n\ndef end(year):\n    return date(year, 3, 31)\n`;
    const host = attendingTo({ "must exist": 9 });
    const code = { by: "code" as const, size: 60 };
    const { text } = await prune(host, "q", source, { topK: 1, chunk: code });
    expect(text).toBe(
      '[…] \n\n\ndef load(path):\n    """Loads a file.\n\n    The path must exist. It is read whole.\n    """\n    return open(path)\n\n\n[…] ',
    );
    const { text: lines } = await prune(host, "q", source, { budgetTokens: 30, chunk: code });
    expect(lines).toContain('    """Loads a file.\n');
    expect(lines).toContain('    The path must exist. It is read whole.\n    """\n');
    expect(lines).not.toContain("return open");
  });

  test("spends no unit and no marker on white space", async () => {
    const text = `\n\n  \nOne is here. Two is there.\n\n\n\nThe lease ends.\n \n\t\n${"Three is far. ".repeat(40)}\n\n\nThe end.\n\n\n`;
    for (const topK of [1, 2, 3]) {
      for (const size of [8, 32, 128]) {
        const host = attendingTo({ "lease ends": 9, "The end": 8, "One is": 7 });
        const { text: short, documents } = await prune(host, "q", text, { topK, chunk: { by: "paragraphs", size } });
        const [{ kept }] = documents as [(typeof documents)[number]];
        expect(kept).toHaveLength(topK);
        for (const { begin, end } of kept) expect(text.slice(begin, end).trim()).not.toBe("");
        // A marker stands where text was left out, and nowhere else.
        const edges = [0, ...kept.flatMap(({ begin, end }) => [begin, end]), text.length];
        const gaps = edges.filter((edge, i) => i % 2 === 0 && text.slice(edge, edges[i + 1]).trim() !== "");
        expect(short.match(/\[…\]/g) ?? []).toHaveLength(gaps.length);
      }
    }
  });
});

test("what is protected stays, document by document", async () => {
  const chat = (body: string) => `system: Be kind.\nNote: answer in French.\n${body}\nuser: What about plums?\n`;
  const documents = [chat("user: Tell me of bananas."), chat("user: And figs?")];
  const host = attendingTo({ plums: 9 });
  const speakers = await prune(host, "q", documents, { topK: 1, protect: { speakers: ["System", "Alicia"] } });
  for (const { text } of speakers.documents) expect(text).toContain("system: Be kind.\nNote: answer in French.\n");
  expect(speakers.warnings).toEqual([
    expect.stringMatching(/^"Alicia" never speaks.*: the speakers are system, user$/),
  ]);
  const at = documents[1]!.indexOf("And figs?");
  const spans = await prune(host, "q", documents, { topK: 1, protect: { spans: [[], [[at, at + 3]]] } });
  expect(spans.documents[0]!.text).not.toContain("bananas");
  expect(spans.documents[1]!.text).toContain("And figs?");
  for (const wrong of [[[[0, 3]]], [[], [[0, 9999]]]]) {
    const call = prune(host, "q", documents, { topK: 1, protect: { spans: wrong as never } });
    await expect(call).rejects.toThrow("protect.spans");
  }
});

test("front matter stays, and a rule is none", async () => {
  const text = "---\ntitle: Rent\n---\n\nThe flat is small.\n\nThe lease ends.\n";
  const host = attendingTo({ lease: 9 });
  expect((await prune(host, "q", text, { topK: 1 })).text).toContain("title: Rent");
  const without = await prune(host, "q", text, { topK: 1, protect: { frontMatter: false } });
  expect(without.text).not.toContain("title: Rent");
  const slides = `---\n\nThe flat is small.\n\n---\n\nThe lease ends.\n`;
  expect((await prune(host, "q", slides, { topK: 1 })).text).not.toContain("small");
});

test("a passage that was cut is refused, and so is an option that would cut it", async () => {
  const host = attendingTo({});
  const cutting = {
    ...host,
    rank: async (...args: Parameters<typeof host.rank>) => {
      const ranking = await host.rank(...args);
      return { ...ranking, results: ranking.results.map((result) => ({ ...result, truncated: true as const })) };
    },
  };
  await expect(prune(cutting, "q", "One. Two.", { topK: 1 })).rejects.toThrow("maxDocumentTokens");
  await expect(prune(host, "q", "One.", { topK: 1, maxDocumentTokens: 5 } as never)).rejects.toThrow(
    "Unknown option maxDocumentTokens",
  );
});
