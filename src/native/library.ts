import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { QRHeadError } from "../errors.ts";
import { loadAddon, packageRoot, unpacked } from "./addon.ts";
import type { Addon, LibraryInfo } from "./addon-types.ts";
import { findLibraries, type Gpu, type Variant, variantsFor } from "./variants.ts";

export type LibraryOptions = {
  /** Build of llama.cpp to use. Defaults to `"auto"`: the best that this machine has a driver for. */
  gpu?: Gpu | undefined;
  /** Folder of another llama.cpp build of the same release. Defaults to the environment variable `QRHEAD_LLAMA_DIR`, then to node-llama-cpp's. */
  libraryDirectory?: string | undefined;
};

export type Library = { addon: Addon; info: LibraryInfo; gpu: Variant["gpu"] | "custom" };

/** The libraries are process-wide, so the first choice that worked stands for later `auto`s. */
let bound: (Pick<Library, "gpu"> & { directory: string }) | undefined;

/**
 * Loads the addon and binds it to a build of llama.cpp.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` with every variant that was tried and why it failed, `LIBRARY_MISMATCH` when
 * this process already uses another build.
 */
export async function loadLibrary(options: LibraryOptions = {}): Promise<Library> {
  const addon = loadAddon();
  const gpu = options.gpu ?? "auto";
  const own = options.libraryDirectory ?? process.env.QRHEAD_LLAMA_DIR;
  if (bound && !own && (gpu === "auto" || gpu === bound.gpu || gpu === false)) {
    const { gpu: boundGpu, directory } = bound;
    await addon.bind(findLibraries(directory));
    return assertGpu({ addon, info: await addon.libraryInfo(), gpu: boundGpu }, gpu);
  }
  const failures: string[] = [];
  if (own) {
    try {
      return await bind(addon, path.resolve(own), "custom");
    } catch (error) {
      failures.push(`${own}: ${messageOf(error)}`);
      throw notFound(failures, error);
    }
  }
  let lastError: unknown;
  let library: Library | undefined;
  for (const variant of variantsFor(gpu, addon)) {
    try {
      library = await bindVariant(addon, variant);
      break;
    } catch (error) {
      lastError = error;
      failures.push(`${variant.packageName}: ${messageOf(error)}`);
    }
  }
  if (library) return assertGpu(library, gpu);
  if (failures.length === 0)
    failures.push(`no ${String(gpu)} build is published for ${process.platform}-${process.arch}`);
  throw notFound(failures, lastError);
}

async function bindVariant(addon: Addon, variant: Variant): Promise<Library> {
  const library = await bind(addon, await packageLibraries(variant.packageName), variant.gpu);
  if (hasGpu(library.info) || !variant.fallbackPackageName) return library;
  // Older CUDA runtimes are served by a second package, as node-llama-cpp does it.
  const fallback = path.join(await packageLibraries(variant.fallbackPackageName), "fallback");
  if (existsSync(fallback)) await addon.loadBackends(fallback);
  return { ...library, info: await addon.libraryInfo() };
}

/** Who asks for a GPU by name wants to hear that there is none, and not a slow answer from the CPU. */
function assertGpu(library: Library, gpu: Gpu): Library {
  if (gpu === "auto" || gpu === false || hasGpu(library.info)) return library;
  throw new QRHeadError("LIBRARY_NOT_FOUND", `No ${gpu} device was found by llama.cpp in ${library.info.directory}`, {
    option: "gpu",
    advice: "install its driver, or use gpu: false",
  });
}

async function bind(addon: Addon, directory: string, gpu: Library["gpu"]): Promise<Library> {
  await addon.bind(findLibraries(directory));
  bound = { gpu, directory };
  return { addon, info: await addon.libraryInfo(), gpu };
}

/** True when a device other than the CPU was found. */
export function hasGpu(info: LibraryInfo): boolean {
  return info.devices.some((device) => device.type === "gpu" || device.type === "igpu");
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
    const manifest = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));
    const release = manifest.optionalDependencies["node-llama-cpp"];
    throw new Error(`is not installed: npm install ${packageName}@${release}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] ?? message;
}

function notFound(failures: string[], cause: unknown): QRHeadError {
  const mismatch = cause instanceof Error && "code" in cause && cause.code === "LIBRARY_MISMATCH";
  return new QRHeadError(
    mismatch ? "LIBRARY_MISMATCH" : "LIBRARY_NOT_FOUND",
    `llama.cpp could not be loaded (${failures.join("; ")})`,
    {
      cause,
      advice:
        'reinstall node-llama-cpp, try another build such as gpu: "vulkan" or gpu: false, or set QRHEAD_LLAMA_DIR to a ' +
        "build of the same release (`npx node-llama-cpp source build`)",
    },
  );
}
