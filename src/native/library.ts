import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { QRHeadError } from "../errors.ts";
import { loadAddon } from "./addon.ts";
import type { Addon, LibraryInfo } from "./addon-types.ts";
import { adviceFor, describeFailure, failedDevices } from "./failed-device.ts";
import { underOwnNames } from "./own-names.ts";
import { unpacked } from "./package-root.ts";
import { howToInstall, pinnedRelease, releaseOfDirectory } from "./releases.ts";
import { findLibraries, type Gpu, type Variant, variantsFor } from "./variants.ts";

export type LibraryOptions = {
  /** Build of llama.cpp to use. Defaults to `"auto"`: the best that this machine has a driver for. */
  gpu?: Gpu | undefined;
  /** Folder of another llama.cpp build of the same release. Defaults to the environment variable `QRHEAD_LLAMA_DIR`, then to node-llama-cpp's. */
  libraryDirectory?: string | undefined;
};

export type Library = {
  addon: Addon;
  info: LibraryInfo;
  gpu: Variant["gpu"] | "custom";
  /** What would give this build more devices, such as a package to install. */
  hint?: string | undefined;
  /** True where Vulkan was loaded beside CUDA, because no CUDA device can compute. */
  vulkan?: boolean | undefined;
};

/** The libraries are process-wide, so the first choice that worked stands for later `auto`s. */
let bound: (Omit<Library, "addon" | "info"> & Folders) | undefined;

/** Where libraries are loaded from, and the folder that they are copies of: the same one without a copy. */
type Folders = { directory: string; source: string };

/**
 * Loads the addon and binds it to a build of llama.cpp.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` with every variant that was tried and why it failed, `LIBRARY_MISMATCH` when
 * this process already uses another build.
 */
export async function loadLibrary(options: LibraryOptions = {}): Promise<Library> {
  const gpu = options.gpu ?? "auto";
  const own = options.libraryDirectory ?? (process.env.QRHEAD_LLAMA_DIR || undefined);
  const addon = loadAddon(own === undefined ? undefined : releaseOfDirectory(path.resolve(own)));
  if (bound && !own && (gpu === "auto" || gpu === bound.gpu || gpu === false || (gpu === "vulkan" && bound.vulkan))) {
    const { hint, vulkan } = bound;
    return assertGpu(noted(await bind(addon, bound, bound.gpu), { hint, vulkan }), gpu);
  }
  const failures: string[] = [];
  if (own) {
    try {
      const directory = path.resolve(own);
      return await bind(addon, { directory, source: directory }, "custom");
    } catch (error) {
      failures.push(`${own}: ${messageOf(error)}`);
      throw notFound(failures, error);
    }
  }
  let lastError: unknown;
  const missing: string[] = [];
  let library: Library | undefined;
  const variants = variantsFor(gpu, addon);
  for (const variant of variants) {
    try {
      library = await bindVariant(addon, variant);
      const vulkan = variants.find((other) => other !== variant && other.gpu === "vulkan");
      if (vulkan && unusedGpu(library)) library = await withVulkan(library, vulkan);
      break;
    } catch (error) {
      lastError = error;
      if (error instanceof MissingPackage) missing.push(error.wanted);
      failures.push(`${variant.packageName}: ${messageOf(error)}`);
    }
  }
  if (library) return assertGpu(library, gpu);
  if (failures.length === 0)
    failures.push(`no ${String(gpu)} build is published for ${process.platform}-${process.arch}`);
  throw notFound(failures, lastError, missing);
}

async function bindVariant(addon: Addon, variant: Variant): Promise<Library> {
  const source = await packageLibraries(variant.packageName);
  const library = await bindUnderOwnNames(addon, source, variant.gpu);
  if (hasGpu(library.info) || !variant.fallbackPackageName) return library;
  // Older CUDA runtimes are served by a second package, as node-llama-cpp does it.
  const ext = variant.fallbackPackageName;
  try {
    const fallback = path.join(await packageLibraries(ext), "fallback");
    if (!existsSync(fallback)) throw new Error(`no folder ${fallback}`);
    await addon.loadBackends(bound?.directory === source ? fallback : await underOwnNames(fallback, source));
    const info = { ...(await addon.libraryInfo()), directory: source };
    const [before, after] = [failedDevices(library.info).length, failedDevices(info).length];
    const isSilent = !hasGpu(info) && before > 0 && after === before;
    const hint = isSilent ? `install the CUDA 12 runtime and cuBLAS, with which ${ext} may work` : undefined;
    return noted({ ...library, info }, { hint });
  } catch (error) {
    // The process is bound to this build now. Without the second package it can still compute on the CPU, so do not fail.
    const toDo =
      error instanceof MissingPackage ? `run npm install ${error.wanted}` : `mend ${ext}: ${messageOf(error)}`;
    return noted(library, { hint: `${toDo} (for older drivers)` });
  }
}

/**
 * Loads Vulkan into the copy of llama.cpp that CUDA's build has bound, whose release it is of. The device that failed is the
 * only one that is left out. Only on Linux, where this was tried.
 */
async function withVulkan(library: Library, { packageName }: Variant): Promise<Library> {
  if (process.platform !== "linux" || !bound) return library;
  try {
    const folder = await packageLibraries(packageName);
    const file = "libggml-vulkan.so";
    const isCopy = bound.directory !== bound.source;
    const directory = isCopy ? await underOwnNames(folder, bound.source, file) : folder;
    await library.addon.loadBackends(directory, file);
    const info = { ...(await library.addon.libraryInfo()), directory: bound.source };
    return hasGpu(info) ? noted({ ...library, info }, { vulkan: true }) : library;
  } catch {
    // The CPU computes, with a warning that names Vulkan.
    return library;
  }
}

/** Also for later calls. */
function noted(library: Library, { hint, vulkan }: Pick<Library, "hint" | "vulkan">): Library {
  const notes = { ...(hint !== undefined && { hint }), ...(vulkan && { vulkan }) };
  if (bound) Object.assign(bound, notes);
  return { ...library, ...notes };
}

/**
 * On Linux a copy under names of its own is bound, which no other llama.cpp in the process can be mistaken for, nor it for
 * them. Where there can be none (a read-only disk, one that forbids programs) or it is not wanted, the libraries themselves
 * are: the addon then refuses if another build is in the process already.
 */
async function bindUnderOwnNames(addon: Addon, source: string, gpu: Library["gpu"]): Promise<Library> {
  let reason = "QRHEAD_SHARE_LLAMA is set";
  if (process.platform === "linux" && !process.env.QRHEAD_SHARE_LLAMA) {
    try {
      return await bind(addon, { directory: await underOwnNames(source), source }, gpu);
    } catch (error) {
      reason = messageOf(error);
    }
  }
  try {
    return await bind(addon, { directory: source, source }, gpu);
  } catch (error) {
    if (process.platform === "linux" && error instanceof Error)
      error.message += ` (no copy of its own was used: ${reason})`;
    throw error;
  }
}

/** If the caller names a GPU and there is none, an error is better than a slow answer from the CPU. */
function assertGpu(library: Library, gpu: Gpu): Library {
  const { info, hint } = library;
  if (gpu === "auto" || gpu === false || hasGpu(info)) return library;
  const [failed] = failedDevices(info);
  if (failed) {
    const advice = adviceFor(failed, library.gpu, hint);
    throw new QRHeadError("LIBRARY_NOT_FOUND", describeFailure(failed), { option: "gpu", advice });
  }
  throw new QRHeadError("LIBRARY_NOT_FOUND", `No ${gpu} device was found by llama.cpp in ${info.directory}`, {
    option: "gpu",
    advice: `install its driver, ${hint ? `${hint}, ` : ""}or use gpu: false`,
  });
}

async function bind(addon: Addon, { directory, source }: Folders, gpu: Library["gpu"]): Promise<Library> {
  await addon.bind(findLibraries(directory));
  bound = { gpu, directory, source };
  return { addon, info: { ...(await addon.libraryInfo()), directory: source }, gpu };
}

/** True when a device other than the CPU was found and can compute. */
export function hasGpu(info: LibraryInfo): boolean {
  return info.devices.some(({ type, failure }) => (type === "gpu" || type === "igpu") && failure === undefined);
}

/** A warning if a GPU is there and something else computes: what, why, and what to do. Undefined otherwise. */
export function unusedGpu({ info, gpu, hint, vulkan = false }: Library): string | undefined {
  const [failed] = failedDevices(info);
  if (!failed || (hasGpu(info) && !vulkan)) return undefined;
  const advice = adviceFor(failed, gpu, hint, vulkan);
  return `${vulkan ? "Vulkan" : "The CPU"} computes, because ${describeFailure(failed)}: ${advice}`;
}

/**
 * The folder inside one of node-llama-cpp's platform packages that holds the libraries.
 *
 * @throws Error when the package is not installed.
 */
export async function packageLibraries(packageName: string): Promise<string> {
  const entry = pathToFileURL(resolvePlatformPackage(packageName)).href;
  const { getBinsDir } = (await import(entry)) as { getBinsDir(): { binsDir: string } };
  const { binsDir } = getBinsDir();
  const [folder] = readdirSync(binsDir);
  if (!folder) throw new Error(`${binsDir} is empty`);
  return unpacked(path.join(binsDir, folder));
}

/**
 * The platform packages are dependencies of node-llama-cpp, which need not be visible from here. In a small installation
 * node-llama-cpp itself is left out, and the platform's package stands beside qrhead.
 */
function resolvePlatformPackage(packageName: string): string {
  const fromHere = createRequire(import.meta.url);
  let nodeLlamaCpp: string;
  try {
    nodeLlamaCpp = fromHere.resolve("node-llama-cpp");
  } catch {
    return resolveInstalled(fromHere, packageName);
  }
  return resolveInstalled(createRequire(nodeLlamaCpp), packageName);
}

function resolveInstalled(require: NodeJS.Require, packageName: string): string {
  try {
    return require.resolve(packageName);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    throw new MissingPackage(packageName, error);
  }
}

/** A platform package that is not installed: omitted, or missing on the registry, which npm does not report. */
class MissingPackage extends Error {
  readonly wanted: string;

  constructor(packageName: string, cause: unknown) {
    const wanted = `${packageName}@${pinnedRelease()}`;
    const how = howToInstall(packageName);
    // The advice of `notFound` has the command; here only what is more than that.
    super(how.endsWith(wanted) ? "is not installed" : `is not installed: ${how}`, { cause });
    this.wanted = wanted;
  }
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] ?? message;
}

function notFound(failures: string[], cause: unknown, missing: readonly string[] = []): QRHeadError {
  // This error already says what would work.
  if (cause instanceof Error && "code" in cause && cause.code === "LIBRARY_MISMATCH") {
    return new QRHeadError("LIBRARY_MISMATCH", messageOf(cause), { cause });
  }
  // The last one is the smallest: the CPU's, if every build was tried.
  const others = missing.length > 1 ? `, or ${missing.slice(0, -1).join(" or ")} for a GPU` : "";
  const install =
    missing.length === 0
      ? "reinstall node-llama-cpp"
      : `run npm install ${missing.at(-1)}${others} (where npm finds no such version, the registry lacks that package)`;
  return new QRHeadError("LIBRARY_NOT_FOUND", `llama.cpp could not be loaded (${failures.join("; ")})`, {
    cause,
    advice:
      `${install}, try another build such as gpu: "vulkan" or gpu: false, or set QRHEAD_LLAMA_DIR to a ` +
      "build of the same release (`npx node-llama-cpp source build`)",
  });
}
