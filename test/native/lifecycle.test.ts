// Cancelling, ending and sharing: what happens to work when the caller, the thread or the process has had enough.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { addon, createContext, load, never, observeHeads, tokensOf } from "../helpers/addon.ts";
import { runChild } from "../helpers/child.ts";
import { turnsDuring } from "../helpers/event-loop.ts";
import { modelPath } from "../helpers/models.ts";

const aborted = expect.objectContaining({ code: "ABORTED" });
const tokens = (count: number) => Int32Array.from({ length: count }, (_, i) => 1000 + (i % 500));
/** Processor time that work takes: a machine that does other things lets it wait, and does not add to it. */
async function timed(work: Promise<unknown>): Promise<number> {
  const begin = process.cpuUsage();
  await work;
  const { user, system } = process.cpuUsage(begin);
  return user + system;
}
const ended = (code: number) => ({ code, signal: null, stderr: "" });

describe("cancelling", () => {
  test("before it began, every call is aborted", async () => {
    const cancellation = new addon.Cancellation();
    cancellation.cancel();
    expect(cancellation.cancelled).toBe(true);
    const options = { path: modelPath("tiny-llama-spm"), gpuLayers: 0, useMmap: true };
    await expect(addon.loadModel(options, cancellation)).rejects.toEqual(aborted);
    const model = await load("tiny-llama-spm");
    const context = await createContext(model);
    await expect(context.prefill(tokens(5), cancellation)).rejects.toEqual(aborted);
    await expect(observeHeads(context, tokens(5), cancellation)).rejects.toEqual(aborted);
    expect(context.position).toBe(0);
    await expect(model.tokenize([{ text: "Hello", special: false }], cancellation)).rejects.toEqual(aborted);
    await expect(createContext(model, {}, cancellation)).rejects.toEqual(aborted);
    const output = path.join(os.tmpdir(), "qrhead-never-written.gguf");
    const slim = { input: options.path, output, layers: 1, totalLayers: 3, metadata: {} };
    await expect(addon.slimModel(slim, cancellation)).rejects.toEqual(aborted);
    expect(existsSync(output)).toBe(false);
    await context.dispose();
    await model.dispose();
  });

  test("in the middle of a long text ends its tokenizing", async () => {
    const model = await load("tiny-llama");
    const pieces = [{ text: "abc def ".repeat(1_000_000), special: false }];
    const whole = await timed(model.tokenize(pieces, never));
    const cancellation = new addon.Cancellation();
    setTimeout(() => cancellation.cancel(), 50);
    const work = model.tokenize(pieces, cancellation);
    expect(await timed(expect(work).rejects.toEqual(aborted))).toBeLessThan(whole / 2);
    await model.dispose();
  });

  test("while a model is loading ends the load", async () => {
    const cancellation = new addon.Cancellation();
    const options = { path: modelPath("tiny-qwen2"), gpuLayers: 0, useMmap: true };
    const loading = addon.loadModel(options, cancellation, () => cancellation.cancel());
    await expect(loading).rejects.toEqual(aborted);
  });

  test("in the middle of a prefill ends it within one batch and leaves the cache as it was", async () => {
    const model = await load("tiny-llama");
    const context = await createContext(model, { contextSize: 8192, batchSize: 64 });
    const before = await tokensOf(model, "The capital of France is Paris. The capital of Spain is Madrid.");
    await context.prefill(before, never);
    const cancellation = new addon.Cancellation();
    const done: number[] = [];
    const work = context.prefill(tokens(8000), cancellation, (count) => {
      done.push(count);
      if (done.length === 3) cancellation.cancel();
    });
    await expect(work).rejects.toEqual(aborted);
    expect(done.length).toBeLessThan(20);
    expect(context.position).toBe(before.length);

    const query = await tokensOf(model, "Which city is it?");
    const attention = await observeHeads(context, query);
    context.rollback(0);
    await context.prefill(before, never);
    const undisturbed = await observeHeads(context, query);
    for (let row = 0; row < attention.rows; row++) expect(attention.row(row)).toEqual(undisturbed.row(row));
    await context.dispose();
    await model.dispose();
  });

  test("ends a single batch from within", async () => {
    const model = await load("tiny-llama");
    const context = await createContext(model, { contextSize: 8192, batchSize: 8192 });
    const whole = await timed(context.prefill(tokens(6000), never));
    context.rollback(0);
    const cancellation = new addon.Cancellation();
    setTimeout(() => cancellation.cancel(), 50);
    const work = context.prefill(tokens(6000), cancellation);
    expect(await timed(expect(work).rejects.toEqual(aborted))).toBeLessThan(whole / 2);
    expect(context.position).toBe(0);
    await context.dispose();
    await model.dispose();
  });
});

describe("the event loop", () => {
  test("turns while the engine works, and hears of progress in order", async () => {
    const model = await load("tiny-llama");
    const context = await createContext(model, { contextSize: 4096, batchSize: 256 });
    const done: number[] = [];
    const turns = await turnsDuring(context.prefill(tokens(4096), never, (count) => done.push(count)));
    expect(turns).toBeGreaterThan(100);
    // The last report may arrive a turn behind the result.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(done).toEqual(Array.from({ length: 16 }, (_, i) => 256 * (i + 1)));
    await context.dispose();
    await model.dispose();
  });
});

describe("a process", () => {
  test.each(["process.exit", "process.exit while loading"])("ends quietly and soon by %s", async (ending) => {
    const whole = await runChild("exit", { ending: "loaded" });
    const { code, signal, stderr, ms } = await runChild("exit", { ending });
    expect({ code, signal, stderr }).toEqual(ended(0));
    // The prefill would take eight seconds more.
    expect(ms).toBeLessThan(whole.ms + 3000);
  });

  test("ends soon by an error that nobody catches", async () => {
    const { code, signal, stderr } = await runChild("exit", { ending: "an error that nobody catches" });
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain("Error: thrown on purpose");
    expect(stderr).not.toMatch(/llama|ggml|terminate|Napi/);
  });
});

describe("an exception that leaves libllama", () => {
  // The first one of the process: a runtime of the addon's own would end it here, having thrown nothing itself before.
  test("is an error with a code, and the model works on", async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-exception-"));
    const file = path.join(folder, "no-f0.gguf");
    const bytes = readFileSync(modelPath("tiny-llama-spm"));
    bytes.write("<0xF?>", bytes.indexOf("<0xF0>"), "latin1");
    writeFileSync(file, bytes);
    const { code, signal, stdout } = await runChild("foreign-exception", { file, text: "\u{1D11E}" });
    rmSync(folder, { recursive: true });
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(JSON.parse(stdout)).toEqual([true, { code: "ENGINE_FAILED", message: expect.stringMatching(/\w/) }, true]);
  });
});

describe("worker threads", () => {
  test("work side by side, and may be terminated at any moment", async () => {
    const { code, signal, stderr, stdout } = await runChild("workers");
    expect({ code, signal, stderr }).toEqual(ended(0));
    const [alone, ...others] = JSON.parse(stdout) as number[][];
    expect(others).toEqual([alone, alone, alone]);
  });
});

describe.concurrent("node-llama-cpp in the same process", () => {
  test.each(["theirs first", "ours first"])("works beside it, %s, and both hear what is theirs", async (order) => {
    const { code, signal, stderr, stdout } = await runChild("neighbours", { order });
    expect({ code, signal, stderr }).toEqual(ended(0));
    const { ours, generated, heardBefore, heardAfter } = JSON.parse(stdout);
    expect(ours).toEqual([ours[0], ours[0], ours[0]]);
    expect(generated[1]).toEqual(generated[0]);
    expect(generated[0].generated).toHaveLength(5);
    expect(heardBefore).toBeGreaterThan(10);
    expect(heardAfter).toBeGreaterThan(10);
  });
});

describe.concurrent("memory", () => {
  // One thread and no reuse of large blocks, or the allocator's own habits are larger than what a leak would show.
  const env = {
    UV_THREADPOOL_SIZE: "1",
    MALLOC_ARENA_MAX: "1",
    MALLOC_TRIM_THRESHOLD_: "0",
    MALLOC_MMAP_THRESHOLD_: "65536",
  };

  test.each([
    [100, true],
    [30, false],
  ])("is after %i lives of a model what it was after ten (disposed of by hand: %s)", async (lives, disposed) => {
    const given = { lives, disposed };
    const { code, stdout, stderr } = await runChild("memory", given, { nodeOptions: ["--expose-gc"], env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { early, late } = JSON.parse(stdout) as { early: number; late: number };
    expect(late - early).toBeLessThan(4e6);
  });
});

describe.concurrent("a process that nobody ends", () => {
  test.each(["loaded", "observed", "working", "disposed"])(
    "ends by itself, quietly, with a model %s",
    async (ending) => {
      const { code, signal, stderr, stdout } = await runChild("exit", { ending });
      expect({ code, signal, stderr }).toEqual(ended(0));
      expect(stdout).toBe("ready\n");
    },
  );
});
