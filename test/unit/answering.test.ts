import { expect, test } from "vitest";
import { citationsIn } from "../../src/answering/citations.ts";
import { parseAskOptions } from "../../src/answering/options.ts";
import { placesOf } from "../../src/documents/places.ts";
import { assertWrites } from "../../src/model/writes.ts";

test.each<[string, number[]]>([
  ["It is blue [1].", [1]],
  ["Blue [2][1], see [ 3 ].", [1, 2, 3]],
  ["Both [1, 3] and [2 and 4].", [1, 2, 3, 4]],
  ["All of [2-4], or [1–2].", [1, 2, 3, 4]],
  ["As [source 2] says; Source 3 too.", [2, 3]],
  ["According to sources 1 and 4, yes.", [1, 4]],
  ["[source: 2], [#1], [^3] and [document 4]; 【5】.", [1, 2, 3, 4, 5]],
  ["It is blue.\n\nSources: 1, 3", [1, 3]],
  ["Sources: 2019 census, 4x4 tables; #2 of 3.", []],
  ["[0] and [6] and [999999] do not exist.", []],
  ["a[i], [x], [2024-05-01], arr[1.5], 3 sources.", []],
  ["[1-99] is all of them.", [1, 2, 3, 4, 5]],
  ["", []],
])("citationsIn(%j)", (answer, expected) => {
  expect(citationsIn(answer, 5)).toEqual(expected);
});

test.each<[unknown, unknown, string]>([
  [" ", { generate: "m" }, "a text that is not blank for query"],
  ["q", undefined, "a loaded model, or a function for generate but received undefined"],
  ["q", { generate: undefined }, "for generate but received undefined"],
  ["q", { generate: " " }, 'for generate but received " "'],
  ["q", { generate: {} }, "or a function for generate"],
  ["q", { generate: () => [], temperature: 1 }, "Option temperature cannot be combined with a function that answers"],
  ["q", { generate: "m", model: "m" }, "Unknown option model"],
  ["q", { generate: "m", candidates: 0 }, "an integer of at least 1 for candidates"],
  ["q", { generate: "m", history: "hello" }, "a list of messages for history"],
  ["q", { generate: "m", history: [{ role: "bot", content: "" }] }, "for messages[0]"],
  ["q", { generate: "m", maxToken: 3 }, "Unknown option maxToken"],
  ["q", { generate: "m", temperature: "hot" }, 'a number from 0 to 10 for temperature but received "hot"'],
  ["q", { generate: "m", temperature: Number.NaN }, "for temperature but received NaN"],
  ["q", { generate: "m", repeatPenalty: 0.5 }, "a number from 1 to 10 for repeatPenalty"],
  ["q", { generate: "m", contextSize: -4 }, "an integer from 64"],
  ["q", { generate: "m", topK: 0 }, "an integer of at least 1 for topK"],
  ["q", { generate: "m", budgetTokens: 1.5 }, "budgetTokens"],
  ["q", { generate: "m", chunkTokens: 4 }, "an integer of at least 8 for chunkTokens"],
  ["q", { generate: "m", neighbours: -1 }, "neighbours"],
  ["q", { generate: "m", order: "best" }, "order"],
  ["q", { generate: "m", layout: "both" }, "layout"],
  ["q", { generate: "m", instruction: "  " }, "instruction"],
  ["q", { generate: "m", threads: 0 }, "threads"],
  ["q", { generate: "m", onText: 1 }, "a function for onText"],
  ["q", { generate: "m", signal: {} }, "an AbortSignal for signal"],
  ["q", { generate: "m", retriever: "m.gguf" }, "a retriever, or options to load one for retriever"],
  ["q", { generate: "m", retriever: { heeds: "all" } }, "Unknown option heeds"],
])("ask refuses %j with %j", (query, options, message) => {
  expect(() => parseAskOptions(query, options)).toThrow(
    expect.objectContaining({ name: "InputError", code: "INVALID_ARGUMENT" }),
  );
  expect(() => parseAskOptions(query, options)).toThrow(message);
});

test("placesOf gives the lines of files, as far as they are known", () => {
  const text = "\uFEFF# A\r\n\r\none\rtwo\n\nthree\n";
  const cut = (id: string, begin: number, end: number) => ({
    id: `${id}#${begin}-${end}`,
    text: text.slice(begin, end),
  });
  const chunks = [
    cut("a", 1, 8),
    cut("a", 8, 12),
    cut("a", 15, 23),
    { id: "n.jsonl:x", text: "b" },
    { id: "loose", text: "\n\nc" },
  ];
  const documents = [
    { id: "a", text, file: "docs/a.md" },
    { id: "n.jsonl:x", text: "b", file: "n.jsonl", line: 7 },
  ];
  const known = placesOf(chunks, documents);
  expect(known.map(({ file, line }) => [file, line])).toEqual([
    ["docs/a.md", 1],
    ["docs/a.md", 3],
    ["docs/a.md", 6],
    ["n.jsonl", 7],
    [undefined, 3],
  ]);
  // Without the documents, what stood before a gap is not known.
  expect(placesOf(chunks).map(({ line }) => line)).toEqual([1, 3, undefined, 1, 3]);
  expect(
    placesOf([{ id: "j", text: "x" }], [{ id: "j", text: "x", file: "j.json", line: null }])[0],
  ).not.toHaveProperty("line");
});

const header = (architecture: string, own: object, rest: object = {}) => ({
  "general.architecture": architecture,
  [`${architecture}.block_count`]: "4",
  ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value])),
  ...rest,
});

test("assertWrites knows what writes no text", () => {
  const slim = { "qrhead.slim.original_block_count": "9" };
  const check = (metadata: object) => assertWrites("m.gguf", (key) => (metadata as Record<string, unknown>)[key]);
  for (const good of [header("llama", {}), header("qwen2", { pooling_type: "0" }), header("mamba", {})]) {
    expect(() => check(good)).not.toThrow();
  }
  expect(() => check(header("llama", {}, slim))).toThrow("Model m.gguf is slim and cannot write: use the whole model");
  const unsupported = expect.objectContaining({ code: "MODEL_UNSUPPORTED" });
  for (const [bad, what] of [
    [header("bert", { "attention.causal": false }), "m.gguf (bert) is an encoder and writes no text"],
    [header("llama", { "attention.causal": "false" }), "is an encoder"],
    [header("t5", {}), "is an encoder"],
    [header("qwen3", { pooling_type: 3 }), "makes embeddings or scores"],
  ] as const) {
    expect(() => check(bad)).toThrow(unsupported);
    expect(() => check(bad)).toThrow(what);
  }
});
