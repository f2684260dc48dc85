import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the package. Electron cannot load libraries from inside an archive, so the unpacked copy is used there. */
export const packageRoot = unpacked(path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", ".."));

/** The path outside Electron's archive, where there is one. */
export function unpacked(file: string): string {
  const outside = file.replace(/([\\/][^\\/]+)\.asar(?=[\\/])/, "$1.asar.unpacked");
  return existsSync(outside) ? outside : file;
}
