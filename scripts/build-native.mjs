// Builds the addon with cmake-js: build/Release/qrhead.node. Arguments go to cmake-js (`--debug`, `--runtime electron`, ...).
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { llamaDefinitions } from "./llama-source.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);
const cmakeJs = path.join(path.dirname(require.resolve("cmake-js/package.json")), "bin", "cmake-js");

const result = spawnSync(
  process.execPath,
  [
    cmakeJs,
    "compile",
    ...["--log-level", "error"],
    "--directory",
    path.join(root, "native"),
    "--out",
    path.join(root, "build"),
    ...Object.entries(llamaDefinitions()).map(([name, value]) => `--CD${name}=${value}`),
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: "inherit" },
);
if (result.error) throw result.error;
process.exitCode = result.status ?? 1;
