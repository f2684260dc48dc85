// Compiles the addon for one platform and one release of llama.cpp with zig's clang. Which files, and with which
// definitions, native/CMakeLists.txt says: CMake writes the commands that it would run here, and their sources,
// definitions and include folders are taken over.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { llamaDefinitions } from "../llama-source.mjs";
import { linkInputs } from "./link-inputs.mjs";
import { cache, root, zig } from "./python-tools.mjs";

const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** Everything is called by a path inside the project, so that the project's place on the disk is in no file. */
export const ZIG_CACHES = {
  ZIG_GLOBAL_CACHE_DIR: path.join(cache, "zig"),
  ZIG_LOCAL_CACHE_DIR: path.join(cache, "zig"),
};

/** What CMake would run: `[{ source, flags }]`, paths relative to the project. */
function compileCommands(release) {
  const build = path.join(cache, `configured-${release}`);
  const includes = [require("node-addon-api").include_dir, require("node-api-headers").include_dir];
  const definitions = {
    ...llamaDefinitions(release),
    CMAKE_BUILD_TYPE: "Release",
    CMAKE_EXPORT_COMPILE_COMMANDS: "ON",
    CMAKE_JS_INC: includes.map((one) => path.resolve(root, one)).join(";"),
  };
  rmSync(build, { recursive: true, force: true });
  const flags = Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);
  execFileSync("cmake", ["-S", path.join(root, "native"), "-B", build, ...flags], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const commands = JSON.parse(readFileSync(path.join(build, "compile_commands.json"), "utf8"));
  return commands.map(({ file, command }) => ({ source: path.relative(root, file), flags: flagsOf(command) }));
}

/** The words of a command as a shell reads them: paths with spaces are quoted. */
function wordsOf(command) {
  const words = command.match(/(?:\\.|"(?:\\.|[^"\\])*"|[^\s\\"])+/g) ?? [];
  return words.map((word) => word.replaceAll(/\\(.)|"/g, "$1"));
}

function flagsOf(command) {
  const words = wordsOf(command).slice(1);
  const inside = (folder) => path.relative(root, folder);
  const flags = [];
  for (const [i, word] of words.entries()) {
    if (word === "-isystem") flags.push("-isystem", inside(words[i + 1]));
    else if (word.startsWith("-I")) flags.push(`-I${inside(word.slice(2))}`);
    else if (/^-(D|std=|W)/.test(word) && !word.startsWith("-Dqrhead_EXPORTS")) flags.push(word);
  }
  return flags;
}

/** Runs `work` on each of `items`, as many at a time as there are processors. */
async function inParallel(items, work) {
  const left = [...items];
  const workers = Array.from({ length: os.availableParallelism() }, async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  });
  await Promise.all(workers);
}

/**
 * Compiles into `output`.
 *
 * @param target One of TARGETS.
 * @param release Of llama.cpp, such as `0.4.0`.
 */
export async function compile(target, release, output) {
  const compiler = zig();
  const work = path.join(cache, "objects", `${target.name}-${release}-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const env = { ...process.env, ...ZIG_CACHES, SOURCE_DATE_EPOCH: "0" };
  const options = { cwd: root, env, maxBuffer: 1 << 26 };
  const host = target.platform === "win32" ? ["-DNAPI_EXTERN=__declspec(dllimport)", "-fms-extensions"] : [];
  const common = ["-target", target.triple, "-g0", "-O2", "-fPIC", "-fvisibility=hidden", ...host];
  const inside = (file) => path.relative(root, file);
  const objects = [];
  try {
    await inParallel(compileCommands(release), async ({ source, flags }) => {
      const object = path.join(work, `${source.replaceAll(/[\\/]/g, "-")}.o`);
      objects.push(object);
      await run(compiler, ["c++", ...common, ...flags, "-DNDEBUG", "-c", source, "-o", inside(object)], options);
    });
    const { before, after } = await linkInputs(target, { work, run: (args) => run(compiler, args, options) });
    const linked = path.join(work, "qrhead.node");
    const all = [...objects.sort(), ...before].map((file) => inside(file));
    await run(compiler, ["c++", ...common, "-shared", "-s", "-o", inside(linked), ...all, ...after], options);
    mkdirSync(path.dirname(output), { recursive: true });
    renameSync(linked, output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
