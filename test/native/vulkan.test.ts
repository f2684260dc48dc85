// The Vulkan build on Mesa's lavapipe, a Vulkan device that computes on the CPU: attention is read from a device's memory.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { modelPath } from "../helpers/models.ts";

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), "children", "ranks-and-detects.mts");
const driver = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
const build = path.resolve("node_modules", "@node-llama-cpp", "linux-x64-vulkan");

/** Of the largest value. Vulkan sums in another order, and multiplies in half precision. */
const TOLERANCE = 5e-3;

type Found = Record<string, { documents: number[][]; heads: number[][] }>;

async function on(gpu: "vulkan" | false, models: string[]): Promise<Found> {
  const args = ["--import", "tsx", script, JSON.stringify({ gpu, models })];
  const env = { ...process.env, VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver, GGML_VK_VISIBLE_DEVICES: "0" };
  return JSON.parse((await promisify(execFile)(process.execPath, args, { env })).stdout);
}

// Most of the time is the driver's, which compiles shaders.
test.skipIf(!existsSync(driver) || !existsSync(build))(
  "Vulkan and the CPU agree on what every head says of documents, and on the heads that are found",
  { timeout: 600_000 },
  async () => {
    const models = [modelPath("tiny-llama")];
    const [vulkan, cpu] = [await on("vulkan", models), await on(false, models)];
    for (const model of models) {
      for (const what of ["documents", "heads"] as const) {
        const [found, expected] = [vulkan[model]![what].flat(), cpu[model]![what].flat()];
        expect(found.length).toBe(expected.length);
        const largest = Math.max(...expected.map(Math.abs));
        expect(largest).toBeGreaterThan(0);
        const apart = Math.max(...found.map((value, index) => Math.abs(value - expected[index]!)));
        expect(apart / largest).toBeLessThan(TOLERANCE);
        // It was another device: the last digits say so.
        expect(apart).toBeGreaterThan(0);
      }
    }
  },
);
