// Wrong options, wrong documents, and prompts that do not fit.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ContextOverflowError,
  type DocumentInput,
  InputError,
  isQRHeadError,
  type LoadOptions,
  QRHeadError,
  QRRetriever,
  type RankOptions,
} from "../../src/index.ts";
import { MERGE_RULES } from "../../src/ranking/windows/options.ts";
import { modelPath } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const query = "Which metal melts in the hand?";
const documents = [
  { title: "Gallium", text: "Gallium melts at thirty degrees." },
  "Iron is forged red hot.",
  "Tungsten lasts longest.",
];

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await loadTiny("tiny-llama-spm");
});
afterAll(async () => {
  await retriever.dispose();
});

/** Rejects with an InputError INVALID_ARGUMENT of exactly this message. */
async function expectRefused(work: Promise<unknown>, message: string): Promise<void> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  expect(error).toBeInstanceOf(QRHeadError);
  expect(error).toMatchObject({ name: "InputError", code: "INVALID_ARGUMENT", message });
  expect(isQRHeadError(error)).toBe(true);
}

const flag = "true or false";
const atLeastOne = "an integer of at least 1";
const caches = "f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0";
const prompts = '"auto", "llama3", "qwen2.5", "template", "plain", "question"';
const gpus = '"auto", false, "cuda", "vulkan" or "metal"';

/** Option, wrong value, what is expected, and how the value is shown. */
type Wrong = [option: string, value: unknown, expected: string, shown: string];

const scoring: Wrong[] = [
  ["nullQuery", "", "a text that is not blank", '"" of type string'],
  ["nullQuery", " \n", "a text that is not blank", '" \\n" of type string'],
  ["nullQuery", 5, "a text that is not blank", "5 of type number"],
  ["calibration", "yes", flag, '"yes" of type string'],
  ["mask", 1, flag, "1 of type number"],
  ["mask", null, flag, "null of type null"],
  ["order", "backwards", '"given" or "reverse"', '"backwards" of type string'],
  ["maxDocumentTokens", 0, atLeastOne, "0 of type number"],
  ["maxDocumentTokens", 1.5, atLeastOne, "1.5 of type number"],
  ["maxDocumentTokens", "5", atLeastOne, '"5" of type string'],
  ["maxDocumentTokens", Number.NaN, atLeastOne, "NaN of type number"],
  ["maxDocumentTokens", Number.POSITIVE_INFINITY, atLeastOne, "Infinity of type number"],
  ["signal", new AbortController(), "an AbortSignal", "[object AbortController] of type object"],
  ["signal", {}, "an AbortSignal", "{} of type object"],
  ["onProgress", "log", "a function", '"log" of type string'],
  // What has no text of its own.
  ["mask", Object.create(null), flag, "[object Object] of type object"],
  ["mask", [Object.create(null)], flag, "[[object Object]] of type array"],
  ["mask", Symbol("no"), flag, "Symbol(no) of type symbol"],
  ["mask", 10n, flag, "10 of type bigint"],
];

const loading: Wrong[] = [
  ["model", "", "base, mini, a path or an hf: URI", '"" of type string'],
  ["model", 5, "base, mini, a path or an hf: URI", "5 of type number"],
  ["heads", 5, "a string, a list of [layer, head] pairs or a head set", "5 of type number"],
  ["heads", null, "a string, a list of [layer, head] pairs or a head set", "null of type null"],
  ["heads", {}, "a string, a list of [layer, head] pairs, or a head set", "{} of type object"],
  ["prompt", "llama4", prompts, '"llama4" of type string'],
  ["contextSize", 15, "an integer from 16 to 134217728", "15 of type number"],
  ["contextSize", 2 ** 27 + 1, "an integer from 16 to 134217728", "134217729 of type number"],
  ["contextSize", "4096", "an integer from 16 to 134217728", '"4096" of type string'],
  ["batchSize", 0, "an integer from 1 to 16384", "0 of type number"],
  ["batchSize", 16385, "an integer from 1 to 16384", "16385 of type number"],
  ["threads", 0, "an integer from 1 to 512", "0 of type number"],
  ["threads", 513, "an integer from 1 to 512", "513 of type number"],
  ["gpu", true, gpus, "true of type boolean"],
  ["gpu", "rocm", gpus, '"rocm" of type string'],
  ["gpuLayers", -1, "an integer of at least 0", "-1 of type number"],
  ["cacheTypeK", "q3_k", caches, '"q3_k" of type string'],
  ["cacheTypeV", 16, caches, "16 of type number"],
  ["flashAttention", "on", flag, '"on" of type string'],
  ["earlyStop", 0, flag, "0 of type number"],
  ["mmap", "no", flag, '"no" of type string'],
  ["libraryDirectory", "", "a folder", '"" of type string'],
];

const ranking: Wrong[] = [
  ["topK", 0, atLeastOne, "0 of type number"],
  ["topK", 2.5, atLeastOne, "2.5 of type number"],
  ["headScores", 1, flag, "1 of type number"],
  ["tokenScores", "all", flag, '"all" of type string'],
];

describe("a wrong option", () => {
  test.each([...scoring, ...loading])("of load: %s %o", async (option, value, expected, shown) => {
    const options: LoadOptions = { model: modelPath("tiny-llama-spm"), gpu: false, heads: "all", [option]: value };
    await expectRefused(QRRetriever.load(options), `Expected ${expected} for ${option} but received ${shown}`);
  });

  test.each([...scoring, ...ranking])("of rank: %s %o", async (option, value, expected, shown) => {
    const call = retriever.rank(query, documents, { [option]: value });
    await expectRefused(call, `Expected ${expected} for ${option} but received ${shown}`);
  });

  test.each<[windows: object, option: string, expected: string, shown: string]>([
    [{ windowTokens: 5 }, "windows.windowTokens", "an integer of at least 16", "5 of type number"],
    [{ windowTokens: 64, merge: "best" }, "windows.merge", `one of ${MERGE_RULES.join(", ")}`, '"best" of type string'],
    [{ passageTokens: [] }, "windows.passageTokens", "an integer of at least 8", "[] of type array"],
  ])("inside of another is named with its path: %o", async (windows, option, expected, shown) => {
    const call = retriever.rank(query, documents, { windows: windows as RankOptions["windows"] });
    await expectRefused(call, `Expected ${expected} for ${option} but received ${shown}`);
    await expect(call).rejects.toMatchObject({ option, expected });
  });

  test("that does not exist is named, with those that do", async () => {
    await expect(retriever.rank(query, documents, { windows: { size: 64 } as object })).rejects.toThrow(
      /^Unknown option windows\.size: expected one of windowTokens, windowDocuments, /,
    );
    const load = { modle: "x" } as LoadOptions;
    await expect(QRRetriever.load(load)).rejects.toThrow(
      /^Unknown option modle: expected one of nullQuery, .*, model, /,
    );
    const rank = { heads: "all" } as RankOptions;
    await expect(retriever.rank(query, documents, rank)).rejects.toThrow(
      /^Unknown option heads: expected one of nullQuery, calibration, mask, .*, topK, /,
    );
  });

  test.each([
    [5, "5 of type number"],
    ["heads=all", '"heads=all" of type string'],
    [[], "[] of type array"],
  ])("%j in place of the options", async (value, shown) => {
    const message = `Expected an object for options but received ${shown}`;
    await expectRefused(QRRetriever.load(value as LoadOptions), message);
    await expectRefused(retriever.rank(query, documents, value as RankOptions), message);
  });

  test("for the template of a model that has none", async () => {
    const call = loadTiny("tiny-llama-spm", { prompt: "template" });
    await expect(call).rejects.toMatchObject({ name: "InputError", code: "INVALID_ARGUMENT" });
    await expect(call).rejects.toThrow(/has no chat template for the prompt "template": use auto, plain/);
  });
});

describe("a wrong query or document", () => {
  test.each([
    [undefined, "undefined of type undefined"],
    [null, "null of type null"],
    [5, "5 of type number"],
    ["", '"" of type string'],
    [" \n\t", '" \\n\\t" of type string'],
    [["a"], '["a"] of type array'],
  ])("query %j", async (value, shown) => {
    const message = `Expected a text that is not blank for query but received ${shown}`;
    await expectRefused(retriever.rank(value as string, documents), message);
  });

  test.each([
    [undefined, "undefined of type undefined"],
    ["a text", '"a text" of type string'],
    [{ text: "a" }, '{"text":"a"} of type object'],
    [new Set(["a"]), "[object Set] of type object"],
  ])("documents %o", async (value, shown) => {
    const message = `Expected an array of strings and objects for documents but received ${shown}`;
    await expectRefused(retriever.rank(query, value as never), message);
  });

  test.each<[unknown[], string]>([
    [["a", 5], 'documents[1] must be a string or an object with "text"'],
    [[null], 'documents[0] must be a string or an object with "text"'],
    [new Array(2), 'documents[0] must be a string or an object with "text"'],
    [["a", { title: "T" }], 'documents[1] has no "text"'],
    [[{ text: 5 }], 'documents[0] has a wrong "text": it must be a string'],
    [[{ text: "a", title: 5 }], 'documents[0] has a wrong "title": it must be a string'],
    [[{ text: "a", id: {} }], 'documents[0] has a wrong "id": it must be a string or a number'],
    [
      [
        { text: "a", id: "x" },
        { text: "b", id: "x" },
      ],
      'documents[1] has the id "x" of documents[0]: ids must differ, and a document without one takes its 0-based index',
    ],
    [
      [{ text: "a", id: 1 }, "b"],
      'documents[1] has the id "1" of documents[0]: ids must differ, and a document without one takes its 0-based index',
    ],
  ])("documents %j", async (value, message) => {
    const call = retriever.rank(query, value as never);
    await expect(call).rejects.toMatchObject({ name: "InputError", code: "INVALID_INPUT", message });
  });

  test("does not disturb the next call", async () => {
    const before = await retriever.rank(query, documents);
    await expect(retriever.rank("", documents)).rejects.toBeInstanceOf(InputError);
    expect((await retriever.rank(query, documents)).results).toEqual(before.results);
  });
});

describe("a prompt that does not fit", () => {
  test("says how many tokens would, and then it does", async () => {
    await using small = await loadTiny("tiny-llama-spm", { contextSize: 64, windows: "never" });
    const error: unknown = await small.rank(query, documents).catch((reason: unknown) => reason);
    if (!(error instanceof ContextOverflowError)) throw new Error(`Expected an overflow but received ${error}`);
    const { promptTokens, contextSize } = error;
    expect(contextSize).toBe(64);
    expect(error).toMatchObject({
      name: "ContextOverflowError",
      code: "CONTEXT_OVERFLOW",
      message:
        `The prompt has ${promptTokens} tokens but the context holds 64: rank in windows with windows: "auto", read each ` +
        'document by itself with layout: "independent", pass fewer documents, cut long ones with maxDocumentTokens or ' +
        `use a contextSize of at least ${promptTokens}`,
    });

    await using enough = await loadTiny("tiny-llama-spm", { contextSize: promptTokens });
    const { usage, results } = await enough.rank(query, documents);
    expect(usage.promptTokens).toBe(promptTokens);
    expect(results.map(({ id }) => id)).toEqual((await retriever.rank(query, documents)).results.map(({ id }) => id));
    await using oneLess = await loadTiny("tiny-llama-spm", { contextSize: promptTokens - 1, windows: "never" });
    await expect(oneLess.rank(query, documents)).rejects.toMatchObject({ promptTokens, contextSize: promptTokens - 1 });
  });

  test("says what is too long, for every way to read, and what helps that", async () => {
    await using small = await loadTiny("tiny-llama-spm", { contextSize: 400, windows: "never" });
    const words = (count: number) => "metal ".repeat(count);
    const title = [{ id: "t", title: words(400), text: "Iron." }, "Zinc."];
    const text = ["Zinc.", { id: "x", text: words(400) }];
    const many = Array.from({ length: 30 }, () => words(12));
    const helps = { title: /: cut it with maxDocumentTokens/, query: /: shorten it/ };
    const expected: [string, DocumentInput[], string, RegExp][] = [
      [query, title, 'The title of document "t" has ', helps.title],
      [query, text, 'Document "x" has ', /maxDocumentTokens/],
      [words(400), ["Iron."], "The query with its instruction has ", helps.query],
    ];
    for (const [asked, given, subject, advice] of expected) {
      for (const layout of ["listwise", "independent"] as const) {
        const ranked = await small.rank(asked, given, { layout }).catch((reason: Error) => reason);
        expect(ranked).toMatchObject({ code: "CONTEXT_OVERFLOW" });
        expect((ranked as Error).message.startsWith(subject)).toBe(true);
        expect((ranked as Error).message).toMatch(advice);
        if (given.length === 1) continue;
        await expect(small.corpus(given, { layout })).rejects.toThrow(subject);
      }
      await expect(small.inspect(asked, given)).rejects.toThrow(subject);
      // In windows a long text is cut into passages; a long title or query is not.
      if (given !== text) await expect(small.rank(asked, given, { windows: "auto" })).rejects.toThrow(subject);
    }
    for (const layout of ["listwise", "independent"] as const) {
      const { results } = await small.rank(query, title, { layout, maxDocumentTokens: 10 });
      expect(results.find(({ id }) => id === "t")).toHaveProperty("truncated");
    }
    await expect(small.corpus(many)).rejects.toThrow(/: read each document by itself with layout: "independent"/);
    await expect(small.inspect(query, many)).rejects.toThrow(/: pass fewer documents/);
  });

  test("leaves room for the longer of query and null query", async () => {
    await using small = await loadTiny("tiny-llama-spm", { contextSize: 70, windows: "never" });
    const { usage } = await small.rank(query, ["Iron."]);
    const nullQuery = "nothing ".repeat(60);
    const error: unknown = await small.rank(query, ["Iron."], { nullQuery }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ContextOverflowError);
    expect((error as ContextOverflowError).promptTokens).toBeGreaterThan(usage.promptTokens + 40);
    expect((await small.rank(query, ["Iron."], { nullQuery, calibration: false })).results).toHaveLength(1);
  });

  test("may be cut, as the message says, and the next one is right", async () => {
    await using small = await loadTiny("tiny-llama-spm", { contextSize: 128, windows: "never" });
    const long = ["Copper conducts. ".repeat(60), "Zinc does not rust."];
    await expect(small.rank(query, long)).rejects.toBeInstanceOf(ContextOverflowError);
    const { results, usage } = await small.rank(query, long, { maxDocumentTokens: 20 });
    expect(results.find(({ index }) => index === 0)).toMatchObject({ truncated: true });
    expect(results.find(({ index }) => index === 1)).not.toHaveProperty("truncated");
    expect(usage.promptTokens).toBeLessThanOrEqual(128);
  });

  test("is refused beyond what the model was trained for, unless that much is asked for", async () => {
    const long = Array.from({ length: 300 }, () =>
      "Metals are ductile, shiny, and conduct heat and current well. ".repeat(3),
    );
    const overflow = await retriever.rank(query, long, { windows: "never" }).catch((reason: unknown) => reason);
    expect(overflow).toMatchObject({ code: "CONTEXT_OVERFLOW", contextSize: 8192 });
    expect((overflow as ContextOverflowError).promptTokens).toBeGreaterThan(8192);
  });
});

describe("maxDocumentTokens", () => {
  test("cuts texts, and neither numbers nor titles", async () => {
    const { results, usage } = await retriever.rank(query, documents, { maxDocumentTokens: 2, tokenScores: true });
    for (const { index, truncated, tokenScores } of results) {
      const document = documents[index]!;
      const { title, text } = typeof document === "string" ? { title: undefined, text: document } : document;
      const shown = tokenScores!.map((token) => token.text).join("");
      const header = `[${index + 1}] ${title === undefined ? "" : `${title}\n`}`;
      expect(shown.slice(0, header.length)).toBe(header);
      expect(text.startsWith(shown.slice(header.length))).toBe(true);
      expect(shown.length - header.length).toBeGreaterThan(0);
      expect(truncated).toBe(true);
    }
    const whole = await retriever.rank(query, documents);
    for (const [i, tokens] of usage.documentTokens.entries())
      expect(tokens).toBeLessThan(whole.usage.documentTokens[i]!);
  });

  test("changes nothing where it is not reached", async () => {
    const { timings: _, ...whole } = await retriever.rank(query, documents);
    const { timings: __, ...limited } = await retriever.rank(query, documents, { maxDocumentTokens: 100 });
    expect(limited).toEqual(whole);
  });

  test("does not cut into a character", async () => {
    await using llama = await loadTiny("tiny-llama", { prompt: "plain" });
    const text = "👩‍👩‍👧‍👦🏳️‍🌈ഇന്ന്";
    for (let maxDocumentTokens = 1; maxDocumentTokens < 12; maxDocumentTokens++) {
      const { results } = await llama.rank(query, [text], { maxDocumentTokens, tokenScores: true });
      const shown = results[0]!
        .tokenScores!.map((token) => token.text)
        .join("")
        .replace("[1] ", "");
      expect(text.startsWith(shown)).toBe(true);
      expect(shown).not.toContain("\uFFFD");
    }
  });
});
