// What can be seen of an addon where nothing can be run: its file, and the libraries that it will look for.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { tsImport } from "tsx/esm/api";
import { inspect, readLibrary } from "./inspect.mjs";
import { root } from "./python-tools.mjs";
import { check, step } from "./steps.mjs";

const { findLibraries, variantsFor } = await tsImport("../../src/native/variants.ts", import.meta.url);

/** The functions that the addon looks up when it is loaded. */
function lateBound() {
  const header = readFileSync(path.join(root, "native", "engine", "llama_api.h"), "utf8");
  return [...header.matchAll(/\bX\(((?:llama|ggml|gguf)_\w+)\)/g)].map(([, name]) => name);
}

function changedByte(target, file, work) {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] ^= 0xff;
  const changed = path.join(work, "changed.node");
  writeFileSync(changed, bytes);
  let said = "nothing";
  try {
    inspect(target, changed);
  } catch ({ message }) {
    said = message;
  }
  check(said.includes("its signature is of another file"), `${said} is said of it`);
}

/** @param options.libraries Package and version of llama.cpp's libraries, where there is one. */
export async function compiledOnly(target, release, { file, libraries, work }) {
  await step(target.name, `the addon for llama.cpp ${release}, inspected`, () => void inspect(target, file));
  if (target.name === "darwin-arm64") {
    await step(target.name, "a byte that differs is seen by the signature", () => changedByte(target, file, work));
  }
  if (!libraries) return;
  const [variant] = variantsFor("auto", { canOpenLibrary: () => false }, target.platform, target.arch);
  check(variant.packageName === target.libraries, `${target.name} has ${variant.packageName}`);
  await step(target.name, `${libraries} has every function that the addon looks up`, () => {
    const folder = path.join(work, "libraries");
    mkdirSync(folder, { recursive: true });
    try {
      const pack = ["pack", "--json", "--pack-destination", folder, libraries];
      execFileSync("npm", pack, { cwd: work, stdio: ["ignore", "ignore", "pipe"] });
      execFileSync("tar", ["-xzf", path.join(folder, readdirSync(folder)[0]), "-C", folder]);
      const bins = path.join(folder, "package", "bins");
      const { llama, ggml, ggmlBase } = findLibraries(path.join(bins, readdirSync(bins)[0]));
      const exported = new Set([llama, ggml, ggmlBase].flatMap((library) => readLibrary(library).exported));
      const missing = lateBound().filter((name) => !exported.has(name));
      check(missing.length === 0, `no ${missing.join(", ")}`);
      return `${lateBound().length} functions of ${[llama, ggml, ggmlBase].map((one) => path.basename(one)).join(", ")}`;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
