// The CUDA build on a card, where there is one: attention is read from its memory. docs/results/cuda.md has one such run.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { modelPath } from "../helpers/models.ts";

const children = path.join(path.dirname(fileURLToPath(import.meta.url)), "children");

/**
 * Of the largest value. On one card the scores of documents were up to 4.2e-3 apart for models with F32 weights, and those of
 * heads in detection up to 7.5e-2: a token that crosses the threshold of the outlier mask moves a score by a step.
 */
const TOLERANCE = { documents: 1e-2, heads: 0.15 };

async function run<T>(script: string, ask: object): Promise<T> {
  const args = ["--import", "tsx", path.join(children, script), JSON.stringify(ask)];
  return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout);
}

type Devices = { devices?: { type: string; failure?: string }[]; error?: { message: string } };

/** Why it cannot be run here, or nothing. In a process of its own: this one is bound to the CPU. */
async function obstacle(): Promise<string | undefined> {
  const build = path.resolve(
    "node_modules",
    "@node-llama-cpp",
    `${process.platform === "win32" ? "win" : "linux"}-x64-cuda`,
  );
  if (process.platform === "darwin" || !existsSync(build)) return "no CUDA build is installed";
  return (await run<Devices>("ranks-on.mts", { gpu: "cuda" })).error?.message;
}

const reason = await obstacle();

test.skipIf(reason !== undefined)(
  "CUDA and the CPU agree on what every head says of documents, and on the heads that are found",
  { timeout: 120_000 },
  async () => {
    type Found = Record<string, { documents: number[][]; heads: number[][] }>;
    const models = ["tiny-llama", "tiny-qwen3"].map(modelPath);
    const on = (gpu: "cuda" | false) => run<Found>("ranks-and-detects.mts", { gpu, models });
    const [cuda, cpu] = [await on("cuda"), await on(false)];
    for (const model of models) {
      for (const what of ["documents", "heads"] as const) {
        const [found, expected] = [cuda[model]![what].flat(), cpu[model]![what].flat()];
        expect(found.length).toBe(expected.length);
        const largest = Math.max(...expected.map(Math.abs));
        expect(largest).toBeGreaterThan(0);
        const apart = Math.max(...found.map((value, index) => Math.abs(value - expected[index]!)));
        expect(apart / largest).toBeLessThan(TOLERANCE[what]);
        // It was another device: the last digits say so.
        expect(apart).toBeGreaterThan(0);
      }
    }
  },
);
