import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { QRHeadError } from "../errors.ts";

/** The path outside Electron's archive, where there is one. */
export function unpacked(file: string): string {
  const outside = file.replace(/([\\/][^\\/]+)\.asar(?=[\\/])/, "$1.asar.unpacked");
  return existsSync(outside) ? outside : file;
}

/** Folder of the package. Electron cannot load libraries from inside an archive, so the unpacked copy is used there. */
export const packageRoot = unpacked(findRoot(path.dirname(fileURLToPath(import.meta.url))));

/** The nearest folder above with a package.json: how deep this file lies depends on how it was built. */
function findRoot(folder: string): string {
  if (existsSync(path.join(folder, "package.json")) || path.dirname(folder) === folder) return folder;
  return findRoot(path.dirname(folder));
}

/**
 * Checks that the files of the package are beside its code.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` in a program that a bundler put qrhead into.
 */
export function assertNotBundled(): void {
  if (nameOf(path.join(packageRoot, "package.json")) === "qrhead") return;
  throw new QRHeadError(
    "LIBRARY_NOT_FOUND",
    `qrhead is part of a bundle in ${packageRoot}, where its native addon and its model are not`,
    { advice: "leave it out of the bundle: mark it as external (docs/bundlers.md)" },
  );
}

function nameOf(manifest: string): unknown {
  try {
    return JSON.parse(readFileSync(manifest, "utf8")).name;
  } catch {
    return undefined;
  }
}
