// Two releases of node-llama-cpp in one process: the libraries of both are called libggml-base.so, and the loader of Linux
// gives the one that came first to all.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageLibraries } from "../../src/native/library.ts";
import { variantsFor } from "../../src/native/variants.ts";
import { runChild } from "../helpers/child.ts";
import { makeOtherRelease } from "../helpers/other-release.ts";

const index = pathToFileURL(path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../src/index.ts")).href;
const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-two-releases-"));
const host = path.join(folder, "host");
const cache = path.join(folder, "cache");
let source: string;
let alone: { ours: unknown[] };

type Outcome = { code: number | null; signal: string | null; ours: unknown[]; theirs: number[] };

async function run(order: string, env: Record<string, string> = {}): Promise<Outcome> {
  const { code, signal, stdout, stderr } = await runChild(
    "two-releases",
    { order, host, index },
    { env: { XDG_CACHE_HOME: cache, ...env } },
  );
  return { ours: [], theirs: [], ...(stdout ? JSON.parse(stdout) : { stderr }), code, signal };
}

describe.runIf(process.platform === "linux")("another release of node-llama-cpp in the process", () => {
  beforeAll(async () => {
    source = await packageLibraries(variantsFor(false, { canOpenLibrary: () => false })[0]!.packageName);
    makeOtherRelease(source, host);
    alone = await run("ours alone");
    expect(alone).toMatchObject({ code: 0, ours: [expect.any(Array), expect.any(Array)] });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(["theirs first", "ours first"])(
    "works beside qrhead, %s, and neither calls into the other",
    async (order) => {
      const output = path.join(folder, `bindings ${order}`);
      const { ours, theirs, code, signal } = await run(order, { LD_DEBUG: "bindings", LD_DEBUG_OUTPUT: output });
      expect({ code, signal, ours }).toEqual({ code: 0, signal: null, ours: alone.ours });
      expect(new Set(theirs).size).toBe(1);
      expect(theirs[0]).toBeGreaterThan(0);

      const logs = readdirSync(folder).filter((name) => name.startsWith(path.basename(output)));
      const bindings = logs
        .map((name) => readFileSync(path.join(folder, name), "utf8"))
        .join("\n")
        .split("\n")
        .flatMap((line) => [...line.matchAll(/binding file (\S+) \[0\] to (\S+) \[0\]: .* symbol `(\w+)'/g)]);
      const isOf = (file: string, directory: string) => file.startsWith(`${directory}/`);
      const both = bindings.filter(([, from, to]) => isOf(from!, host) && isOf(to!, host));
      const mixed = bindings.filter(
        ([, from, to]) =>
          (isOf(from!, host) && isOf(to!, cache)) || (isOf(from!, cache) && isOf(to!, host)) || isOf(to!, source),
      );
      expect(both.length).toBeGreaterThan(1000);
      expect(mixed.map(([, from, to, symbol]) => `${from} takes ${symbol} of ${to}`)).toEqual([]);
    },
  );

  test.each([
    ["it is not wanted", { QRHEAD_SHARE_LLAMA: "1" }],
    ["there is no room for it", { XDG_CACHE_HOME: "/proc/nowhere" }],
  ])("is named where qrhead has no copy of its own because %s, and works on", async (_, env) => {
    const { ours, theirs, code, signal } = await run("theirs first", env);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(new Set(theirs).size).toBe(1);
    const refusal = { code: "LIBRARY_MISMATCH", message: expect.stringMatching(/another process/) };
    expect(ours).toEqual([refusal, refusal]);
    const { message } = ours[0] as { message: string };
    expect([message.includes(host), message.includes(source)]).toEqual([true, true]);
  });

  test("need not be there: without a copy qrhead ranks as with one", async () => {
    expect((await run("ours alone", { XDG_CACHE_HOME: "/proc/nowhere" })).ours).toEqual(alone.ours);
  });

  test("leaves one copy in the cache, which others cannot write to, and mends it", async () => {
    const copies = path.join(cache, "qrhead", "llama");
    const [name, ...others] = readdirSync(copies);
    expect(others).toEqual([]);
    const library = path.join(copies, name!, "libggml-base.so");
    rmSync(library);
    expect((await run("ours alone")).ours).toEqual(alone.ours);
    expect(existsSync(library)).toBe(true);
    expect(readdirSync(copies)).toEqual([name]);
  });
});
