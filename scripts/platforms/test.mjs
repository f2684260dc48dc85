// Installs the packed package on other platforms and uses it there, against this machine's own results.
//
//   npm run test:platforms                          everything
//   npm run test:platforms -- --quick win32-x64     doctor and rerank on one platform
//   npm run test:platforms -- darwin-arm64 …        some platforms
//   npm run test:platforms -- --release 0.4.0       one release of llama.cpp
//   npm run test:platforms -- --archive FILE        the archive that `npm run package` made, instead of a new one
//
// Platforms: linux-x64 (Node 20, 22 and 24), linux-arm64 (qemu-user), win32-x64 (Wine,
// Node 20 and 22). The addons have to be there:
// `npm run prebuild -- --all`. What was run is written to docs/platforms.json, and from that the table of docs/platforms.md.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { compiledOnly } from "./compiled-only.mjs";
import { installEmulator, runNode } from "./emulators.mjs";
import { pack } from "./pack.mjs";
import { root } from "./python-tools.mjs";
import { record } from "./record.mjs";
import { problems } from "./steps.mjs";
import { TARGETS, targetNamed } from "./targets.mjs";
import { DOCUMENTS, quick, whole } from "./whole.mjs";
import { windows } from "./windows.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean" }, release: { type: "string", multiple: true }, archive: { type: "string" } },
});
const { llamaReleases, optionalDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const [pinned] = Object.entries(llamaReleases).find(([, one]) => one === optionalDependencies["node-llama-cpp"]);
const newest = Object.keys(llamaReleases).at(-1);

/**
 * Node and release of llama.cpp on each platform. The registry has the newest release's libraries for Linux alone, and Wine 8
 * cannot start Node 24.
 */
const RUNS = [
  ["linux-x64", "20", pinned],
  ["linux-x64", "22", pinned],
  ["linux-x64", "24", pinned],
  ["linux-x64", "20", newest],
  ["win32-x64", "20", pinned],
  ["win32-x64", "22", pinned],
  ["linux-arm64", "20", pinned],
  ["linux-arm64", "20", newest],
];

const work = mkdtempSync(path.join(tmpdir(), "qrhead platforms "));
const addonOf = (platform, release) => path.join(root, "prebuilds", platform, release, "qrhead.node");

/** A folder whose name is no ASCII and has spaces, with the package and Node as they are on that platform. */
function install(archive, platform, node, release) {
  const target = targetNamed(platform);
  const folder = path.join(work, `${platform}-${node}-${release}`, "Ünï cödé", "a b");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const os = platform.startsWith("win32") ? "win" : target.platform;
  const wanted = [archive, `node-${os}-${target.arch}@${node}`, `${target.libraries}@${llamaReleases[release]}`];
  const options = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--force"];
  execFileSync("npm", ["install", ...options, `--os=${target.platform}`, `--cpu=${target.arch}`, ...wanted], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  writeFileSync(path.join(folder, "documents.txt"), DOCUMENTS.join("\n"));
  return folder;
}

/** Of these platforms those where nothing can be run. */
async function inspectTheRest(names) {
  const rest = names.filter((name) => !RUNS.some(([platform]) => platform === name));
  for (const target of rest.map(targetNamed)) {
    for (const [release, version] of Object.entries(llamaReleases)) {
      if (!(values.release?.includes(release) ?? true)) continue;
      const before = problems.length;
      // The registry has the newest release's libraries for Linux alone.
      const libraries = release === newest ? undefined : `${target.libraries}@${version}`;
      await compiledOnly(target, release, { file: addonOf(target.name, release), libraries, work });
      if (problems.length === before) record({ platform: target.name, release, how: "compiled and inspected only" });
    }
  }
}

try {
  const archive = values.archive ? path.resolve(values.archive) : pack(work);
  const wanted = positionals.length > 0 ? positionals : TARGETS.map(({ name }) => name);
  for (const name of wanted) targetNamed(name);
  const first = (run) => RUNS.find(([platform]) => platform === run[0]) === run;
  const isWanted = ([platform, , release]) => wanted.includes(platform) && (values.release?.includes(release) ?? true);
  const chosen = RUNS.filter((run) => isWanted(run) && (!values.quick || first(run)));
  // What the others are compared against is always there: this machine's first run, and for corpora that of each release.
  const isReference = (run) =>
    RUNS.find(([platform, , release]) => platform === RUNS[0][0] && release === run[2]) === run;
  const isCompared = (run) =>
    chosen.length > 0 && (run === RUNS[0] || (!values.quick && chosen.some(([, , release]) => release === run[2])));
  const runs = RUNS.filter((run) => chosen.includes(run) || (isReference(run) && isCompared(run)));
  const references = {};
  for (const [platform, node, release] of runs) {
    if (!existsSync(addonOf(platform, release))) throw new Error(`There is no addon: npm run prebuild -- ${platform}`);
    installEmulator(platform);
    const before = problems.length;
    const folder = install(archive, platform, node, release);
    const version = runNode(platform, folder, ["--version"]).stdout.trim().replace(/^v/, "");
    console.log(`${platform}, Node ${version}, llama.cpp ${release}`);
    await (values.quick ? quick : whole)(platform, folder, { work, release, reference: references[release] });
    if (!values.quick) {
      references[release] ??= folder;
      if (platform === "win32-x64") await windows(platform, folder);
      if (problems.length === before) record({ platform, node: version, release });
    }
    // Disks are small. What comes later needs the folders of the references alone.
    if (folder !== references[release]) rmSync(folder, { recursive: true, force: true });
  }
  if (!values.quick) await inspectTheRest(wanted);
} catch (error) {
  problems.push(error.message);
  console.log(`FAIL ${error.message}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (problems.length > 0) process.exitCode = 1;
console.log(problems.length > 0 ? `FAIL: ${problems.length} failed` : "The package runs on these platforms.");
