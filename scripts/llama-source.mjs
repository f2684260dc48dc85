// Brings the llama.cpp sources that match the prebuilt libraries: headers to compile against, and vocabulary files to
// make test models from. Both come from the git bundle inside node-llama-cpp: the installed one, so nothing is downloaded, or
// that of another supported release, which is fetched.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const wanted = ["include", "ggml/include", "ggml/CMakeLists.txt", "models"];

/** The llama.cpp release that the installed node-llama-cpp was built from, without the leading `v`. */
export function llamaVersion() {
  const info = JSON.parse(readFileSync(path.join(installedBundle(), "llama.cpp.info.json"), "utf8"));
  return info.tag.replace(/^v/, "");
}

/** The releases of llama.cpp that addons are made for, each with the release of node-llama-cpp that brings it. */
export function supportedReleases() {
  return JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")).llamaReleases;
}

function installedBundle() {
  const entry = createRequire(path.join(root, "package.json")).resolve("node-llama-cpp");
  return path.resolve(path.dirname(entry), "..", "llama");
}

/** Folder of a release's bundle: the installed node-llama-cpp's, or that of a package fetched into .cache. */
function bundleDirectory(release) {
  return release === llamaVersion() ? installedBundle() : fetchedBundle(supportedReleases()[release]);
}

function fetchedBundle(version) {
  if (!version) throw new Error(`Expected one of llama.cpp ${Object.keys(supportedReleases()).join(", ")}`);
  const folder = path.join(root, ".cache", `node-llama-cpp-${version}`);
  const bundle = path.join(folder, "package", "llama");
  if (existsSync(bundle)) return bundle;
  const partial = `${folder}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  // npm compares the archive with the registry's checksum.
  const output = execFileSync("npm", ["pack", "--json", `node-llama-cpp@${version}`, "--pack-destination", partial], {
    encoding: "utf8",
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [{ filename }] = Object.values(JSON.parse(output));
  execFileSync("tar", ["-xzf", path.join(partial, path.basename(filename)), "-C", partial, "package/llama"]);
  rmSync(path.join(partial, path.basename(filename)));
  rmSync(folder, { recursive: true, force: true });
  renameSync(partial, folder);
  return bundle;
}

/** The commit of that release's sources in the bundle. */
function llamaCommit(release) {
  const bundle = path.join(bundleDirectory(release), "gitRelease.bundle");
  return execFileSync("git", ["bundle", "list-heads", bundle, "HEAD"], { encoding: "utf8" }).split(" ", 1)[0];
}

/** The version of ggml in that release, which has no header that says it. */
function ggmlVersion(release) {
  const text = readFileSync(path.join(llamaSource(release), "ggml", "CMakeLists.txt"), "utf8");
  const part = (name) => text.match(new RegExp(`set\\(GGML_VERSION_${name} (\\d+)\\)`))[1];
  return ["MAJOR", "MINOR", "PATCH"].map(part).join(".");
}

/** What native/CMakeLists.txt has to be told. */
export function llamaDefinitions(release = llamaVersion()) {
  return {
    LLAMA_SOURCE: llamaSource(release),
    LLAMA_VERSION: release,
    LLAMA_COMMIT: llamaCommit(release),
    GGML_VERSION: ggmlVersion(release),
  };
}

/** Folder with `include/`, `ggml/include/` and `models/`; made on the first call. */
export function llamaSource(release = llamaVersion()) {
  // One that an earlier checkout made may lack a file.
  return checkedOut(release, `llama.cpp-${release}`, wanted, path.join("ggml", "CMakeLists.txt"));
}

/** The script of the installed release that makes a GGUF of a Hugging Face model; brought on the first call. */
export function llamaConverter() {
  const [release, script] = [llamaVersion(), "convert_hf_to_gguf.py"];
  return path.join(
    checkedOut(release, `llama.cpp-${release}-python`, [script, "conversion", "gguf-py"], script),
    script,
  );
}

/** Folder of `.cache` with these paths of a release's sources, whole where `last` is there. */
function checkedOut(release, name, paths, last) {
  const directory = path.join(root, ".cache", name);
  const isWhole = () => existsSync(path.join(directory, last));
  if (isWhole()) return directory;
  const bundle = path.join(bundleDirectory(release), "gitRelease.bundle");
  if (!existsSync(bundle)) throw new Error(`Expected llama.cpp's source bundle at ${bundle}: reinstall node-llama-cpp`);
  const partial = `${directory}.partial-${process.pid}`;
  mkdirSync(path.dirname(partial), { recursive: true });
  const git = (...args) => execFileSync("git", args, { stdio: ["ignore", "ignore", "inherit"] });
  git("clone", "--quiet", "--no-checkout", bundle, partial);
  git("-C", partial, "checkout", "--quiet", "HEAD", "--", ...paths);
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
