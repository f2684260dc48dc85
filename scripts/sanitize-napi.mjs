// Builds the addon under AddressSanitizer and UndefinedBehaviorSanitizer and runs tests of the raw addon in Node with it:
// conversions, object wraps and promises, which the engine's own test does not reach. Linux with GCC. Arguments pick test
// files; none is those that misuse the addon and those that end it in the middle of work.
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { llamaDefinitions } from "./llama-source.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);
const build = path.join(root, ".cache", "build-sanitize-napi");
const SANITIZERS = "address,undefined";
const DEFAULT_TESTS = [
  "test/native/misuse.test.ts",
  "test/native/tokenizer.test.ts",
  "test/native/cache-types.test.ts",
];

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) throw error;
  return status ?? 1;
}

/** Node is not linked with the runtime of the sanitizers, which must come first in the process. */
function runtime(name) {
  const file = execFileSync(process.env.CXX ?? "c++", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
  if (!path.isAbsolute(file)) throw new Error(`Expected ${name} beside the compiler: use GCC`);
  return file;
}

const cmakeJs = path.join(path.dirname(require.resolve("cmake-js/package.json")), "bin", "cmake-js");
const built = run(process.execPath, [
  cmakeJs,
  "compile",
  ...["--log-level", "error", "--config", "RelWithDebInfo"],
  ...["--directory", path.join(root, "native"), "--out", build],
  ...Object.entries({ ...llamaDefinitions(), QRHEAD_SANITIZE: SANITIZERS }).map(
    ([name, value]) => `--CD${name}=${value}`,
  ),
]);
if (built !== 0) process.exit(built);

// node-addon-api calls a method of whatever `this` is; the method itself looks first at what that is.
const suppressions = path.join(build, "suppressions.txt");
writeFileSync(suppressions, "vptr:napi-inl.h\n");
const vitest = path.join(path.dirname(require.resolve("vitest/package.json")), "vitest.mjs");
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const begin = performance.now();
const status = run(process.execPath, [vitest, "run", ...(wanted.length > 0 ? wanted : DEFAULT_TESTS)], {
  env: {
    ...process.env,
    QRHEAD_ADDON: path.join(build, "RelWithDebInfo", "qrhead.node"),
    // libstdc++ as well: the sanitizer looks for what it throws with before the addon brings it.
    LD_PRELOAD: [runtime("libasan.so"), runtime("libstdc++.so")].join(":"),
    // Leaks are looked for in the engine's own test: at its end Node leaves much to the system.
    ASAN_OPTIONS: "detect_leaks=0:strict_string_checks=1:alloc_dealloc_mismatch=0",
    UBSAN_OPTIONS: `print_stacktrace=1:halt_on_error=1:suppressions=${suppressions}`,
  },
});
const seconds = ((performance.now() - begin) / 1000).toFixed(0);
console.log(`addon under sanitizers ${status === 0 ? "passed" : "FAILED"} (${seconds} s)`);
process.exitCode = status;
