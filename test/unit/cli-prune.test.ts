// What `qrhead prune` makes of its arguments before it loads a model.
import { Command } from "commander";
import { expect, test } from "vitest";
import { registerPrune } from "../../src/cli/commands/prune.ts";

async function failureOf(args: readonly string[]): Promise<string> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {}, outputError: () => {} });
  registerPrune(program);
  const [failure] = await Promise.allSettled([program.parseAsync(["prune", ...args], { from: "user" })]);
  return failure.status === "rejected" ? String((failure.reason as Error).message) : "no failure";
}

const BASE = ["--query", "q", "--top-k", "1"];

test.each<[string[], string]>([
  // Whatever stands behind a speaker's name or two marks is an argument of its own.
  [[...BASE, "--keep-speaker", "system", "/nowhere/a.txt"], "/nowhere/a.txt does not exist"],
  [[...BASE, "--keep-speaker", "system", "--keep-speaker", "Ann", "/nowhere/a.txt"], "/nowhere/a.txt does not exist"],
  [[...BASE, "--keep-marks", "<k>", "</k>", "/nowhere/a.txt"], "/nowhere/a.txt does not exist"],
  [[...BASE, "--keep-marks", "--", "--", "/nowhere/a.txt"], "/nowhere/a.txt does not exist"],
  [["/nowhere/a.txt", ...BASE, "--keep-marks=<k>", "--keep-marks=</k>"], "/nowhere/a.txt does not exist"],
  [[...BASE, "/nowhere/a.txt", "--keep-marks", "<k>"], "--keep-marks"],
  [[...BASE, "/nowhere/a.txt", "/nowhere/b.txt"], "/nowhere/a.txt does not exist"],
  [["q", "--top-k", "1", "/nowhere/a.txt"], "/nowhere/a.txt does not exist"],
  [["q", "--top-k", "1", "--docs", "/nowhere/d.jsonl"], "/nowhere/d.jsonl does not exist"],
  [["--query", "q", "a.txt"], "exactly one of --budget, --threshold and --top-k, or --relative, but received none"],
  [
    [...BASE, "--budget", "9", "a.txt"],
    "exactly one of --budget, --threshold and --top-k, or --relative, but received --budget and --top-k",
  ],
  [["--query", "q", "--budget", "0", "a.txt"], "for --budget but received"],
  [["--query", "q", "--threshold", "x", "a.txt"], "for --threshold but received"],
  [["--query", "q", "--relative", "1.5", "a.txt"], "for --relative but received"],
  [[...BASE, "--turn", "(", "a.txt"], "a regular expression"],
  [[...BASE, "--max-document-tokens", "5", "a.txt"], "unknown option '--max-document-tokens'"],
  [
    ["--query-file", "-", "--top-k", "1", "-"],
    "Expected standard input for --query-file or for the files (--docs) but received - for both",
  ],
])("%j: %s", async (args, message) => {
  expect(await failureOf(args)).toContain(message);
});
