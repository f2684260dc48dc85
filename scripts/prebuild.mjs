// Puts addons where a published package has them: prebuilds/PLATFORM/RELEASE/qrhead.node, RELEASE being llama.cpp's, and
// their checksums in prebuilds/sha256.json.
//
//   npm run prebuild -- --all             every platform and release, cross-compiled (docs/platforms.md)
//   npm run prebuild -- --own             this machine's build, as `npm run build` left it
//   npm run prebuild -- linux-arm64 …     some platforms; --release 0.4.0: one release
//   npm run prebuild -- --verify …        builds once more, from nothing and in another folder, and compares every byte
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { llamaSource, llamaVersion, supportedReleases } from "./llama-source.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const prebuilds = path.join(root, "prebuilds");
const LARGEST = 2_000_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean" },
    own: { type: "boolean" },
    release: { type: "string", multiple: true },
    verify: { type: "boolean" },
  },
});

const sha256 = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");
const addonOf = (platform, release) => path.join(prebuilds, platform, release, "qrhead.node");

/** Changes with anything that an addon is made of. */
function keyOf(target, release, compilerVersion) {
  const hash = createHash("sha256").update(JSON.stringify([target, release, compilerVersion]));
  const folders = [
    ...["native", "node_modules/node-addon-api", "node_modules/node-api-headers"],
    ...["include", "ggml/include"].map((folder) => path.join(llamaSource(release), folder)),
  ];
  const builders = ["compile", "link-inputs", "python-tools"].map((name) => `scripts/platforms/${name}.mjs`);
  const inside = folders.flatMap((folder) =>
    readdirSync(path.resolve(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort(),
  );
  for (const file of [...builders.map((name) => path.join(root, name)), ...inside]) {
    hash.update(path.relative(root, file)).update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** Another checkout as far as a build takes it, by hard links: no path, object or library of this one is in what it builds. */
function anotherCheckout(cache) {
  const folder = path.join(cache, `another-checkout-${process.pid}`);
  const packages = ["node-addon-api", "node-api-headers", "node-llama-cpp"].map((name) => `node_modules/${name}`);
  const kept = readdirSync(path.join(root, ".cache")).filter((name) => /^(node-)?llama[.-]cpp-\d[\d.]*$/.test(name));
  const tools = readdirSync(cache).filter((name) => /^(ziglang|readers)-\w+$/.test(name));
  const all = ["package.json", "native", "scripts", ...packages, ...kept.map((name) => `.cache/${name}`)];
  for (const name of [...all, ...tools.map((tool) => `.cache/platforms/${tool}`)]) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    execFileSync("cp", ["-al", path.join(root, name), path.join(folder, name)]);
  }
  return folder;
}

async function crossCompile(targets, releases) {
  const { compile } = await import("./platforms/compile.mjs");
  const { inspect } = await import("./platforms/inspect.mjs");
  const { compilerVersion, cache } = await import("./platforms/python-tools.mjs");
  let another;
  for (const target of targets) {
    for (const release of releases) {
      const begin = performance.now();
      const kept = path.join(cache, "addons", keyOf(target, release, compilerVersion), "qrhead.node");
      const known = existsSync(kept);
      if (!known) await compile(target, release, kept);
      if (values.verify) {
        another ??= anotherCheckout(cache);
        const script = path.join(another, "scripts", "prebuild.mjs");
        execFileSync(process.execPath, [script, target.name, "--release", release], { cwd: another, stdio: "ignore" });
        const again = path.join(another, "prebuilds", target.name, release, "qrhead.node");
        if (sha256(again) !== sha256(kept)) throw new Error(`${target.name} ${release}: two builds differ`);
      }
      const file = addonOf(target.name, release);
      mkdirSync(path.dirname(file), { recursive: true });
      copyFileSync(kept, file);
      const { size } = statSync(file);
      if (size > LARGEST) throw new Error(`${file} takes ${size} bytes: at most ${LARGEST}`);
      inspect(target, file);
      const seconds = Math.round((performance.now() - begin) / 1000);
      const how = known ? "kept" : `${seconds} s`;
      console.log(
        `${target.name.padEnd(13)} llama.cpp ${release}  ${String(size).padStart(8)} bytes  ${how}${values.verify ? `, the same twice: ${sha256(file)}` : ""}`,
      );
    }
  }
  if (another) rmSync(another, { recursive: true, force: true });
}

async function copyOwnBuild() {
  const built = path.join(root, "build", "Release", "qrhead.node");
  if (!existsSync(built)) throw new Error(`Expected an addon at ${built}: run \`npm run build\` first`);
  const file = addonOf(`${process.platform}-${process.arch}`, llamaVersion());
  // One that was cross-compiled from the same sources runs on older systems than this machine's.
  const { compilerVersion, cache } = await import("./platforms/python-tools.mjs");
  const { TARGETS } = await import("./platforms/targets.mjs");
  const target = TARGETS.find(({ name }) => name === `${process.platform}-${process.arch}`);
  const kept = target && path.join(cache, "addons", keyOf(target, llamaVersion(), compilerVersion), "qrhead.node");
  if (kept && existsSync(kept) && existsSync(file) && sha256(file) === sha256(kept)) return;
  mkdirSync(path.dirname(file), { recursive: true });
  copyFileSync(built, file);
}

function writeChecksums() {
  const files = readdirSync(prebuilds, { recursive: true })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => /^[^/]+\/[^/]+\/qrhead\.node$/.test(file))
    .sort();
  const sums = Object.fromEntries(files.map((file) => [file, sha256(path.join(prebuilds, file))]));
  writeFileSync(path.join(prebuilds, "sha256.json"), `${JSON.stringify(sums, null, 2)}\n`);
}

if (values.all || positionals.length > 0) {
  const { TARGETS, targetNamed } = await import("./platforms/targets.mjs");
  const targets = values.all ? TARGETS : positionals.map(targetNamed);
  await crossCompile(targets, values.release ?? Object.keys(supportedReleases()));
  writeChecksums();
} else if (values.own) {
  await copyOwnBuild();
  writeChecksums();
} // npm calls a script of this name before `npm run build`, without arguments: nothing to do then.
