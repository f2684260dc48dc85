import { describe, expect, test } from "vitest";
import { cgroupProcessors, freeProcessors, threadsFor } from "../../src/util/threads.ts";

const reader = (files: Record<string, string>) => (file: string) => files[file];

describe("cgroupProcessors", () => {
  test.each<[string, Record<string, string>, number | undefined]>([
    ["nothing that can be read", {}, undefined],
    [
      "version 2, in a container of its own",
      { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n" },
      1.5,
    ],
    [
      "version 2 without a quota",
      { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n" },
      undefined,
    ],
    [
      "version 2, the smallest up to the root",
      {
        "/proc/self/cgroup": "0::/system.slice/qrhead.service\n",
        "/sys/fs/cgroup/system.slice/qrhead.service/cpu.max": "max 100000\n",
        "/sys/fs/cgroup/system.slice/cpu.max": "400000 100000\n",
        "/sys/fs/cgroup/cpu.max": "800000 100000\n",
      },
      4,
    ],
    [
      "version 2, where the path is the host's and the mount the container's",
      { "/proc/self/cgroup": "0::/docker/0123\n", "/sys/fs/cgroup/cpu.max": "50000 100000\n" },
      0.5,
    ],
    [
      "version 1, mounted under both names",
      {
        "/proc/self/cgroup": "5:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n",
        "/sys/fs/cgroup/cpu,cpuacct/docker/0123/cpu.cfs_quota_us": "200000\n",
        "/sys/fs/cgroup/cpu,cpuacct/docker/0123/cpu.cfs_period_us": "100000\n",
      },
      2,
    ],
    [
      "version 1 in a container",
      {
        "/proc/self/cgroup": "1:cpu:/docker/0123\n0::/\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      },
      1,
    ],
    [
      "version 1 without a quota",
      {
        "/proc/self/cgroup": "1:cpu:/\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      },
      undefined,
    ],
    [
      "files that say something else",
      { "/proc/self/cgroup": "x\n0::/\n", "/sys/fs/cgroup/cpu.max": "many\n" },
      undefined,
    ],
  ])("%s", (_, files, expected) => {
    expect(cgroupProcessors(reader(files))).toBe(expected);
  });
});

test.each([
  { available: 2, quota: undefined, free: 2, threads: 2 },
  { available: 2, quota: undefined, free: 1.7, threads: 2 },
  // Two processors that others keep busy.
  { available: 2, quota: undefined, free: 0.6, threads: 1 },
  { available: 2, quota: undefined, free: -3, threads: 1 },
  { available: 64, quota: undefined, free: 60, threads: 8 },
  { available: 64, quota: 1, free: 60, threads: 1 },
  { available: 64, quota: 0.5, free: 60, threads: 1 },
  // Bound to two processors of a machine of 64.
  { available: 2, quota: undefined, free: 40, threads: 2 },
])("$threads threads for $available processors, quota $quota, of which $free are free", (given) => {
  expect(threadsFor(given.available, given.quota, given.free)).toBe(given.threads);
});

test("what this process used itself counts as free", () => {
  const from = { at: 0, count: 4, busyMs: 10_000, ownMs: 500 };
  // In a second: others used two processors, this process one.
  expect(freeProcessors(from, { at: 1000, count: 4, busyMs: 13_000, ownMs: 1500 })).toBe(2);
  expect(freeProcessors(from, { at: 1000, count: 4, busyMs: 10_000, ownMs: 1500 })).toBe(4);
});
