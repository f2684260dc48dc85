// Brings the llama.cpp sources that match the prebuilt libraries: headers to compile against, and vocabulary files to
// make test models from. Both come from the git bundle inside node-llama-cpp, so nothing is downloaded.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const wanted = ["include", "ggml/include", "models"];

function bundleDirectory() {
  const entry = createRequire(path.join(root, "package.json")).resolve("node-llama-cpp");
  return path.resolve(path.dirname(entry), "..", "llama");
}

/** The llama.cpp release that node-llama-cpp was built from, without the leading `v`. */
export function llamaVersion() {
  const info = JSON.parse(readFileSync(path.join(bundleDirectory(), "llama.cpp.info.json"), "utf8"));
  return info.tag.replace(/^v/, "");
}

/** Folder with `include/`, `ggml/include/` and `models/`; made on the first call. */
export function llamaSource() {
  const directory = path.join(root, ".cache", `llama.cpp-${llamaVersion()}`);
  if (existsSync(directory)) return directory;
  const bundle = path.join(bundleDirectory(), "gitRelease.bundle");
  if (!existsSync(bundle)) throw new Error(`Expected llama.cpp's source bundle at ${bundle}: reinstall node-llama-cpp`);
  const partial = `${directory}.partial-${process.pid}`;
  mkdirSync(path.dirname(partial), { recursive: true });
  const git = (...args) => execFileSync("git", args, { stdio: ["ignore", "ignore", "inherit"] });
  git("clone", "--quiet", "--no-checkout", bundle, partial);
  git("-C", partial, "checkout", "--quiet", "HEAD", "--", ...wanted);
  rmSync(path.join(partial, ".git"), { recursive: true });
  if (existsSync(directory)) rmSync(partial, { recursive: true });
  else renameSync(partial, directory);
  return directory;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${llamaSource()}\n`);
