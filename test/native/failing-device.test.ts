// A GPU whose driver takes none of the kernels that the published CUDA build has: found, and useless. A library that stands in
// for CUDA's runtime says what a real one says there; llama.cpp and its CUDA backend are the published ones.
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modelPath } from "../helpers/models.ts";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../..");
const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-fake-cuda-"));
const isInstalled = (name: string) => existsSync(path.join(root, "node_modules", "@node-llama-cpp", name));
const lavapipe = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
const REASON = "the provided PTX was compiled with an unsupported toolchain";
const model = modelPath("tiny-llama");

type Outcome = {
  devices?: { name: string; type: string; failure?: string }[];
  vulkan?: boolean;
  scores?: [number, number][];
  warnings?: string[];
  threads?: number;
  error?: { code: string; option?: string; message: string };
};

async function run(program: string[], env: Record<string, string> = {}): Promise<string> {
  const own = { LD_LIBRARY_PATH: folder, QRHEAD_SHARE_LLAMA: "1", VK_DRIVER_FILES: "/nothing.json", ...env };
  const args = ["--import", "tsx", ...program];
  return (await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...own }, cwd: root })).stdout;
}

const rank = async (ask: { gpu: unknown; model?: string }, env?: Record<string, string>): Promise<Outcome> =>
  JSON.parse(await run([path.join(here, "children", "ranks-on.mts"), JSON.stringify(ask)], env));

const hasCompiler = spawnSync("cc", ["--version"]).status === 0;
const runs = process.platform === "linux" && process.arch === "x64" && hasCompiler && isInstalled("linux-x64-cuda");

describe.runIf(runs)("a GPU that no kernel of the build runs on", { timeout: 120_000 }, () => {
  beforeAll(() => {
    const library = path.join(folder, "libcudart.so.13");
    const source = path.join(here, "children", "fake-cuda.c");
    const { status } = spawnSync("cc", ["-shared", "-fPIC", "-w", "-o", library, source], { stdio: "inherit" });
    expect(status).toBe(0);
    for (const name of ["libcuda.so.1", "libcublas.so.13"]) symlinkSync(library, path.join(folder, name));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("with gpu auto the CPU ranks, and a warning says why and what helps", async () => {
    const [auto, cpu] = [await rank({ gpu: "auto", model }), await rank({ gpu: false, model })];
    expect(auto.error).toBeUndefined();
    expect(auto.devices!.find(({ name }) => name === "CUDA0")).toMatchObject({
      type: "gpu",
      failure: expect.any(String),
    });
    expect(auto.scores).toEqual(cpu.scores);
    expect(auto.threads).toBe(1);
    const warning = auto.warnings!.find((text) => text.includes("The CPU computes"));
    for (const part of [
      REASON,
      "Card of a test",
      "update the device's driver",
      'gpu: "vulkan"',
      "gpu: false",
      "source build",
    ]) {
      expect(warning).toContain(part);
    }
    expect(cpu.warnings!.join()).not.toContain("computes");
  });

  test("a GPU that is asked for by name is an error that says the same", async () => {
    const { error } = await rank({ gpu: "cuda", model });
    expect(error).toMatchObject({ code: "LIBRARY_NOT_FOUND", option: "gpu" });
    for (const part of [REASON, "update the device's driver", "gpu: false", "source build"]) {
      expect(error!.message).toContain(part);
    }
    expect(error!.message).not.toMatch(/smaller context|gpuLayers/);
  });

  test("the doctor names the device, the reason and what to do, and tests the CPU", async () => {
    const { ok, checks } = JSON.parse(await run(["src/cli/main.ts", "doctor", "--json", "-m", model]));
    const named = (name: string) => checks.find((check: { name: string }) => check.name === name);
    expect(named("device CUDA0")).toMatchObject({ status: "warn", detail: expect.stringContaining(REASON) });
    expect(named("device CUDA0").advice).toContain("--gpu vulkan");
    expect(named("library").detail).toContain("on the CPU");
    expect(named("self-test")).toBeDefined();
    expect(ok).toBe(!checks.some(({ status }: { status: string }) => status === "fail"));
  });

  test("without a device, gpu auto is the CPU without a word", async () => {
    const { devices, warnings, scores } = await rank({ gpu: "auto", model }, { FAKE_CUDA: "none" });
    expect(devices!.map(({ type }) => type)).toEqual(["cpu"]);
    expect(scores).toHaveLength(2);
    expect(warnings!.join()).not.toContain("computes");
  });

  test.runIf(existsSync(lavapipe) && isInstalled("linux-x64-vulkan"))(
    "with gpu auto Vulkan takes over where it can",
    async () => {
      const env = { VK_DRIVER_FILES: lavapipe, VK_ICD_FILENAMES: lavapipe, GGML_VK_VISIBLE_DEVICES: "0" };
      const { devices, vulkan } = await rank({ gpu: "auto" }, env);
      expect(vulkan).toBe(true);
      expect(devices!.filter(({ failure }) => failure).map(({ name }) => name)).toEqual(["CUDA0"]);
      expect(devices!.filter(({ failure }) => !failure).map(({ name }) => name)).toEqual(["CPU", "Vulkan0"]);
    },
  );
});
