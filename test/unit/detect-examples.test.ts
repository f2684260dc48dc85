import { describe, expect, test } from "vitest";
import { normalizeExamples } from "../../src/detect/examples.ts";
import { type DetectionExampleInput, parseExamples } from "../../src/detect/index.ts";
import { InputError } from "../../src/index.ts";

const example = {
  id: "q1",
  query: "Who?",
  docs: [
    { id: "a", title: "A", text: "one" },
    { id: "b", text: "two" },
  ],
  gold: ["b"],
};
const line = JSON.stringify(example);

describe("parseExamples", () => {
  test("reads JSON Lines, with blank lines, CRLF and a byte order mark", () => {
    const found = parseExamples(Buffer.from(`\uFEFF${line}\r\n\r\n${line}\n`), "e.jsonl");
    expect(found).toEqual([
      { ...example, position: "e.jsonl, line 1" },
      { ...example, position: "e.jsonl, line 3" },
    ]);
  });

  test("reads documents as another name of docs", () => {
    const { docs, ...others } = example;
    const found = parseExamples(JSON.stringify({ ...others, documents: docs }), "e.jsonl");
    expect(found).toEqual([{ ...example, position: "e.jsonl, line 1" }]);
  });

  test("reads a JSON array", () => {
    const found = parseExamples(`[\n${line},\n${line}]`, "e.json");
    expect(found[1]).toEqual({ ...example, position: "e.json, examples[1]" });
  });

  test("reads the published code's own fields", () => {
    const published = {
      idx: 7,
      question: "Who?",
      paragraphs: [
        { idx: 0, title: "A", paragraph_text: "one" },
        { idx: 1, title: "", paragraph_text: " two\n" },
        { idx: 2, paragraph_text: "three" },
      ],
      gt_docs: [2, 0, 2],
    };
    expect(parseExamples(JSON.stringify(published), "e")).toEqual([
      {
        id: "7",
        query: "Who?",
        docs: [
          { id: "0", title: "A", text: "one" },
          { id: "1", title: "", text: "two" },
          { id: "2", text: "three" },
        ],
        gold: ["2", "0"],
        position: "e, line 1",
      },
    ]);
  });

  test("reads which documents are gold from ICR's marks, where no list names them", () => {
    const marked = {
      idx: "3",
      question: "Who?",
      num_gold_docs: 1,
      paragraphs: [
        { idx: "a", title: "A", paragraph_text: "one", is_supporting: false },
        { idx: "b", title: "B", paragraph_text: "two", is_supporting: true },
      ],
    };
    const read = (fields: object) => parseExamples(JSON.stringify([{ ...marked, ...fields }]), "e")[0]!.gold;
    expect(read({})).toEqual(["b"]);
    expect(read({ gt_docs: ["a"] })).toEqual(["a"]);
    const none = marked.paragraphs.map((paragraph) => ({ ...paragraph, is_supporting: false }));
    expect(() => read({ paragraphs: none })).toThrow(/empty "is_supporting"/);
  });

  test("takes plain texts, and numbers examples and documents that have no id", () => {
    const [, second] = parseExamples(`${line}\n{"query":"q","docs":["x","y","z"],"gold":[1]}`, "e");
    expect(second).toMatchObject({ id: "1", gold: ["1"] });
    expect(second!.docs.map(({ id }) => id)).toEqual(["0", "1", "2"]);
  });

  const change = (fields: object) => JSON.stringify({ ...example, ...fields });
  test.each<[what: string, content: string, message: RegExp]>([
    ["no JSON", "{oops", /^e\.jsonl, line 2 is not valid JSON \(/],
    ["no object", "3", /^e\.jsonl, line 2 must be an object with "query", "docs" and "gold"$/],
    ["a wrong id", change({ id: {} }), /^e\.jsonl, line 2 has a wrong "id": it must be a string or a number$/],
    ["no query", change({ query: null }), /^e\.jsonl, line 2 has no "query" \(nor "question"\)$/],
    ["a wrong query", change({ query: 1 }), /^e\.jsonl, line 2 has a wrong "query": it must be a string$/],
    ["a blank query", change({ query: undefined, question: " " }), /^e\.jsonl, line 2 has a blank "question"$/],
    ["no documents", change({ docs: undefined }), /line 2 has no "docs" \(nor "documents" nor "paragraphs"\)$/],
    ["wrong documents", change({ docs: "a" }), /^e\.jsonl, line 2 has a wrong "docs": it must be an array$/],
    ["one document", change({ docs: ["a"] }), /^e\.jsonl, line 2 has 1 in "docs": expected at least two documents$/],
    ["a document without text", change({ docs: ["a", {}] }), /^e\.jsonl, line 2, docs\[1\] has no "text"/],
    [
      "a wrong title",
      change({ docs: ["a", { text: "b", title: 1 }] }),
      /^e\.jsonl, line 2, docs\[1\] has a wrong "title"/,
    ],
    [
      "duplicate ids",
      change({
        docs: [
          { id: "a", text: "x" },
          { id: "a", text: "y" },
        ],
      }),
      /^e\.jsonl, line 2, docs\[1\] has the id "a" of e\.jsonl, line 2, docs\[0\]/,
    ],
    ["no gold", change({ gold: undefined }), /^e\.jsonl, line 2 has no "gold" \(nor "gt_docs"\)$/],
    ["wrong gold", change({ gold: "b" }), /^e\.jsonl, line 2 has a wrong "gold": it must be an array of ids$/],
    ["a wrong id of gold", change({ gold: [null] }), /^e\.jsonl, line 2 has a wrong "gold"/],
    ["empty gold", change({ gold: [] }), /^e\.jsonl, line 2 has an empty "gold"/],
    [
      "unknown gold",
      change({ gold: ["b", "c"] }),
      /^e\.jsonl, line 2 has "c" in "gold", but its documents are "a", "b"$/,
    ],
    ["all gold", change({ gold: ["b", "a"] }), /^e\.jsonl, line 2 has every document in "gold"/],
  ])("names the line of %s", (_, content, message) => {
    const parse = () => parseExamples(`${line}\n${content}\n${line}`, "e.jsonl");
    expect(parse).toThrow(InputError);
    expect(parse).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
    expect(parse).toThrow(message);
  });

  test.each<[what: string, content: string | Uint8Array, message: RegExp]>([
    ["nothing", " \n", /^e\.jsonl has no examples/],
    ["an empty array", "[]", /^e\.jsonl has no examples/],
    ["a broken array", `[${line},`, /^e\.jsonl is not valid JSON/],
    ["bytes that are no UTF-8", Buffer.from(`${line}\n\xe9`, "latin1"), /^e\.jsonl, line 2 is not valid UTF-8/],
  ])("refuses %s", (_, content, message) => {
    expect(() => parseExamples(content, "e.jsonl")).toThrow(message);
  });
});

describe("normalizeExamples", () => {
  test("names what a program passes by its index, and keeps the places of parsed examples", () => {
    expect(normalizeExamples([example])[0]!.position).toBe("examples[0]");
    const parsed = parseExamples(line, "e.jsonl");
    expect(normalizeExamples(parsed)).toEqual(parsed);
    expect(() => normalizeExamples([example, { ...example, gold: ["x"] }])).toThrow(/^examples\[1\] has "x" in "gold"/);
  });

  test.each([undefined, null, [], "x", {}])("refuses %j", (input) => {
    expect(() => normalizeExamples(input as DetectionExampleInput[])).toThrow(
      /^Expected an array of at least one example for examples but received/,
    );
  });

  test("refuses holes", () => {
    expect(() => normalizeExamples(new Array(1))).toThrow(/^examples\[0\] must be an object/);
  });
});
