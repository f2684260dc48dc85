// What `npm install` in a checkout runs: the addon first, then the TypeScript. A package from the registry has both.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

for (const [what, args] of [
  ["the native addon", [path.join(root, "scripts", "build-native.mjs")]],
  ["TypeScript", [path.join(root, "scripts", "bundle.mjs")]],
]) {
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (error || status !== 0) {
    console.error(`qrhead: building ${what} failed: a checkout needs git, cmake and a C++17 compiler`);
    process.exit(status || 1);
  }
}
