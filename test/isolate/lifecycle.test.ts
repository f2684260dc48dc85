// Who outlives whom: parent, child, and calls in between.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/native/addon.ts";
import { isRunning, loadIsolated, until } from "../helpers/isolated.ts";
import { modelPath } from "../helpers/models.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
afterAll(() => rmSync(folder, { recursive: true }));

const entry = pathToFileURL(path.join(packageRoot, "dist", "isolate", "index.js")).href;
const query = "Where is the tower?";

/** Runs a program that has a loaded retriever; `say` writes a line. */
function program(body: string) {
  const file = path.join(folder, `${Math.random()}.mjs`);
  const load = JSON.stringify({ model: modelPath("tiny-llama"), heads: "all", gpu: false, threads: 1 });
  writeFileSync(
    file,
    `import { IsolatedRetriever } from ${JSON.stringify(entry)};
     const say = (text) => process.stdout.write(text + "\\n");
     const retriever = await IsolatedRetriever.load(${load});
     ${body}`,
  );
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return { child, output: () => output, ended: once(child, "close") };
}

describe.runIf(process.platform === "linux")("parent and child", () => {
  it("a program ends that has nothing else to do, and its child with it", async () => {
    const { output, ended } = program(
      `say(String(retriever.pid)); await retriever.rank("a", ["b", "c"]); say("done");`,
    );
    expect(await ended).toEqual([0, null]);
    const [pid, done] = output().split("\n");
    expect(done).toBe("done");
    await until(() => !isRunning(Number(pid)));
  });

  it("a program waits for the calls that it made", async () => {
    const body = `retriever.rank("a", ["word ".repeat(500), "c"]).then(({ results }) => say("ranked " + results.length));`;
    const { output, ended } = program(body);
    expect(await ended).toEqual([0, null]);
    expect(output()).toBe("ranked 2\n");
  });

  it("a child ends with its parent, also in the middle of a call", async () => {
    const body = `say(String(retriever.pid));
      for (let i = 0; ; i++) await retriever.rank("a", ["word ".repeat(500) + i, "c"]);`;
    const { child, output, ended } = program(body);
    await until(() => output().includes("\n"));
    const pid = Number(output());
    expect(isRunning(pid)).toBe(true);
    child.kill("SIGKILL");
    await ended;
    await until(() => !isRunning(pid));
  });

  it("dispose ends it after the running call, and rejects those that wait", async () => {
    const retriever = await loadIsolated("tiny-llama");
    const { pid } = retriever;
    const running = retriever.rank(query, ["word ".repeat(300), "b"]);
    const waiting = retriever.rank(query, ["a", "b"]);
    const disposal = retriever.dispose();
    expect(retriever.disposed).toBe(true);
    expect((await running).results).toHaveLength(2);
    await expect(waiting).rejects.toMatchObject({ code: "DISPOSED" });
    await disposal;
    expect(isRunning(pid!)).toBe(false);
    await expect(retriever.rank(query, ["a"])).rejects.toMatchObject({ code: "DISPOSED" });
    await retriever.dispose();
  });

  it("dispose does not wait for a process that was being started again", async () => {
    const retriever = await loadIsolated("tiny-llama");
    process.kill(retriever.pid!, "SIGKILL");
    await until(() => retriever.pid === undefined);
    await retriever.dispose();
    await expect(retriever.rank(query, ["a"])).rejects.toMatchObject({ code: "DISPOSED" });
  });

  it("loading can be stopped", async () => {
    const reason = new Error("enough");
    await expect(loadIsolated("tiny-llama", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = loadIsolated("tiny-llama", { signal: controller.signal });
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
  });
});
