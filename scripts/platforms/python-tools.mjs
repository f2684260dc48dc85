// Tools from the Python registry, pinned with their checksums and kept in .cache: the compiler of all platforms (zig's clang,
// with libc++ and the stubs of every system) and readers of ELF, PE and Mach-O files.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const cache = path.join(root, ".cache", "platforms");

const tools = {
  ziglang: [
    // For processors of two kinds.
    "ziglang==0.14.1 --hash=sha256:6eb9d4d759b292c83810dbee2e9e8e3fbfbf01d864e6e9811bae711fd74e1c2f --hash=sha256:7994b27f3cbfcedea43f9b7552e38b45857bdf0e9a45065474092dd74e7048cf",
  ],
  readers: [
    "altgraph==0.17.5 --hash=sha256:f3a22400bce1b0c701683820ac4f3b159cd301acab067c51c653e06961600597",
    "macholib==1.16.4 --hash=sha256:da1a3fa8266e30f0ce7e97c6a54eefaae8edd1e5f86f3eb8b95457cae90265ea",
    "pefile==2024.8.26 --hash=sha256:76f8b485dcd3b1bb8166f1128d395fa3d87af26360c2358fb75b80019b957c6f",
    "pyelftools==0.33 --hash=sha256:f215ad5f47d3f1373a21496a6c9e0707c622840d0622f23ff7ce08678b020036",
  ],
};

/** Folder to put on Python's path for `name`; fetched by the first call. */
export function pythonTool(name) {
  const wanted = `${tools[name].join("\n")}\n`;
  const folder = path.join(cache, `${name}-${createHash("sha256").update(wanted).digest("hex").slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const list = path.join(partial, "requirements.txt");
  writeFileSync(list, wanted);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];
  try {
    // Offline machines name a folder of wheels to pip: PIP_FIND_LINKS.
    execFileSync("python3", [...pip, "--require-hashes", "--no-compile", "--target", partial, "-r", list], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    renameSync(partial, folder);
  } catch (error) {
    throw new Error(`${name} could not be had from the Python registry, which takes python3 with pip`, {
      cause: error,
    });
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

export function zig() {
  return path.join(pythonTool("ziglang"), "ziglang", "zig");
}

/** What identifies the compiler in a build's key. */
export const compilerVersion = tools.ziglang.join();
