// With `--napi` the addon is built and tested so in Node: see sanitize-napi.mjs. Otherwise:
//
// Builds the engine's own test and runs it on the tiny models: under AddressSanitizer and UndefinedBehaviorSanitizer, with
// `--thread` under ThreadSanitizer, or with `--plain` as the addon is compiled. Another argument picks tests by a part of their
// sentence.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { llamaDefinitions } from "./llama-source.mjs";

if (process.argv.includes("--napi")) {
  await import("./sanitize-napi.mjs");
  process.exit();
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const plain = process.argv.includes("--plain");
const thread = process.argv.includes("--thread");
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const build = path.join(root, ".cache", plain ? "build-test" : thread ? "build-thread" : "build-sanitize");

/** The folder of the CPU build that node-llama-cpp brings for this machine. */
async function libraryDirectory() {
  const system = { darwin: "mac", win32: "win" }[process.platform] ?? process.platform;
  const suffix = process.platform === "darwin" && process.arch === "arm64" ? "-metal" : "";
  const name = `@node-llama-cpp/${system}-${process.arch === "arm" ? "armv7l" : process.arch}${suffix}`;
  const fromNodeLlamaCpp = createRequire(createRequire(import.meta.url).resolve("node-llama-cpp"));
  const { getBinsDir } = await import(pathToFileURL(fromNodeLlamaCpp.resolve(name)).href);
  const { binsDir } = getBinsDir();
  return path.join(binsDir, readdirSync(binsDir)[0]);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", ...options });
  if (result.error) throw result.error;
  return result;
}

function cmake(...args) {
  const { status, stdout, stderr } = run("cmake", args);
  if (status !== 0) throw new Error(`cmake ${args.join(" ")} failed:\n${stdout}${stderr}`);
}

const sanitizers = {
  ASAN_OPTIONS: "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
  UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
  // llama.cpp's own threads meet at atomics that the sanitizer does not see.
  TSAN_OPTIONS: "halt_on_error=1:ignore_noninstrumented_modules=1",
};

cmake(
  "-S",
  path.join(root, "native"),
  "-B",
  build,
  ...Object.entries(llamaDefinitions()).map(([name, value]) => `-D${name}=${value}`),
  "-DQRHEAD_TESTS=ON",
  `-DQRHEAD_SANITIZE=${plain ? "" : thread ? "thread" : "address,undefined"}`,
  `-DCMAKE_BUILD_TYPE=${plain ? "Release" : "RelWithDebInfo"}`,
);
cmake(
  "--build",
  build,
  "--config",
  plain ? "Release" : "RelWithDebInfo",
  "--parallel",
  String(os.availableParallelism()),
);
const program = [path.join(build, "engine-test"), path.join(build, "Release", "engine-test.exe")];
const begin = performance.now();
const { status, signal, stdout, stderr } = run(
  program[process.platform === "win32" ? 1 : 0],
  [await libraryDirectory(), path.join(root, ".cache", "models"), ...wanted],
  { env: { ...process.env, ...(plain ? {} : sanitizers) } },
);
const passed = status === 0;
if (!passed) process.stderr.write(stderr);
const outcome = stdout.trim().split("\n").at(-1) || `ended by ${signal ?? `exit code ${status}`}`;
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
console.log(
  `engine test ${plain ? "" : `under ${thread ? "ThreadSanitizer" : "sanitizers"} `}${passed ? "passed" : "FAILED"}: ${outcome} (${seconds} s)`,
);
process.exitCode = passed ? 0 : 1;
