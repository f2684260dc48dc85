import type { ChildProcess } from "node:child_process";
import { afterAll, expect, it } from "vitest";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
afterAll(() => files.remove());

const small = [
  "--document-tokens",
  "64",
  "--query-tokens",
  "16",
  "--rounds",
  "1",
  "--no-memory",
  "--threads",
  "1",
  "--quiet",
];
const bench = ["bench", "--model", modelPath("tiny-llama"), "--gpu", "false", ...small, "--json"];

it("bench measures with the heads of a file, as other commands rank with them", async () => {
  const heads = files.write("heads.txt", "1-0,1-2\n");
  const { stdout, stderr, code } = await run([...bench, "--heads", heads]);
  expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  const { rows, medians } = JSON.parse(stdout);
  expect(rows.map(({ name }: { name: string }) => name)).toContain("the command / its engine calls");
  expect(medians.rerank.totalMs).toBeGreaterThan(0);
  expectFailure(await run([...bench, "--heads", files.write("far.txt", "9-0")]), 2, "9-0");
});

it.runIf(process.platform !== "win32")("bench ends in order when it is interrupted", async () => {
  const long = ["bench", "--model", modelPath("tiny-llama"), "--gpu", "false", "--rounds", "100", "--threads", "1"];
  const interrupt = (child: ChildProcess) => child.stderr!.once("data", () => child.kill("SIGINT"));
  const { code, signal, stdout, stderr } = await run(long, { onSpawn: interrupt });
  // A forward pass may still run, which the signal then ends.
  expect(["SIGINT", 130]).toContain(signal ?? code);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/qrhead: interrupted\n$/);
});
