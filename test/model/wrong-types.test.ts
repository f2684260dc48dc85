// Every public function with values that TypeScript refuses: an error that names the argument and the value, and no other.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  assembleContext,
  chunkDocuments,
  matchHeadSet,
  openIndex,
  parseDocuments,
  parseHeadSet,
  type QRRetriever,
  readTexts,
} from "../../src/index.ts";
import { loadTiny } from "../helpers/retriever.ts";

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await loadTiny("tiny-llama-spm");
});
afterAll(() => retriever.dispose());

const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
const VALUES: Readonly<Record<string, [value: unknown, shown: string]>> = {
  NaN: [Number.NaN, "NaN"],
  "a symbol": [Symbol("no"), "Symbol(no)"],
  "a function": [() => 1, "a function"],
  "1,000 numbers": [Array.from({ length: 1000 }, (_, i) => i), "[0, 1, 2, 3, 4, …]"],
  "an array with holes": [new Array(3), "[undefined, undefined, undefined]"],
};

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested.
type Wrong = any;
const countTokens = () => 1;
const CALLS: Readonly<Record<string, [option: string, call: (value: Wrong) => unknown]>> = {
  rank: ["query", (value) => retriever.rank(value, ["a"])],
  "rank's signal": ["signal", (value) => retriever.rank("q", ["a"], { signal: value })],
  "chunk's options": ["options", (value) => retriever.chunk("a", value)],
  "tokenize's options": ["options", (value) => retriever.tokenize("a", value)],
  "tokenize's signal": ["signal", (value) => retriever.tokenize("a", { signal: value })],
  "corpus's options": ["options", (value) => retriever.corpus(["a"], value)],
  "prune's options": ["options", (value) => retriever.prune("q", "a", value)],
  loadCorpus: ["file", (value) => retriever.loadCorpus(value)],
  openIndex: ["file", (value) => openIndex(value)],
  parseDocuments: ["input", (value) => parseDocuments(value, "notes")],
  "parseDocuments' options": ["options", (value) => parseDocuments("a", "notes", value)],
  chunkDocuments: ["retriever", (value) => chunkDocuments(value, ["a"])],
  parseHeadSet: ["text", (value) => parseHeadSet(value, "heads")],
};
const isOptions = (name: string) => name.endsWith("options");

describe.each(Object.entries(CALLS))("%s", (name, [option, call]) => {
  test.each(Object.entries(VALUES))("given %s", async (_, [value, shown]) => {
    const given = (async () => call(value))();
    await expect(given).rejects.toMatchObject({ name: "InputError", code: "INVALID_ARGUMENT", option });
    await expect(given).rejects.toMatchObject({ received: isOptions(name) ? expect.any(String) : shown });
  });

  // As in other libraries, options that are null are none.
  test.skipIf(isOptions(name))("given null", async () => {
    await expect((async () => call(null))()).rejects.toMatchObject({ option, received: "null" });
  });
});

test("lists are looked through, holes included", async () => {
  const holes = new Array(2) as Wrong;
  const wrong = { name: "InputError", code: "INVALID_ARGUMENT" };
  await expect(readTexts(holes)).rejects.toMatchObject({ ...wrong, option: "paths" });
  await expect(assembleContext(holes, { budgetTokens: 9, countTokens })).rejects.toMatchObject({
    ...{ ...wrong, option: "pieces" },
  });
  const noScore = [{ id: "a", text: "b", score: Number.NaN }];
  await expect(assembleContext(noScore, { budgetTokens: 9, countTokens })).rejects.toThrow(/for pieces/);
  expect(() => retriever.generate(holes)).toThrow(expect.objectContaining({ ...wrong, option: "messages[0]" }));
  expect(() => matchHeadSet(null as Wrong)).toThrow(expect.objectContaining({ ...wrong, option: "model" }));
  await expect(retriever.prune("q", "a", null as Wrong)).rejects.toMatchObject({ ...wrong });
});

test("a frozen object is as good as any, and what cannot be shown is named all the same", async () => {
  const { results } = await retriever.rank("q", Object.freeze(["a", "b"]), Object.freeze({ topK: 1 }));
  expect(results).toHaveLength(1);
  const shown = { option: "topK", received: "a proxy" };
  await expect(retriever.rank("q", ["a"], { topK: revoked as Wrong })).rejects.toMatchObject(shown);
  const own = Object.defineProperty({}, "topK", { enumerable: true, get: raise });
  await expect(retriever.rank("q", ["a"], own)).rejects.toThrow("of the caller");
});

function raise(): never {
  throw new Error("of the caller");
}
