import { readdirSync } from "node:fs";
import path from "node:path";
import type { Addon } from "./addon-types.ts";
import { releaseOfDirectory } from "./releases.ts";

/** Which build of llama.cpp to run on. `false` is the CPU. */
export type Gpu = "auto" | false | "cuda" | "vulkan" | "metal";

/** A build of llama.cpp as node-llama-cpp publishes it: one npm package each. */
export type Variant = {
  gpu: Exclude<Gpu, "auto">;
  packageName: string;
  /** Holds GPU backends for machines that the main package does not serve. */
  fallbackPackageName?: string;
};

type DriverCheck = Pick<Addon, "canOpenLibrary">;

const scope = "@node-llama-cpp";

/** System libraries of the GPU drivers. Without one of them the variant is not tried. */
const drivers: Record<string, Partial<Record<string, string>>> = {
  cuda: { linux: "libcuda.so.1", win32: "nvcuda.dll" },
  vulkan: { linux: "libvulkan.so.1", win32: "vulkan-1.dll" },
};

/**
 * The variants to try, best first.
 *
 * `auto` takes those whose driver this machine has, then the CPU; a named GPU is tried alone, driver or not, so that its
 * failure is seen.
 */
export function variantsFor(
  gpu: Gpu,
  driver: DriverCheck,
  platform: string = process.platform,
  arch: string = process.arch,
): Variant[] {
  const all = publishedVariants(platform, arch);
  if (gpu !== "auto") return all.filter((variant) => variant.gpu === gpu || (gpu === false && variant.gpu === "metal"));
  return all.filter((variant) => {
    if (variant.gpu === false || variant.gpu === "metal") return true;
    const library = drivers[variant.gpu]?.[platform];
    return library !== undefined && driver.canOpenLibrary(library);
  });
}

function publishedVariants(platform: string, arch: string): Variant[] {
  const os = platform === "darwin" ? "mac" : platform === "win32" ? "win" : platform;
  const name = (suffix = "") => `${scope}/${os}-${arch === "arm" ? "armv7l" : arch}${suffix}`;
  // The Metal build of Apple silicon is the only one there; without GPU layers it computes on the CPU.
  if (platform === "darwin" && arch === "arm64") return [{ gpu: "metal", packageName: name("-metal") }];
  const cpu: Variant = { gpu: false, packageName: name() };
  if (arch !== "x64" || platform === "darwin") return [cpu];
  return [
    { gpu: "cuda", packageName: name("-cuda"), fallbackPackageName: name("-cuda-ext") },
    { gpu: "vulkan", packageName: name("-vulkan") },
    cpu,
  ];
}

/** The three libraries that the addon binds, inside one folder. */
export type LibraryFiles = {
  directory: string;
  llama: string;
  ggml: string;
  ggmlBase: string;
  /** The release of llama.cpp that node-llama-cpp built them from, such as `v0.4.0`; none for a build by other means. */
  release?: string;
};

// Names differ per variant and platform: libllama.v0.4.0.so, libllama.cuda.v0.4.0.so, llama.v0.4.0.dll,
// libllama.metal.v0.4.0.dylib, and libllama.so for one's own build.
const variantAndVersion = String.raw`(\.(cuda|vulkan|metal))?(\.v?\d[\w.-]*?)?\.(so(\.\d+)*|dylib|dll)$`;
const patterns = {
  llama: new RegExp(`^(lib)?llama${variantAndVersion}`),
  ggml: new RegExp(`^(lib)?ggml${variantAndVersion}`),
  ggmlBase: new RegExp(`^(lib)?ggml-base${variantAndVersion}`),
};

/**
 * Finds the libraries in a folder.
 *
 * @throws Error that names the folder and the library that it lacks.
 */
export function findLibraries(directory: string): LibraryFiles {
  const files = readdirSync(directory).sort();
  const find = (pattern: RegExp, what: string) => {
    const file = files.find((name) => pattern.test(name));
    if (!file) throw new Error(`no ${what} library in ${directory}`);
    return path.join(directory, file);
  };
  const release = releaseOfDirectory(directory);
  return {
    ...(release !== undefined && { release: `v${release}` }),
    directory,
    llama: find(patterns.llama, "llama"),
    ggml: find(patterns.ggml, "ggml"),
    ggmlBase: find(patterns.ggmlBase, "ggml-base"),
  };
}
