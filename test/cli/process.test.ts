import { type ChildProcess, execFileSync } from "node:child_process";
import { constants, openSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const version = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version as string;

const files = temporaryFolder();
afterAll(() => files.remove());

/** It has no signals. */
const isWindows = process.platform === "win32";

describe.concurrent("qrhead", () => {
  it("prints help without arguments, and its version", async () => {
    const [bare, help, versioned] = await Promise.all([run([]), run(["--help"]), run(["--version"])]);
    expect(bare).toMatchObject({ code: 0, stderr: "" });
    expect(bare.stdout).toBe(help.stdout);
    for (const command of ["demo", "rerank", "heads", "slim", "doctor"]) expect(bare.stdout).toContain(`  ${command} `);
    expect(versioned).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("prints help of commands with examples", async () => {
    for (const command of [["rerank"], ["heads"], ["heads", "show"], ["slim"], ["doctor"]]) {
      const result = await run([...command, "--help"]);
      expect(result).toMatchObject({ code: 0, stderr: "" });
      expect(result.stdout).toContain(`$ qrhead ${command[0]}`);
    }
  });

  it("suggests the right spelling, and says what is missing", async () => {
    const [command, sub, option, value] = await Promise.all([
      run(["rernk"]),
      run(["heads", "lits"]),
      run(["doctor", "--modle", "x"]),
      run(["rerank", "--query", "q", "--docs"]),
    ]);
    expectFailure(command, 2, "rernk", "rerank");
    expectFailure(sub, 2, "lits", "list");
    expectFailure(option, 2, "--modle", "--model");
    expectFailure(value, 2, "--docs", "argument missing");
  });

  it("shows stack and causes with --verbose, after the line", async () => {
    const result = await run(["rerank", "--query", "q", "--docs", "/nowhere", "--verbose"]);
    expect(result.code).toBe(2);
    const [first, ...rest] = result.stderr.split("\n");
    expect(first).toBe("qrhead: File or folder /nowhere does not exist");
    expect(rest.join("\n")).toMatch(/^InputError: [\s\S]*\n {4}at [\s\S]*Caused by: Error: ENOENT/);
  });

  it.skipIf(isWindows)("ends with 130 on Ctrl+C while it waits for documents", async () => {
    const result = await run(["rerank", "--query", "q", "--docs", "-"], {
      input: null,
      // More than a pipe holds: once it is through, the process is reading.
      onSpawn: (child) => child.stdin.write("line\n".repeat(100_000), () => child.kill("SIGINT")),
    });
    expect(result).toMatchObject({ stdout: "", stderr: "qrhead: interrupted\n", code: 130 });
  });

  it
    .skipIf(isWindows)
    .each([
      { args: ["rerank", "--query", "q", "--docs"] },
      { args: ["detect", "--json", "--bootstrap"] },
      { args: ["ask", "--model", "m.gguf", "--query", "q"] },
    ])("hears one Ctrl+C while it waits for a pipe: $args", async ({ args }) => {
    const pipe = files.path(`pipe-${args[0]}`);
    execFileSync("mkfifo", [pipe]);
    const { stderr, code, signal } = await run([...args, pipe], {
      onSpawn(child) {
        const timer = setInterval(() => {
          try {
            // Refused until somebody reads; open from then on, so that the reader waits for a first byte.
            openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
            clearInterval(timer);
            child.kill("SIGINT");
          } catch {
            // Nobody does yet.
          }
        }, 20);
        child.on("close", () => clearInterval(timer));
      },
    });
    expect(stderr).toBe("qrhead: interrupted\n");
    // A shell sees 130 for both; the signal ends a process whose call to the system still waits.
    expect(["SIGINT", 130]).toContain(signal ?? code);
  });

  it.skipIf(isWindows)("ends with 130 on Ctrl+C while it computes", async () => {
    const text = "The mill by the river grinds wheat for the whole village. ".repeat(600);
    const input = `${JSON.stringify({ text, ignored: "more than a pipe holds".repeat(10_000) })}\n`;
    const interrupt = (child: ChildProcess) => setTimeout(() => child.kill("SIGINT"), 1500);
    const result = await run(
      [
        "rerank",
        "--query",
        "q",
        "--docs",
        "-",
        "--model",
        modelPath("tiny-gptoss"),
        "--heads",
        "all",
        "--batch-size",
        "1",
      ],
      { input: null, onSpawn: (child) => child.stdin.end(input, () => interrupt(child)) },
    );
    expect(result).toMatchObject({ stdout: "", stderr: "qrhead: interrupted\n", code: 130 });
  });

  it("ends quietly when the reader has seen enough", async () => {
    const result = await run(["heads", "list", "--json"], { onSpawn: (child) => child.stdout.destroy() });
    expect(result).toMatchObject({ stderr: "", code: 0 });
  });
});
