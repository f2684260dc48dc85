// Brings the llama.cpp sources that match the prebuilt libraries: headers to compile against, and vocabulary files to
// make test models from. Both come from the git bundle inside node-llama-cpp, so nothing is downloaded.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const wanted = ["include", "ggml/include", "ggml/CMakeLists.txt", "models"];

function bundleDirectory() {
  const entry = createRequire(path.join(root, "package.json")).resolve("node-llama-cpp");
  return path.resolve(path.dirname(entry), "..", "llama");
}

/** The llama.cpp release that node-llama-cpp was built from, without the leading `v`. */
export function llamaVersion() {
  const info = JSON.parse(readFileSync(path.join(bundleDirectory(), "llama.cpp.info.json"), "utf8"));
  return info.tag.replace(/^v/, "");
}

/** The commit of that release's sources in the bundle. */
export function llamaCommit() {
  const bundle = path.join(bundleDirectory(), "gitRelease.bundle");
  return execFileSync("git", ["bundle", "list-heads", bundle, "HEAD"], { encoding: "utf8" }).split(" ", 1)[0];
}

/** The version of ggml in that release, which has no header that says it. */
export function ggmlVersion() {
  const text = readFileSync(path.join(llamaSource(), "ggml", "CMakeLists.txt"), "utf8");
  const part = (name) => text.match(new RegExp(`set\\(GGML_VERSION_${name} (\\d+)\\)`))[1];
  return ["MAJOR", "MINOR", "PATCH"].map(part).join(".");
}

/** What native/CMakeLists.txt has to be told. */
export function llamaDefinitions() {
  return {
    LLAMA_SOURCE: llamaSource(),
    LLAMA_VERSION: llamaVersion(),
    LLAMA_COMMIT: llamaCommit(),
    GGML_VERSION: ggmlVersion(),
  };
}

/** Folder with `include/`, `ggml/include/` and `models/`; made on the first call. */
export function llamaSource() {
  const directory = path.join(root, ".cache", `llama.cpp-${llamaVersion()}`);
  // One that an earlier checkout made may lack a file.
  const isWhole = () => existsSync(path.join(directory, "ggml", "CMakeLists.txt"));
  if (isWhole()) return directory;
  const bundle = path.join(bundleDirectory(), "gitRelease.bundle");
  if (!existsSync(bundle)) throw new Error(`Expected llama.cpp's source bundle at ${bundle}: reinstall node-llama-cpp`);
  const partial = `${directory}.partial-${process.pid}`;
  mkdirSync(path.dirname(partial), { recursive: true });
  const git = (...args) => execFileSync("git", args, { stdio: ["ignore", "ignore", "inherit"] });
  git("clone", "--quiet", "--no-checkout", bundle, partial);
  git("-C", partial, "checkout", "--quiet", "HEAD", "--", ...wanted);
  rmSync(path.join(partial, ".git"), { recursive: true });
  if (isWhole()) {
    rmSync(partial, { recursive: true });
    return directory;
  }
  rmSync(directory, { recursive: true, force: true });
  renameSync(partial, directory);
  return directory;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${llamaSource()}\n`);
