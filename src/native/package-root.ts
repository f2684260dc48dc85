import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

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
