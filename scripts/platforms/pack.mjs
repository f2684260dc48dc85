// `npm pack` of the addons that are in prebuilds: it builds the TypeScript, and no addon for this machine.
import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const script = (name, ...args) =>
  execFileSync(process.execPath, [path.join(root, "scripts", name), ...args], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });

/** @returns The archive's path. */
export function pack(folder) {
  script("bundle.mjs");
  script("manifest.mjs", "publish");
  try {
    const args = ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder];
    return path.join(folder, execFileSync("npm", args, { cwd: root, encoding: "utf8" }).trim());
  } finally {
    script("manifest.mjs", "restore");
  }
}
