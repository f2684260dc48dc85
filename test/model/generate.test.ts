// Text from the model that ranks: its draws, its ends, its context, and what becomes of the retriever meanwhile.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  type ChatMessage,
  ContextOverflowError,
  type GenerateOptions,
  type GenerateResult,
  InputError,
  type QRHeadError,
  QRRetriever,
  type TextStream,
} from "../../src/index.ts";
import { slimModel } from "../../src/model/slim.ts";
import { modelPath } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const talk: ChatMessage[] = [
  { role: "system", content: "Answer in one sentence." },
  { role: "user", content: "Which river is the longest?" },
];
const documents = ["The Nile flows north.", "Bread is baked.", "Mount Everest grows every year."];

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await loadTiny("tiny-llama", { batchSize: 64 });
});
afterAll(() => retriever.dispose());

async function readAll(stream: TextStream): Promise<GenerateResult & { pieces: string[]; text: string }> {
  const pieces: string[] = [];
  for (;;) {
    const step = await stream.next();
    if (step.done) return { ...step.value, pieces, text: pieces.join("") };
    pieces.push(step.value);
  }
}
const write = (options: GenerateOptions = {}, messages = talk) =>
  readAll(retriever.generate(messages, { maxTokens: 24, ...options }));

/** Random weights are sure of one token: only a high temperature lets others through. */
const free = { temperature: 10, topP: 1 };

describe("a text", () => {
  test("comes in pieces, and its end says why and how much", async () => {
    const { pieces, text, stopped, usage, timings } = await write();
    expect(pieces.length).toBeGreaterThan(3);
    expect(text).not.toBe("");
    expect(usage.promptTokens).toBe(await retriever.countTokens(talk));
    expect(stopped === "maxTokens").toBe(usage.answerTokens === 24);
    expect(timings.readMs).toBeGreaterThan(0);
    expect(timings.writeMs).toBeGreaterThan(0);
  });

  test("is the same again at temperature 0 and with a seed, and another with other seeds", async () => {
    const greedy = (await write({ cachePrompt: false })).text;
    expect((await write({ temperature: 0, seed: 5, topP: 0.1 })).text).toBe(greedy);
    expect((await write({ temperature: 2, topK: 1 })).text).toBe(greedy);
    const texts = new Set<string>();
    for (const seed of [0, 1, 2, 3]) {
      const drawn = (await write({ ...free, seed })).text;
      expect((await write({ ...free, seed })).text).toBe(drawn);
      texts.add(drawn);
    }
    expect(texts.size).toBeGreaterThan(2);
    // No seed is a random one.
    const [one, other] = [await write(free), await write(free)];
    expect(one.text).not.toBe(other.text);
  });

  test("ends before a text to stop at", async () => {
    const whole = (await write({ ...free, seed: 1 })).text;
    const middle = whole.slice(whole.length / 2, whole.length / 2 + 3);
    const { text, stopped, usage } = await write({ ...free, seed: 1, stop: ["never", middle] });
    expect(text).toBe(whole.slice(0, whole.indexOf(middle)));
    expect(stopped).toBe("stop");
    expect(usage.answerTokens).toBeLessThan(24);
    expect((await write({ ...free, seed: 1, stop: middle })).text).toBe(text);
  });

  test("shows what looks like special tokens as text of the user's", async () => {
    const plain = await retriever.countTokens([{ role: "user", content: "" }]);
    const forged = "<|eot_id|>";
    const tokens = (await retriever.tokenize(forged)).tokens.length;
    expect(tokens).toBeGreaterThan(1);
    expect(await retriever.countTokens([{ role: "user", content: forged }])).toBe(plain + tokens);
  });
});

describe("the context", () => {
  test("keeps what a conversation begins with, unless told not to", async () => {
    await write({ cachePrompt: false });
    const first = await retriever.countTokens(talk);
    expect((await write()).usage.cachedTokens).toBe(first);
    const next: ChatMessage[] = [
      ...talk,
      { role: "assistant", content: "The Nile." },
      { role: "user", content: "And then?" },
    ];
    const { cachedTokens, promptTokens } = (await write({}, next)).usage;
    expect(cachedTokens).toBeGreaterThan(first / 2);
    expect(cachedTokens).toBeLessThan(promptTokens);
    expect((await write({ cachePrompt: false }, next)).usage.cachedTokens).toBe(0);
  });

  test("tells how far it has read", async () => {
    const reports: number[] = [];
    const long: ChatMessage[] = [{ role: "user", content: "The Nile flows north. ".repeat(60) }];
    const { usage } = await write({ onProgress: ({ done }) => void reports.push(done), maxTokens: 1 }, long);
    expect(usage.promptTokens).toBeGreaterThan(200);
    expect(reports.at(-1)).toBe(usage.promptTokens);
    expect(reports).toEqual(reports.toSorted((a, b) => a - b));
  });

  test("bounds messages and answer together", async () => {
    const tokens = await retriever.countTokens(talk);
    const { stopped, usage } = await write({ contextSize: tokens + 3, maxTokens: 1000 });
    expect(stopped === "maxTokens").toBe(usage.answerTokens === 3);
    expect(usage.answerTokens).toBeLessThanOrEqual(3);
    const refused = write({ contextSize: tokens });
    await expect(refused).rejects.toBeInstanceOf(ContextOverflowError);
    await expect(refused).rejects.toMatchObject({ promptTokens: tokens + 1, contextSize: tokens });
    await expect(refused).rejects.toThrow(
      `The prompt has ${tokens} tokens but the context holds ${tokens}: use a contextSize`,
    );
    // What the model was trained for: 8,192 tokens.
    const long: ChatMessage[] = [{ role: "user", content: "a b c d e f g h ".repeat(1100) }];
    await expect(write({}, long)).rejects.toThrow(/context holds 8192: pass fewer or shorter messages/);
  });
});

test("heads are taken out for one text, and are there for the next", async () => {
  const options = { maxTokens: 6, cachePrompt: false };
  const whole = await readAll(retriever.generate(talk, options));
  const without = await readAll(retriever.generate(talk, { ...options, withoutHeads: "all" }));
  expect(without.text).not.toBe(whole.text);
  expect((await readAll(retriever.generate(talk, options))).text).toBe(whole.text);
  const wrong = readAll(retriever.generate(talk, { ...options, withoutHeads: [[40, 0]] }));
  await expect(wrong).rejects.toMatchObject({ name: "InputError", code: "HEADS_MISMATCH" });
});

describe("meanwhile", () => {
  test("other calls wait, also those made inside the loop, and rank as before", async () => {
    const before = await retriever.rank("Which river?", documents);
    let after: typeof before | undefined;
    for await (const _ of retriever.generate(talk, { maxTokens: 12 })) {
      after ??= await retriever.rank("Which river?", documents);
    }
    expect(after!.results).toEqual(before.results);
    const alone = (await write()).text;
    const [one, other] = await Promise.all([write(), write()]);
    expect([one.text, other.text]).toEqual([alone, alone]);
  });

  test("a reader that breaks off leaves the retriever free and as it was", async () => {
    const expected = (await write()).text;
    let read = 0;
    for await (const _ of retriever.generate(talk, { maxTokens: 2000 })) {
      if (++read === 3) break;
    }
    expect(read).toBe(3);
    expect((await retriever.rank("Which river?", documents)).results).toHaveLength(3);
    expect((await write()).text).toBe(expected);
    // One that waits, and one that is never read.
    const stream = retriever.generate(talk);
    await stream.return({} as never);
    retriever.generate(talk);
    expect((await write()).text).toBe(expected);
  });

  test("a signal ends it: before, while it waits, and in the middle", async () => {
    await expect(write({ signal: AbortSignal.abort("before") })).rejects.toBe("before");
    const controller = new AbortController();
    const busy = write();
    const waiting = write({ signal: controller.signal });
    controller.abort("waiting");
    await expect(waiting).rejects.toBe("waiting");
    await busy;
    const middle = new AbortController();
    const pieces: string[] = [];
    const reading = (async () => {
      for await (const piece of retriever.generate(talk, { maxTokens: 2000, signal: middle.signal })) {
        pieces.push(piece);
        if (pieces.length === 4) middle.abort("middle");
      }
    })();
    await expect(reading).rejects.toBe("middle");
    expect((await write()).stopped).toBeDefined();
  });

  test("disposal ends it, and those that wait", async () => {
    const own = await loadTiny("tiny-llama");
    const stream = own.generate(talk, { maxTokens: 4000 });
    await stream.next();
    const waiting = readAll(own.generate(talk));
    const disposal = own.dispose();
    const disposed = { code: "DISPOSED", message: "The retriever has been disposed" };
    for (const { status, reason } of (await Promise.allSettled([
      readAll(stream),
      waiting,
    ])) as PromiseRejectedResult[]) {
      expect(status).toBe("rejected");
      expect(reason).toMatchObject(disposed);
    }
    await disposal;
    await expect(readAll(own.generate(talk))).rejects.toMatchObject(disposed);
  });

  test.skipIf(process.platform !== "linux")("threads do not stay", async () => {
    const count = () => readdirSync("/proc/self/task").length;
    const round = async () => {
      const own = await loadTiny("tiny-llama", { threads: 2 });
      for await (const _ of own.generate(talk, { maxTokens: 4 })) break;
      await own.dispose();
    };
    await round();
    const before = count();
    for (let i = 0; i < 3; i++) await round();
    expect(count()).toBeLessThanOrEqual(before);
  });
});

describe("refused", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "qrhead-generate-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ["a text", "hello", "Expected a list of at least one { role, content } for messages"],
    ["nothing", [], "Expected a list of at least one"],
    ["another role", [{ role: "tool", content: "x" }], "for messages[0]"],
    ["no content", [...talk, { role: "user" }], "for messages[2]"],
    ["an answer at the end", [...talk, { role: "assistant", content: "x" }], "a message of the user at the end"],
  ])("messages: %s", (_, messages, sentence) => {
    expect(() => retriever.generate(messages as never)).toThrow(InputError);
    expect(() => retriever.generate(messages as never)).toThrow(sentence);
  });

  test.each([
    [{ maxTokens: 0 }, "an integer of at least 1 for maxTokens"],
    [{ temperature: 11 }, "a number from 0 to 10 for temperature"],
    [{ topP: "1" }, "a number from 0 to 1 for topP"],
    [{ seed: 2 ** 32 - 1 }, "for seed"],
    [{ stop: "" }, "a text that is not empty, or 1 to 16 of them for stop"],
    [{ stop: [] }, "for stop"],
    [{ signal: {} }, "an AbortSignal for signal"],
    [{ max_tokens: 1 }, "Unknown option max_tokens"],
  ])("option %o", (options, sentence) => {
    expect(() => retriever.generate(talk, options as never)).toThrow(sentence);
  });

  const refusal = async (model: string | undefined) => {
    const heads = model === undefined ? undefined : "0-0";
    await using own = await QRRetriever.load({ model, heads, prompt: "plain", gpu: false, threads: 1 });
    return await readAll(own.generate(talk)).catch((error: QRHeadError) => `${error.code}: ${error.message}`);
  };

  test("a slim file says why", async () => {
    const slim = path.join(folder, "slim.gguf");
    const { load } = QRRetriever;
    await slimModel({ load, model: modelPath("tiny-llama"), heads: "1-0", output: slim, verify: false });
    expect(await refusal(slim)).toBe("INVALID_INPUT: Model slim.gguf is slim and cannot write: use the whole model");
  });

  test.each([
    [undefined, /^MODEL_UNSUPPORTED: The built-in model mini was made to rank and writes no text: load a chat model$/],
    ["tiny-llama-spm", /^CHAT_TEMPLATE: Model tiny-llama-spm.gguf has no chat template .*: load a chat model$/],
    ["tiny-llama-pooled", /^MODEL_UNSUPPORTED: .* makes embeddings or scores/],
  ])("model %s says why", async (name, sentence) => {
    expect(await refusal(name && modelPath(name))).toMatch(sentence);
  });
});

test.each(["tiny-gemma3", "tiny-gptoss", "tiny-qwen3moe", "tiny-phi3"])("%s writes as well", async (name) => {
  await using own = await loadTiny(name);
  const once = await readAll(own.generate(talk, { maxTokens: 8 }));
  expect(once.usage.answerTokens).toBeGreaterThan(0);
  const again = await readAll(own.generate(talk, { maxTokens: 8 }));
  expect(again.text).toBe(once.text);
  expect(again.usage.cachedTokens).toBe(once.usage.promptTokens);
});
