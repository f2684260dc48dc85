import { readdirSync, readFileSync } from "node:fs";
import { type IsolatedLoadOptions, IsolatedRetriever } from "../../src/isolate/index.ts";
import { modelPath } from "./models.ts";

/** `loadTiny` in a process of its own; its child runs what is built in `dist`. */
export function loadIsolated(name: string, options: IsolatedLoadOptions = {}): Promise<IsolatedRetriever> {
  return IsolatedRetriever.load({ model: modelPath(name), heads: "all", gpu: false, threads: 1, ...options });
}

/** Numbers of the living processes that a process started and that hold a model (Linux). */
export function enginesOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const status = read(`/proc/${pid}/status`);
      const isChild = new RegExp(`^PPid:\\s+${parent}$`, "m").test(status) && !/^State:\s+Z/m.test(status);
      return isChild && read(`/proc/${pid}/cmdline`).includes("isolate/child.js");
    });
}

/** Whether a process runs; one that has ended and was not asked for yet does not. */
export function isRunning(pid: number): boolean {
  return /^State:\s+[^ZX]/m.test(read(`/proc/${pid}/status`));
}

/** Waits until something is so. */
export async function until(holds: () => boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error("Waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
