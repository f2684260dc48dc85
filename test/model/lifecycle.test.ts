// A retriever from loading to disposal: calls that wait, calls that are aborted, threads, processes.
import { execFile } from "node:child_process";
import { getEventListeners } from "node:events";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Progress, QRHeadError, QRRetriever, type RankResult } from "../../src/index.ts";
import { turnsDuring } from "../helpers/event-loop.ts";
import { modelPath } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const index = pathToFileURL(path.join(root, "src", "index.ts")).href;

const query = "Which river is the longest?";
const few = ["The Nile flows north.", "The Amazon carries the most water.", "Mount Everest grows a little every year."];
const paragraph = "rises in the hills, gathers three brooks, turns a mill and meets the sea behind the old harbour.";
const many = Array.from({ length: 14 }, (_, i) => `River number ${i} ${paragraph}`);

/** Enough for about half a second in one forward pass. */
const most = Array.from({ length: 8 }, () => many).flat();

const contents = ({ timings: _, ...result }: RankResult) => result;
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;
const disposed = { name: "QRHeadError", code: "DISPOSED", message: "The retriever has been disposed" };

let retriever: QRRetriever;
let expected: { few: RankResult; many: RankResult };
beforeAll(async () => {
  retriever = await loadTiny("tiny-llama-spm", { batchSize: 32 });
  expected = { few: await retriever.rank(query, few), many: await retriever.rank(query, many) };
});
afterAll(() => retriever.dispose());

describe("a disposed retriever", () => {
  test("refuses to rank, and still says what it was", async () => {
    const own = await loadTiny("tiny-llama-spm");
    await own.dispose();
    await own.dispose();
    expect(own.disposed).toBe(true);
    await expect(own.rank(query, few)).rejects.toMatchObject(disposed);
    await expect(own.rank(query, few)).rejects.toBeInstanceOf(QRHeadError);
    expect(own.model.architecture).toBe("llama");
    expect(own.heads).toHaveLength(12);
    expect(own.prompt).toBe("plain");
  });

  test("has finished the running call and turned away those that waited", async () => {
    const own = await loadTiny("tiny-llama-spm", { batchSize: 32 });
    const settled: string[] = [];
    const note = (name: string) => () => void settled.push(name);
    const running = own.rank(query, many);
    const waiting = own.rank(query, few);
    const disposal = own.dispose();
    expect(own.disposed).toBe(true);
    expect(own.dispose()).toBe(disposal);
    const late = own.rank(query, few);
    running.then(note("running"));
    disposal.then(note("disposed"));
    await Promise.all([expect(late).rejects.toMatchObject(disposed), expect(waiting).rejects.toMatchObject(disposed)]);
    expect(contents(await running)).toEqual(contents(expected.many));
    await disposal;
    expect(settled).toEqual(["running", "disposed"]);
  });

  test("is what await using leaves behind", async () => {
    let left: QRRetriever;
    {
      await using own = await loadTiny("tiny-llama-spm");
      left = own;
      await own.rank(query, few);
      expect(own.disposed).toBe(false);
    }
    expect(left.disposed).toBe(true);
    await expect(left.rank(query, few)).rejects.toMatchObject(disposed);
  });

  test("without a call was never in the way", async () => {
    for (let i = 0; i < 5; i++) await (await loadTiny("tiny-llama-spm")).dispose();
  });
});

describe("an aborted call", () => {
  test("that never began rejects with the reason", async () => {
    for (const reason of [new Error("mine"), "a text", null, 0]) {
      const signal = AbortSignal.abort(reason);
      await expect(retriever.rank(query, few, { signal })).rejects.toBe(reason);
    }
    await expect(retriever.rank(query, few, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
  });

  test.each([
    ["in the middle of the documents", (now: Progress) => now.phase === "prefill" && now.done > now.total / 3],
    ["before the null query", (now: Progress) => now.phase === "null" && now.done === 0],
    ["before the query", (now: Progress) => now.phase === "query" && now.done === 0],
    ["after the query", (now: Progress) => now.phase === "query" && now.done === now.total],
  ])("%s rejects with the reason, and the next call is right", async (_, isTime) => {
    await using own = await loadTiny("tiny-llama-spm", { batchSize: 32 });
    const controller = new AbortController();
    const reason = { why: "enough" };
    const onProgress = (progress: Progress) => {
      if (isTime(progress)) controller.abort(reason);
    };
    const aborted = own.rank(query, many, { signal: controller.signal, onProgress });
    const next = own.rank(query, few);
    await expect(aborted).rejects.toBe(reason);
    expect(contents(await next)).toEqual(contents(expected.few));
    expect(contents(await own.rank(query, many))).toEqual(contents(expected.many));
    expect(listeners(controller.signal)).toBe(0);
  });

  test("in the middle of a forward pass does not let the next one begin inside it", async () => {
    // One batch of all tokens: whatever the abort finds, the engine is still at work when the next call is due.
    await using own = await loadTiny("tiny-llama-spm", { batchSize: 4096 });
    const whole = contents(await own.rank(query, most));
    for (const delay of [0, 10, 50]) {
      const controller = new AbortController();
      const aborted = own.rank(query, ["different", ...most], { signal: controller.signal });
      const next = own.rank(query, most);
      setTimeout(() => controller.abort("too slow"), delay);
      await expect(aborted).rejects.toBe("too slow");
      expect(contents(await next)).toEqual(whole);
    }
  });

  test("that waits rejects at once, and those around it are right", async () => {
    const controller = new AbortController();
    let ran = false;
    const running = retriever.rank(query, many.slice(1));
    const waiting = retriever.rank(query, few, { signal: controller.signal, onProgress: () => (ran = true) });
    const next = retriever.rank(query, few);
    let finished = false;
    running.then(() => (finished = true));
    setImmediate(() => controller.abort("changed my mind"));
    await expect(waiting).rejects.toBe("changed my mind");
    expect(finished).toBe(false);
    expect((await running).results).toHaveLength(many.length - 1);
    expect(contents(await next)).toEqual(contents(expected.few));
    expect(ran).toBe(false);
    expect(listeners(controller.signal)).toBe(0);
  });

  test("leaves a signal's other calls alone that are done", async () => {
    const controller = new AbortController();
    const done = await retriever.rank(query, few, { signal: controller.signal });
    controller.abort("later");
    expect(contents(done)).toEqual(contents(expected.few));
    await expect(retriever.rank(query, few, { signal: controller.signal })).rejects.toBe("later");
  });

  test("leaves no listener on a signal that lives on", async () => {
    const { signal } = new AbortController();
    await using own = await loadTiny("tiny-llama-spm", { signal, contextSize: 256 });
    expect(listeners(signal)).toBe(0);
    for (let i = 0; i < 3; i++) await own.rank(query, few, { signal, headScores: true, maxDocumentTokens: 5 });
    await Promise.all(few.map((text) => own.rank(query, [text], { signal })));
    await expect(own.rank(query, many, { signal, windows: "never" })).rejects.toMatchObject({
      code: "CONTEXT_OVERFLOW",
    });
    await expect(own.rank("", few, { signal })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(listeners(signal)).toBe(0);
  });
});

describe("loading", () => {
  test("rejects with the reason of a signal", async () => {
    const reason = new Error("no more");
    await expect(loadTiny("tiny-llama-spm", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = loadTiny("tiny-llama-spm", { signal: controller.signal });
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
    expect(listeners(controller.signal)).toBe(0);
  });

  test("reports hundredths up to all of them", async () => {
    const seen: Progress[] = [];
    await using _ = await loadTiny("tiny-llama-spm", { onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen.map(({ phase, total }) => `${phase} of ${total}`))).toEqual(new Set(["load of 100"]));
    const done = seen.map((progress) => progress.done);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(done.at(-1)).toBe(100);
  });
});

describe("progress", () => {
  test("counts the tokens of documents, null query and query", async () => {
    const seen: Progress[] = [];
    await using own = await loadTiny("tiny-llama-spm", { batchSize: 48 });
    const { usage } = await own.rank(query, many, { onProgress: (progress) => seen.push(progress) });
    const of = (phase: Progress["phase"]) => seen.filter((progress) => progress.phase === phase);
    expect(seen).toEqual([...of("prefill"), ...of("null"), ...of("query")]);

    const documents = usage.promptTokens - usage.queryTokens;
    const steps = Array.from({ length: Math.ceil(documents / 48) }, (_, i) => Math.min((i + 1) * 48, documents));
    expect(of("prefill")).toEqual(steps.map((done) => ({ phase: "prefill", done, total: documents })));
    expect(of("null").map(({ done, total }) => done / total)).toEqual([0, 1]);
    expect(of("null")[0]!.total).toBeLessThan(usage.queryTokens);
    expect(of("query").map(({ done }) => done)).toEqual([0, usage.queryTokens]);
  });

  test("skips what the cache holds, and what is not wanted", async () => {
    const phases = async (options: { calibration?: boolean }) => {
      const seen = new Set<string>();
      await retriever.rank(query, few, { ...options, onProgress: ({ phase }) => seen.add(phase) });
      return [...seen];
    };
    await retriever.rank(query, many.slice(2));
    expect(await phases({ calibration: false })).toEqual(["prefill", "query"]);
    expect(await phases({})).toEqual(["null", "query"]);
  });

  test.each(["prefill", "null", "query"])("rejects the call with what the listener throws, in %s", async (wanted) => {
    const error = Object.assign(new Error("listener"), { code: "EPIPE" });
    const onProgress = ({ phase }: Progress) => {
      if (phase === wanted) throw error;
    };
    await using own = await loadTiny("tiny-llama-spm", { batchSize: 32 });
    await expect(own.rank(query, many, { onProgress })).rejects.toBe(error);
    expect(contents(await own.rank(query, few))).toEqual(contents(expected.few));
  });

  test("rejects the loading with what the listener throws", async () => {
    const error = new Error("listener");
    const onProgress = () => {
      throw error;
    };
    await expect(loadTiny("tiny-llama-spm", { onProgress })).rejects.toBe(error);
  });
});

test("the event loop turns during a long call", async () => {
  await using own = await loadTiny("tiny-llama-spm", { batchSize: 4096 });
  const call = own.rank(query, most);
  expect(await turnsDuring(call)).toBeGreaterThan(100);
  expect((await call).usage.promptTokens).toBeGreaterThan(3000);
});

test("two retrievers work side by side", async () => {
  await using llama = await loadTiny("tiny-llama-spm", { batchSize: 32 });
  await using qwen = await loadTiny("tiny-qwen2");
  const alone = contents(await qwen.rank(query, few));
  const [first, second, third, fourth] = await Promise.all([
    llama.rank(query, many),
    qwen.rank(query, many),
    llama.rank(query, few),
    qwen.rank(query, few),
  ]);
  expect(contents(first)).toEqual(contents(expected.many));
  expect(second.usage).not.toEqual(first.usage);
  expect(contents(third)).toEqual(contents(expected.few));
  expect(contents(fourth)).toEqual(alone);
});

/** Ranks `few` with tiny-llama inside another thread or process; `ending` runs with the retriever and the result. */
const script = (ending: string) => `
  import("tsx/esm/api").then(async ({ tsImport }) => {
    const { QRRetriever } = await tsImport(${JSON.stringify(index)}, ${JSON.stringify(index)});
    const options = { model: ${JSON.stringify(modelPath("tiny-llama-spm"))}, heads: "all", gpu: false, threads: 1 };
    const retriever = await QRRetriever.load({ ...options, batchSize: 32 });
    const result = await retriever.rank(${JSON.stringify(query)}, ${JSON.stringify(few)});
    ${ending}
  });`;

describe("another thread", () => {
  test("ranks as this one does, at the same time", async () => {
    const worker = new Worker(script(`require("node:worker_threads").parentPort.postMessage(result.results);`), {
      eval: true,
    });
    const message = new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    const exit = new Promise((resolve) => worker.once("exit", resolve));
    expect(contents(await retriever.rank(query, many))).toEqual(contents(expected.many));
    expect(await message).toEqual(expected.few.results);
    expect(await exit).toBe(0);
    expect(contents(await retriever.rank(query, few))).toEqual(contents(expected.few));
  });
});

describe("another process", () => {
  const run = (ending: string) => promisify(execFile)(process.execPath, ["--eval", script(ending)], { cwd: root });

  test("ends with 0 when it never disposes", async () => {
    const { stdout, stderr } = await run("process.stdout.write(JSON.stringify(result.results));");
    expect(JSON.parse(stdout)).toEqual(expected.few.results);
    expect(stderr).toBe("");
  });

  test("ends with 0 when it exits in the middle of a call", async () => {
    const { stdout, stderr } = await run(`
      retriever.rank("again", ${JSON.stringify(many)}, {
        onProgress: () => { process.stdout.write("running"); process.exit(0); },
      });`);
    expect(stdout).toBe("running");
    expect(stderr).toBe("");
  });

  test("ends with 0 when it terminates a thread in the middle of a call", async () => {
    const ending = `
      const onProgress = () => require("node:worker_threads").parentPort.postMessage("running");
      await retriever.rank("again", ${JSON.stringify(many)}, { onProgress });`;
    const main = `
      const { Worker } = require("node:worker_threads");
      const worker = new Worker(${JSON.stringify(script(ending))}, { eval: true });
      worker.once("message", () => worker.terminate().then(() => process.stdout.write("terminated")));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--eval", main], { cwd: root });
    expect(stdout).toBe("terminated");
  });

  test("ends with 0 when it disposes", async () => {
    const { stderr } = await run("await retriever.dispose();");
    expect(stderr).toBe("");
  });
});

test("loading and disposing in any order leaves the others alone", async () => {
  const all = await Promise.all(["tiny-llama-spm", "tiny-qwen2", "tiny-llama-spm"].map((name) => loadTiny(name)));
  await all[0]!.dispose();
  expect((await all[2]!.rank(query, few)).results).toHaveLength(few.length);
  await Promise.all(all.map((one) => one.dispose()));
  expect(all.every((one) => one instanceof QRRetriever && one.disposed)).toBe(true);
});
