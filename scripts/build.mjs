// What `npm install` in a checkout runs: the addon first, then the TypeScript. A package from the registry has both.
import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");

for (const [what, args] of [
  ["the native addon", [path.join(root, "scripts", "build-native.mjs")]],
  ["TypeScript", [tsc, "-p", path.join(root, "tsconfig.build.json")]],
]) {
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (error || status !== 0) {
    console.error(`qrhead: building ${what} failed: a checkout needs git, cmake and a C++17 compiler`);
    process.exit(status || 1);
  }
}

// npm makes a command executable when it links it, which is once: not after it was built anew.
chmodSync(path.join(root, "dist", "cli", "main.js"), 0o755);
