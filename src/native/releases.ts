import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { packageRoot } from "./package-root.ts";

type Manifest = { llamaReleases: Record<string, string>; optionalDependencies: Record<string, string> };

/** Platform packages that a release of node-llama-cpp lists and the registry does not have (November 2026). */
const NOT_PUBLISHED: Record<string, RegExp> = { "3.22.1": /^@node-llama-cpp\/(mac|win)-/ };

function manifest(): Manifest {
  return JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));
}

/** The releases of llama.cpp that qrhead has addons for, each with the release of node-llama-cpp that brings it. */
export function supportedReleases(): Record<string, string> {
  return manifest().llamaReleases;
}

/** The release of node-llama-cpp that qrhead installs. */
export function pinnedRelease(): string {
  return manifest().optionalDependencies["node-llama-cpp"]!;
}

/** The llama.cpp release that qrhead's own node-llama-cpp brings, such as `0.4.0`. */
export function defaultRelease(): string {
  const { llamaReleases, optionalDependencies } = manifest();
  const [release] = Object.entries(llamaReleases).find(
    ([, version]) => version === optionalDependencies["node-llama-cpp"],
  )!;
  return release;
}

/** The llama.cpp release in a package of node-llama-cpp's, by that package's version. */
export function releaseOfPackage(version: string): string | undefined {
  return Object.entries(supportedReleases()).find(([, brings]) => brings === version)?.[0];
}

/** The llama.cpp release in a folder of libraries: what node-llama-cpp wrote beside them, such as `0.4.0`. */
export function releaseOfDirectory(directory: string): string | undefined {
  const file = path.join(directory, "_nlcBuildMetadata.json");
  if (!existsSync(file)) return undefined;
  try {
    const { release } = JSON.parse(readFileSync(file, "utf8")).buildOptions.llamaCpp;
    return typeof release === "string" ? release.replace(/^v/, "") : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The version of node-llama-cpp that is installed where qrhead finds it, or of the platform package that stands alone in a
 * small installation.
 *
 * @param platformPackage Such as `@node-llama-cpp/linux-x64`.
 */
export function installedVersion(platformPackage: string | undefined): string | undefined {
  const require = createRequire(import.meta.url);
  for (const name of ["node-llama-cpp", platformPackage]) {
    if (name === undefined) continue;
    // Neither package shows its package.json to others.
    for (const folder of require.resolve.paths(name) ?? []) {
      const file = path.join(folder, name, "package.json");
      if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")).version;
    }
  }
  return undefined;
}

/** What to do about a platform package that is missing, in the release that fits what is installed. */
export function howToInstall(packageName: string, version = installedVersion(undefined) ?? pinnedRelease()): string {
  if (!NOT_PUBLISHED[version]?.test(packageName)) return `npm install ${packageName}@${version}`;
  return `the registry has no ${packageName}@${version}; npm install node-llama-cpp@${pinnedRelease()}`;
}
