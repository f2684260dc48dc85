// What a call is known by that ended its process twice. The process is one that ends in every call.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import type { Channel } from "../../src/isolate/channel.ts";
import type { ToChild } from "../../src/isolate/protocol.ts";
import { type Call, Supervisor } from "../../src/isolate/supervisor.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** @returns How often each call reached a process. */
function fatal() {
  const asked: string[] = [];
  const open = (): Channel => {
    let tell: (message: unknown) => void = () => {};
    let end: (how: string, lastLine: string) => void = () => {};
    return {
      pid: 1,
      post: (message) => {
        const { id, type, ...call } = message as Extract<ToChild, { type: "call" }>;
        if (type !== "call") return;
        queueMicrotask(() => {
          if (call.method === "load") return tell({ type: "done", id, value: {} });
          asked.push(call.method);
          tell({ type: "began", id });
          end("SIGABRT", "");
        });
      },
      onMessage: (listener) => {
        tell = listener;
      },
      onExit: (listener) => {
        end = listener;
      },
      kill: () => {},
    };
  };
  const supervisor = new Supervisor({ open, load: { method: "load", args: [], options: {} }, abortTimeout: 1000 });
  const run = (call: Call) => supervisor.run(call, { signal: undefined, functions: {} });
  return { asked, run, start: () => supervisor.start({ signal: undefined, functions: {} }) };
}

const refused = { code: "ENGINE_DIED", advice: expect.stringContaining("twice") };
const died = { code: "ENGINE_DIED", advice: expect.stringContaining("new process") };

it("does not load a corpus file a third time that ended it twice, and does once the file was replaced", async () => {
  const { asked, run, start } = fatal();
  await start();
  const file = path.join(folder, "a.corpus");
  let corpus = 0;
  const load = () => run({ method: "corpus.load", corpus: corpus++, args: [file], options: {} });
  writeFileSync(file, "damaged");
  for (const outcome of [died, died, refused, refused]) await expect(load()).rejects.toMatchObject(outcome);
  expect(asked).toHaveLength(2);
  writeFileSync(file, "another one");
  await expect(load()).rejects.toMatchObject(died);
  rmSync(file);
  await expect(load()).rejects.toMatchObject(died);
  expect(asked).toHaveLength(4);
});

it("does not read documents of a corpus a third time, wherever it is saved to", async () => {
  const { asked, run, start } = fatal();
  await start();
  let corpus = 0;
  const make = (text: string, saveTo?: string) =>
    run({ method: "corpus.create", corpus: corpus++, args: [[{ text }]], options: { ...(saveTo && { saveTo }) } });
  await expect(make("a", "/one")).rejects.toMatchObject(died);
  await expect(make("a", "/two")).rejects.toMatchObject(died);
  for (const place of ["/three", undefined]) await expect(make("a", place)).rejects.toMatchObject(refused);
  await expect(make("b", "/one")).rejects.toMatchObject(died);
  expect(asked).toHaveLength(3);
});
