// From a fresh checkout on Linux to the archive for the registry, with addons for every platform and release of llama.cpp:
//
//   npm run package
//
// Takes Node and what it installs where it is missing and Debian's packages can be had: git, CMake, a C++ compiler, pip.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const packages = { git: "git", cmake: "cmake", "c++": "g++", python3: "python3" };

const works = (program, args = ["--version"]) => spawnSync(program, args, { stdio: "ignore" }).status === 0;
const run = (program, args) => execFileSync(program, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });

const missing = Object.keys(packages)
  .filter((program) => !works(program))
  .map((program) => packages[program]);
if (!works("python3", ["-m", "pip", "--version"])) missing.push("python3-pip");
if (missing.length > 0) {
  run("apt-get", ["update", "-qq"]);
  run("apt-get", ["install", "-y", "-qq", ...missing]);
}

run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
run(process.execPath, [path.join("scripts", "prebuild.mjs"), "--all"]);
const { pack } = await import("./platforms/pack.mjs");
const archive = pack(root);
const sha256 = createHash("sha256").update(readFileSync(archive)).digest("hex");
console.log(`${path.relative(root, archive)}  ${statSync(archive).size} bytes  sha256 ${sha256}`);
