import type { LibraryInfo } from "./addon-types.ts";
import type { Variant } from "./variants.ts";

/*
 * A GPU build of llama.cpp finds the device if there is a driver. Its first kernel shows whether the driver can run the kernels
 * of the build. The addon runs one kernel when it lists devices, and never puts a model on a device that failed.
 */

type Device = LibraryInfo["devices"][number];
export type FailedDevice = Device & { failure: string };

/** What the driver says where the build has no kernel for this device, or only kernels in a newer language than it knows. */
const LACKS_KERNELS = /unsupported toolchain|no kernel image|kernel image is invalid|PTX JIT|PTX compiler/;

/** Devices that were found and cannot compute, with the reason. */
export function failedDevices({ devices }: Pick<LibraryInfo, "devices">): FailedDevice[] {
  return devices.filter((device): device is FailedDevice => device.failure !== undefined);
}

/** Half a sentence: the device that was found, and why it cannot compute. */
export function describeFailure({ description, failure }: FailedDevice): string {
  return `${description} cannot compute with this build of llama.cpp (${failure.replace(/\.$/, "")})`;
}

/**
 * What helps.
 *
 * @param gpu The build that failed.
 * @param hint What would help beyond that: a package that is missing.
 * @param hasVulkan Whether Vulkan failed as well, or computes already.
 */
export function adviceFor(
  { failure }: FailedDevice,
  gpu: Variant["gpu"] | "custom",
  hint?: string,
  hasVulkan = gpu === "vulkan",
): string {
  const ways = LACKS_KERNELS.test(failure)
    ? ["update the device's driver", ...(hint ? [hint] : [])]
    : ["see whether another program can use the device", "update its driver"];
  if (!hasVulkan) ways.push('use gpu: "vulkan" in a new process');
  ways.push("use gpu: false");
  return `${ways.join(", ")}, or set QRHEAD_LLAMA_DIR to a build of the same release made on this machine (\`npx node-llama-cpp source build\`)`;
}
