import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../src/native/addon.ts";
import { expectFailure, run } from "../helpers/cli.ts";
import { enginesOf, isRunning, until } from "../helpers/isolated.ts";
import { modelPath } from "../helpers/models.ts";
import { send } from "../helpers/server.ts";

const main = path.join(packageRoot, "dist", "cli", "main.js");

/** Starts the command; `line` is what it prints. */
async function serve(...args: string[]) {
  const base = ["serve", "-m", modelPath("tiny-llama"), "--heads", "all", "--gpu", "false", "--threads", "1"];
  const child = spawn(process.execPath, [main, ...base, "--port", "0", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  const ended = once(child, "close") as Promise<[number | null, string | null]>;
  await Promise.race([until(() => output.stdout.includes("\n"), 60_000), ended]);
  return { child, output, ended, url: /http:\S+/.exec(output.stdout)?.[0] ?? "" };
}

describe("qrhead serve", () => {
  it.runIf(process.platform !== "win32").each(["SIGTERM", "SIGINT"] as const)(
    "prints one line, answers, and ends with 0 after %s",
    async (signal) => {
      const { child, output, ended, url } = await serve("--api-key", "secret");
      const body = { query: "Where?", documents: ["a", "b"] };
      expect((await send(`${url}/v1/rerank`, body)).status).toBe(401);
      const headers = { authorization: "Bearer secret" };
      expect((await send(`${url}/v1/rerank`, body, { headers })).body.results).toHaveLength(2);
      const engines = process.platform === "linux" ? enginesOf(child.pid!) : [];
      expect(engines).toHaveLength(process.platform === "linux" ? 1 : 0);
      child.kill(signal);
      expect(await ended).toEqual([0, null]);
      expect(output).toEqual({ stdout: `qrhead listening on ${url}\n`, stderr: "" });
      for (const engine of engines) await until(() => !isRunning(engine));
    },
  );

  it("holds the model itself with --in-process", async () => {
    const { child, ended, url } = await serve("--in-process", "--no-page");
    expect((await fetch(url)).status).toBe(404);
    if (process.platform === "linux") expect(enginesOf(child.pid!)).toEqual([]);
    child.kill("SIGTERM");
    await ended;
  });

  it("says on one line what is wrong", async () => {
    const [port, model, taken] = await Promise.all([
      run(["serve", "--port", "70000"]),
      run(["serve", "--model", "/none.gguf", "--port", "0"]),
      run(["serve", "--queue", "0"]),
    ]);
    expectFailure(port, 2, "--port", "65535");
    expectFailure(model, 2, `${path.resolve("/none.gguf")} does not exist`);
    expectFailure(taken, 2, "--queue");
  });
});
