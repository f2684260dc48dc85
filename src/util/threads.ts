import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import path from "node:path";

/** Threads beyond the memory's bandwidth slow a prefill down rather than speed it up. */
const MOST_THREADS = 8;
/** The kernel counts in hundredths of a second: a shorter stretch of time says little. */
const SHORTEST_MS = 60;
/** What was measured longer ago says little about now. */
const LONGEST_MS = 10_000;

/** Processor time since the machine and this process began, in milliseconds, and when it was taken. */
export type ProcessorTimes = { at: number; count: number; busyMs: number; ownMs: number };

let before = processorTimes();
let chosen: number | undefined;

/** Begins to measure anew what other processes take of the machine, for the next `defaultThreads`; importing does it too. */
export function watchProcessors(): void {
  before = processorTimes();
}

/**
 * Threads for a forward pass: the processors that this process may use (affinity, a container's quota) and that others
 * leave free, at most 8. More threads than free processors wait for each other, and a pass takes several times as long.
 */
export function defaultThreads(): number {
  const now = processorTimes();
  const elapsed = now.at - before.at;
  const isMeasured = elapsed >= SHORTEST_MS && elapsed <= LONGEST_MS;
  if (chosen !== undefined && !isMeasured) return chosen;
  // The load average would lag by a minute, and counts this process as well.
  const free = isMeasured ? freeProcessors(before, now) : now.count;
  chosen = threadsFor(availableParallelism(), cgroupProcessors(readText), free);
  return chosen;
}

/** @param quota Processors that a container may use, where that is bounded. */
export function threadsFor(available: number, quota: number | undefined, free: number): number {
  return Math.max(1, Math.min(MOST_THREADS, available, Math.round(quota ?? available), Math.round(free)));
}

/** Processors that other processes left free between two measurements. */
export function freeProcessors(from: ProcessorTimes, to: ProcessorTimes): number {
  const others = to.busyMs - from.busyMs - (to.ownMs - from.ownMs);
  return to.count - Math.max(0, others) / (to.at - from.at);
}

/**
 * Processors that the control groups of this process allow (Linux, version 1 and 2): the smallest quota from its own group
 * up to the root; undefined where none is set.
 *
 * @param read Gives the text of a file, or undefined where there is none.
 */
export function cgroupProcessors(read: (file: string) => string | undefined): number | undefined {
  const quotas: number[] = [];
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || group === undefined) continue;
    const isUnified = controllers === "";
    if (!isUnified && !controllers.split(",").includes("cpu")) continue;
    const mounts = isUnified
      ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
      : [`/sys/fs/cgroup/${controllers}`, "/sys/fs/cgroup/cpu"];
    for (const mount of mounts) {
      // Inside a container the path is often that of the host, and only the mount itself is there.
      for (let folder = path.posix.join("/", group); ; folder = path.posix.dirname(folder)) {
        const inside = (name: string) => read(path.posix.join(mount, folder, name));
        const [limit, period] = isUnified
          ? (inside("cpu.max") ?? "").trim().split(/\s+/)
          : [inside("cpu.cfs_quota_us"), inside("cpu.cfs_period_us")];
        const processors = Number.parseInt(limit ?? "", 10) / Number.parseInt(period ?? "", 10);
        // No quota is "max", or -1.
        if (processors > 0) quotas.push(processors);
        if (folder === "/") break;
      }
    }
  }
  return quotas.length > 0 ? quotas.reduce((least, quota) => Math.min(least, quota)) : undefined;
}

function processorTimes(): ProcessorTimes {
  const { user, system } = process.cpuUsage();
  const all = cpus();
  const busyMs = all.reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  return { at: performance.now(), count: all.length || availableParallelism(), busyMs, ownMs: (user + system) / 1000 };
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
