import { describe, expect, it } from "vitest";
import {
  type DocumentInput,
  normalizeDocuments,
  normalizeRecords,
  parseDocuments,
  parseQueries,
  someDocuments,
} from "../../src/documents/documents.ts";
import type { DocumentFormat } from "../../src/documents/format.ts";

const parse = (text: string) => parseDocuments(text, "docs");
const texts = (text: string) => parse(text).map((document) => document.text);
const invalid = expect.objectContaining({ name: "InputError", code: "INVALID_INPUT" });

describe("parseDocuments of JSON Lines", () => {
  it("reads objects and strings", () => {
    expect(parse('{"id": "a", "title": "T", "text": "one"}\n"two"\n{"text": "three"}\n')).toEqual([
      { id: "a", title: "T", text: "one" },
      { id: "1", text: "two" },
      { id: "2", text: "three" },
    ]);
  });

  it.each([
    ['{"paragraph_text": "x", "idx": "i7"}', { id: "i7", text: "x" }],
    ['{"contents": "x", "_id": 12}', { id: "12", text: "x" }],
    ['{"text": "x", "docid": 0}', { id: "0", text: "x" }],
    ['{"text": "x", "paragraph_text": "y", "id": "first", "docid": "last"}', { id: "first", text: "x" }],
    ['{"text": null, "contents": "x", "id": null, "_id": "b"}', { id: "b", text: "x" }],
    ['{"text": "", "title": ""}', { id: "0", text: "" }],
    ['{"text": "", "title": "T"}', { id: "0", title: "T", text: "" }],
    ['{"text": "x", "title": null, "url": {"any": ["thing"]}}', { id: "0", text: "x" }],
  ])("reads %s", (line, document) => {
    expect(parse(line)).toEqual([document]);
  });

  it("accepts a byte order mark, CRLF and blank lines", () => {
    expect(texts('\uFEFF\r\n{"text": "one"}\r\n  \r\n"two"\r\n')).toEqual(["one", "two"]);
  });

  it.each([
    ['{"text": "a"}\n\n{"text": "b"', /^docs, line 3 is not valid JSON/],
    ['{\n  "text": "a"\n}\n{\n  "text": "b"\n}', /^docs, line 1 is not valid JSON .*: write one document per line/],
    ['{\n  "text": "a",', /^docs, line 1 is not valid JSON/],
    ['{text: "a"}\n{"text": "b"}', /^docs, line 1 is not valid JSON/],
    ['{"text": "a"},\n{"text": "b"}', /^docs, line 1 is not valid JSON/],
    ['"a"\n{"text": 5}', /^docs, line 2 has a wrong "text": it must be a string$/],
    ['{"text": "a", "title": ["t"]}', /line 1 has a wrong "title": it must be a string/],
    ['{"text": "a", "id": {}}', /line 1 has a wrong "id": it must be a string or a number/],
    ['{"text": "a", "id": true}', /wrong "id"/],
    ['{"title": "t"}', /line 1 has no "text"/],
    ['"a"\n17', /line 2 must be a string or an object with "text"/],
    ['"a"\n["b"]', /line 2 must be a string or an object/],
    ['"a"\nnull', /line 2 must be a string or an object/],
    ['{"text": "a", "id": "x"}\n{"text": "b"}\n{"text": "c", "_id": "x"}', /line 3 has the id "x" of line 1/],
    ['{"text": "a", "id": 1}\n{"text": "b"}', /line 2 has the id "1" of line 1: .*0-based index/],
    ['{"text": "a", "id": 12345678901234567890}', /line 1 has the number 12345678901234567000 as its id/],
    ['"a\n"b"', /line 1 is not valid JSON/],
  ])("refuses %j", (text, message) => {
    expect(() => parse(text)).toThrow(invalid);
    expect(() => parse(text)).toThrow(message);
  });
});

describe("parseDocuments of a JSON array", () => {
  it("reads strings and objects over several lines", () => {
    expect(parse('\n [\n "one",\n {"text": "two", "id": 9}\n]\n')).toEqual([
      { id: "0", text: "one" },
      { id: "9", text: "two" },
    ]);
  });

  it.each([
    ['[{"text": "a"}, {"text": 1}]', /^docs, documents\[1\] has a wrong "text"/],
    ["[1, 2]", /documents\[0\] must be a string or an object/],
    ['["a", "b"', /begins like a JSON array but is not valid JSON/],
    ['[{"text": "a"},]', /begins like a JSON array/],
    ["[", /begins like a JSON array/],
    ["[]", /^docs has no documents/],
    ['[{"text": "a"} {"text": "b"}]', /begins like a JSON array/],
    ['[{"text": "a", "id": "x"}, {"text": "b", "id": "x"}]', /documents\[1\] has the id "x" of documents\[0\]/],
  ])("refuses %j", (text, message) => {
    expect(() => parse(text)).toThrow(invalid);
    expect(() => parse(text)).toThrow(message);
  });
});

describe("parseDocuments of one JSON object", () => {
  it("reads it over several lines", () => {
    expect(parse('{\n  "id": "a",\n  "text": "one\\ntwo"\n}\n')).toEqual([{ id: "a", text: "one\ntwo" }]);
    expect(() => parse('{\n  "name": "a"\n}')).toThrow('docs has no "text"');
  });
});

describe("parseDocuments with a format", () => {
  const as = (format: DocumentFormat, text: string) => parseDocuments(text, "docs", { format }).map((one) => one.text);

  it("takes the user's word for it", () => {
    expect(as("text", '{"text": "a"}\n["b"]')).toEqual(['{"text": "a"}', '["b"]']);
    expect(as("json", '{"text": "a"}')).toEqual(["a"]);
    expect(as("json", '["a", {"text": "b"}]')).toEqual(["a", "b"]);
    expect(as("jsonl", '"a"\r{"text": "b"}')).toEqual(["a", "b"]);
  });

  it.each<[DocumentFormat, string, string]>([
    ["json", '{"text": "a"}\n{"text": "b"}', "docs is not valid JSON"],
    ["json", "{{cite}} a", "is not valid JSON"],
    ["jsonl", '{"text": "a"}\nplain', "docs, line 2 is not valid JSON"],
    ["jsonl", '["a"]', "docs, line 1 must be a string or an object"],
    ["csv" as DocumentFormat, "a", "Expected one of auto, text, json, jsonl for format"],
  ])("refuses as %s %j", (format, text, message) => {
    expect(() => as(format, text)).toThrow(message);
  });
});

describe("parseDocuments of plain text", () => {
  it("reads one document per line", () => {
    expect(parse("first line \r\n\n  second: {not} JSON\nthird")).toEqual([
      { id: "0", text: "first line " },
      { id: "1", text: "  second: {not} JSON" },
      { id: "2", text: "third" },
    ]);
  });

  it.each([
    "[1] First note\n[2] Second",
    "[ ] to do\n[x] done",
    "[[Link]] is wiki text",
    "[{{cite}}] is a source",
    '["quoted"](url) is a link',
    '"Why?" he asked.\nNobody knew.',
    "42\n43",
    "{{cite web}} The tower is tall.\nBananas are rich.",
    "{\\bf Tower} is bold.\nNot this.",
    "{a, b} is a set\n{ is a brace",
    '{"a": 1} is an object in JSON.\nThat is all.',
    "{ }, they said\nno more",
  ])("takes %j for plain text", (text) => {
    expect(texts(text)).toEqual(text.split("\n"));
  });

  it("ends lines at CR, LF and both", () => {
    expect(texts("a\rb\r\r\nc\n")).toEqual(["a", "b", "c"]);
  });

  it("keeps line separators of other kinds within a document", () => {
    expect(texts("a\u2028b\u0085c")).toEqual(["a\u2028b\u0085c"]);
  });

  it.each(["", "\n \r\n", "\uFEFF"])("refuses %j, which has none", (text) => {
    expect(() => parse(text)).toThrow("docs has no documents where at least one was expected");
  });
});

describe("parseDocuments of bytes", () => {
  it("reads UTF-8 with a byte order mark", () => {
    expect(parseDocuments(Buffer.from("\uFEFFnaïve 日本 👍\n"), "docs")).toEqual([{ id: "0", text: "naïve 日本 👍" }]);
  });

  it("names the line that is not UTF-8", () => {
    const latin1 = Buffer.concat([Buffer.from("one\ntwo 日本\n"), Buffer.from([0x63, 0xe9, 0x0a]), Buffer.from("x")]);
    expect(() => parseDocuments(latin1, "docs.txt")).toThrow("docs.txt, line 3 is not valid UTF-8");
    expect(() => parseDocuments(Buffer.from([0xe6, 0x97]), "docs.txt")).toThrow(/line 1/);
  });
});

describe("normalizeDocuments", () => {
  it("reads strings and objects", () => {
    const given = ["a\nb", { text: "c", title: null, id: 5 }, { text: "d", title: "T" }];
    expect(normalizeDocuments(given as DocumentInput[])).toEqual([
      { id: "0", text: "a\nb" },
      { id: "5", text: "c" },
      { id: "2", title: "T", text: "d" },
    ]);
  });

  it("keeps an empty title, which the published prompt has a line for, and a documents file does not", () => {
    const given = [{ id: "0", title: "", text: "a" }];
    expect(normalizeDocuments(given)).toEqual(given);
    expect(parseDocuments(JSON.stringify(given), "d")).toEqual([{ id: "0", text: "a" }]);
  });

  it.each([
    [[{ contents: "a" }], 'documents[0] has no "text"'],
    [["a", 5], 'documents[1] must be a string or an object with "text"'],
    [["a", undefined], "documents[1] must be a string or an object"],
    [[{ text: 5 }], 'documents[0] has a wrong "text"'],
    [
      [
        { text: "a", id: "x" },
        { text: "b", id: "x" },
      ],
      'documents[1] has the id "x" of documents[0]',
    ],
    [[{ text: "a", id: Number.NaN }], 'documents[0] has a wrong "id"'],
  ])("refuses %j", (input, message) => {
    expect(() => normalizeDocuments(input as DocumentInput[])).toThrow(invalid);
    expect(() => normalizeDocuments(input as DocumentInput[])).toThrow(message);
  });

  it("gives none for none, where a list that needs one is refused", () => {
    expect(normalizeDocuments([])).toEqual([]);
    expect(() => someDocuments([])).toThrow("documents has no documents");
    expect(() => normalizeRecords([])).toThrow("documents has no documents");
  });

  it("reads the names of other tools in files alone", () => {
    const given = [
      { contents: "d", _id: "x" },
      { paragraph_text: "p", docid: 7 },
    ];
    expect(normalizeRecords(given)).toEqual([
      { id: "x", text: "d" },
      { id: "7", text: "p" },
    ]);
    // Of a program these are the caller's own fields.
    expect(normalizeDocuments([{ text: "t", _id: {}, idx: false } as DocumentInput])).toEqual([{ id: "0", text: "t" }]);
  });

  it("refuses what is no array", () => {
    expect(() => normalizeDocuments("text" as never)).toThrow(
      'Expected an array of strings and objects for documents but received "text" of type string',
    );
  });

  it("calls the list what its caller calls it", () => {
    expect(() => normalizeRecords([{}], "line 4, docs")).toThrow('line 4, docs[0] has no "text"');
  });
});

describe("parseQueries", () => {
  it("reads what BEIR and labelled examples call a query, and says what is missing", () => {
    const lines = ['{"_id": "a", "text": "Who?"}', '{"id": 7, "query": "When?", "docs": []}', '{"question": "Why?"}'];
    expect(parseQueries(lines.join("\n"), "queries.jsonl")).toEqual([
      { id: "a", text: "Who?" },
      { id: "7", text: "When?" },
      { id: "2", text: "Why?" },
    ]);
    expect(() => parseQueries('{"asked": "Who?"}', "queries.jsonl")).toThrow(
      'queries.jsonl, line 1 has no "text" (nor "query" nor "question")',
    );
    expect(() => parseDocuments('{"query": "Who?"}', "notes.jsonl")).toThrow('has no "text"');
  });
});
