// The engine's own test, without Node in between: native/test.
import { execFile } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const script = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "scripts", "sanitize.mjs");

// The first run compiles the engine once more, which takes half a minute.
test("the engine's own test passes", { timeout: 300_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, "--plain"]);
  expect(stdout).toMatch(/^engine test passed: \d+ tests, 0 failures/);
});
