// Runs the command line as its users do: as a process of its own.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect } from "vitest";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const built = path.join(root, "dist", "cli", "main.js");

/** In full, because commands also run in folders that have no packages. */
export const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

/** The built command line where it is newer than all sources: what users run, and it starts in a third of the time. */
export const command: readonly string[] = isBuilt()
  ? [built]
  : ["--import", tsx, path.join(root, "src", "cli", "main.ts")];

function isBuilt(): boolean {
  const builtAt = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" });
  return sources.every((file) => statSync(path.join(root, "src", file)).mtimeMs < builtAt);
}

export type CliResult = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

export type CliOptions = {
  /** Standard input; none means an empty one. `null` leaves it open. */
  input?: string | Uint8Array | null;
  env?: Record<string, string>;
  /** Called when the process runs, to send it signals or close its pipes. */
  onSpawn?: (child: ChildProcessWithoutNullStreams) => void;
};

/** Runs `qrhead` with these arguments. */
export function run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { input = "", env, onSpawn } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...command, ...args], {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    // A process that fails early does not read its input.
    child.stdin.on("error", () => {});
    child.on("error", reject).on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
    if (input !== null) child.stdin.end(input);
    onSpawn?.(child);
  });
}

/** Expects one line of error that names all of `parts`, and nothing on standard output. */
export function expectFailure(result: CliResult, code: number, ...parts: string[]): void {
  expect(result.stderr).toMatch(/^qrhead: [^\n]+\n$/);
  for (const part of parts) expect(result.stderr).toContain(part);
  expect(result.stdout).toBe("");
  expect(result.code).toBe(code);
}

/** A folder for one test file, and a way to put files into it. */
export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), "qrhead-cli-"));
  return {
    folder,
    path: (name: string) => path.join(folder, name),
    write(name: string, content: string | Uint8Array): string {
      const file = path.join(folder, name);
      writeFileSync(file, content);
      return file;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
