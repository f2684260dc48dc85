// Electron's utilityProcess, imitated: its process has a `parentPort` whose messages are events, and tells of no parent that
// went away. The protocol is the real one.
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { UtilityProcess } from "../../src/isolate/index.ts";
import { loadIsolated } from "../helpers/isolated.ts";
import { loadTiny } from "../helpers/retriever.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
afterAll(() => rmSync(folder, { recursive: true }));

const port = path.join(folder, "port.mjs");
writeFileSync(
  port,
  `const send = process.send.bind(process);
   process.send = undefined;
   process.parentPort = {
     postMessage: (message) => send(message),
     on: (_, listener) => process.on("message", (data) => listener({ data })),
   };`,
);

class Imitation implements UtilityProcess {
  readonly #child: ChildProcess;
  constructor(program: string, args: string[], options: object) {
    const execArgv = ["--import", pathToFileURL(port).href];
    const stdio = ["ignore", "ignore", "pipe", "ipc"] as const;
    this.#child = fork(program, args, { ...options, execArgv, stdio: [...stdio], serialization: "advanced" });
  }
  get pid() {
    return this.#child.pid;
  }
  get stderr() {
    return this.#child.stderr;
  }
  postMessage(message: unknown) {
    this.#child.send(message as object, () => {});
  }
  on(event: "message" | "exit", listener: (value: never) => void) {
    return this.#child.on(event, listener as () => void);
  }
  kill() {
    return this.#child.kill();
  }
}

const utilityProcess = {
  fork: (program: string, args: string[] = [], options: object = {}) => new Imitation(program, args, options),
};

describe("a utility process", () => {
  it("does what a forked one does, and is started again", async () => {
    await using own = await loadTiny("tiny-llama");
    await using retriever = await loadIsolated("tiny-llama", { utilityProcess });
    const documents = ["Bananas are yellow.", "The tower stands in Paris."];
    const expected = (await own.rank("Where is the tower?", documents)).results;
    const phases = new Set<string>();
    const onProgress = ({ phase }: { phase: string }) => void phases.add(phase);
    expect((await retriever.rank("Where is the tower?", documents, { onProgress })).results).toEqual(expected);
    expect([...phases]).toEqual(["prefill", "null", "query"]);

    const onKill = () => void process.kill(retriever.pid!, "SIGKILL");
    // Takes long enough to read that the process ends meanwhile.
    const many = Array.from({ length: 40 }, (_, index) => `text ${index} ${"more ".repeat(100)}`);
    const options = { layout: "independent", onProgress: onKill } as const;
    await expect(retriever.rank("a", many, options)).rejects.toMatchObject({
      code: "ENGINE_DIED",
    });
    expect((await retriever.rank("Where is the tower?", documents)).results).toEqual(expected);
    await expect(retriever.rank("", documents)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
