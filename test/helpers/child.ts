// Runs the scripts of test/native/children: what may end a process is tried in another one.
import { spawn } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { addonFile } from "../../src/native/addon.ts";
import { findLibraries } from "../../src/native/variants.ts";
import { addon } from "./addon.ts";
import { modelPath } from "./models.ts";

const directory = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "native", "children");

export type ChildResult = {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
};

/** Runs a script with the addon and whatever is `given`; it ends by itself or the test's time is up. */
export async function runChild(
  script: string,
  given: Record<string, unknown> = {},
  { nodeOptions = [], env = {} }: { nodeOptions?: string[]; env?: Record<string, string> } = {},
): Promise<ChildResult> {
  const setup = {
    addonFile: addonFile(),
    libraries: findLibraries((await addon.libraryInfo()).directory),
    models: Object.fromEntries(["tiny-llama", "tiny-llama-spm", "tiny-qwen2"].map((name) => [name, modelPath(name)])),
    ...given,
  };
  const begin = performance.now();
  const child = spawn(process.execPath, [...nodeOptions, path.join(directory, `${script}.mjs`)], {
    env: { ...process.env, NODE_OPTIONS: "", ...env, QRHEAD_CHILD: JSON.stringify(setup) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, ...output, ms: performance.now() - begin }));
  });
}
