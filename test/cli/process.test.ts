import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
const version = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version as string;

afterAll(() => files.remove());

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

  it("suggests the right spelling", async () => {
    const [command, sub, option] = await Promise.all([
      run(["rernk"]),
      run(["heads", "lits"]),
      run(["doctor", "--modle", "x"]),
    ]);
    expectFailure(command, 2, "rernk", "rerank");
    expectFailure(sub, 2, "lits", "list");
    expectFailure(option, 2, "--modle", "--model");
  });

  it("shows stack and causes with --verbose, after the line", async () => {
    const result = await run(["rerank", "--query", "q", "--docs", "/nowhere", "--verbose"]);
    expect(result.code).toBe(2);
    const [first, ...rest] = result.stderr.split("\n");
    expect(first).toBe("qrhead: Documents file /nowhere does not exist");
    expect(rest.join("\n")).toMatch(/^InputError: [\s\S]*\n {4}at [\s\S]*Caused by: Error: ENOENT/);
  });

  it("ends with 130 on Ctrl+C while it waits for documents", async () => {
    const result = await run(["rerank", "--query", "q", "--docs", "-"], {
      input: null,
      onSpawn: (child) => setTimeout(() => child.kill("SIGINT"), 3000),
    });
    expect(result).toMatchObject({ stdout: "", stderr: "qrhead: interrupted\n", code: 130 });
  });

  it("ends with 130 on Ctrl+C while it computes", async () => {
    const line = `${JSON.stringify("The mill by the river grinds wheat for the whole village. ".repeat(600))}\n`;
    const docs = files.write("long.jsonl", line);
    const model = modelPath("tiny-gptoss");
    const result = await run(
      ["rerank", "--query", "q", "--docs", docs, "--model", model, "--heads", "all", "--batch-size", "1"],
      { onSpawn: (child) => setTimeout(() => child.kill("SIGINT"), 3000) },
    );
    expect(result).toMatchObject({ stdout: "", stderr: "qrhead: interrupted\n", code: 130 });
  });

  it("ends quietly when the reader has seen enough", async () => {
    const result = await run(["heads", "list", "--json"], { onSpawn: (child) => child.stdout.destroy() });
    expect(result).toMatchObject({ stderr: "", code: 0 });
  });
});
