// Installs the packed package on other platforms and uses it there, against this machine's own results.
//
//   npm run test:platforms                          everything
//   npm run test:platforms -- --quick win32-x64     doctor and rerank on one platform
//
// Platforms: linux-x64 (Node 20, 22 and 24), linux-arm64 (qemu-user), win32-x64 (Wine). The addons have to be there:
// `npm run prebuild -- --all`. What was run is written to docs/platforms.json, and from that the table of docs/platforms.md.
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { installEmulator, runNode } from "./emulators.mjs";
import { root } from "./python-tools.mjs";
import { record } from "./record.mjs";
import { targetNamed } from "./targets.mjs";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: "boolean" } } });
const { llamaReleases, optionalDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const pinned = optionalDependencies["node-llama-cpp"];
/**
 * Largest difference of a score between platforms, as a part of the largest score: their kernels add in other orders. With a
 * cache of F16 llama.cpp's flash attention multiplies and adds in half precision on arm64 and not on x64. The built-in model
 * computes in eight bits besides, where a last digit that differs rounds a whole activation to its neighbour.
 */
const TOLERANCE = { "F32 weights and cache": 1e-4, "F32 weights": 5e-4, "the built-in model": 5e-4 };
const QUERY = "Where is the Eiffel Tower?";
const DOCUMENTS = ["Bananas are yellow.", "The Eiffel Tower stands in Paris.", "Tides rise and fall.\r", "Bees dance."];

const work = mkdtempSync(path.join(tmpdir(), "qrhead platforms "));
const problems = [];

function step(platform, name, run) {
  try {
    const detail = run();
    console.log(`ok   ${platform}: ${name}${detail ? ` (${detail})` : ""}`);
  } catch (error) {
    problems.push(name);
    console.log(`FAIL ${platform}: ${name}\n     ${error.message}`);
  }
}

function check(condition, message) {
  if (!condition) throw new Error(message);
}

function pack() {
  execFileSync("npm", ["pack", "--pack-destination", work], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  return path.join(
    work,
    readdirSync(work).find((file) => file.endsWith(".tgz")),
  );
}

/** A folder whose name is no ASCII and has spaces, with the package and Node as they are on that platform. */
function install(archive, platform, node) {
  const target = targetNamed(platform);
  const folder = path.join(work, `${platform}-${node}`, "Ünï cödé", "a b");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const os = platform.startsWith("win32") ? "win" : target.platform;
  const wanted = [archive, `node-${os}-${target.arch}@${node}`, `${target.libraries}@${pinned}`];
  const options = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--force"];
  execFileSync("npm", ["install", ...options, `--os=${target.platform}`, `--cpu=${target.arch}`, ...wanted], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  writeFileSync(path.join(folder, "documents.txt"), DOCUMENTS.join("\n"));
  return folder;
}

const main = path.join("node_modules", "qrhead", "dist", "cli", "main.js");

function runCommand(platform, folder, args, { status: expected = 0 } = {}) {
  const { status, stdout, stderr, seconds } = runNode(platform, folder, [main, ...args]);
  check(status === expected, `exit ${status} instead of ${expected}: ${(stderr || stdout).trim().slice(-500)}`);
  return { stdout, stderr, seconds };
}

const rerank = ["rerank", "--query", QUERY, "--docs", "documents.txt", "--gpu", "false", "--threads", "1", "--json"];

/** @returns The largest difference as a part of the largest score. */
function difference(found, expected) {
  const byId = (results) => new Map(results.map(({ id, score }) => [id, score]));
  const scores = byId(expected);
  check(found.length === expected.length, `${found.length} results instead of ${expected.length}`);
  const largest = Math.max(...[...scores.values()].map(Math.abs));
  return Math.max(...[...byId(found)].map(([id, score]) => Math.abs(score - scores.get(id)))) / largest;
}

function compare(found, expected, weights = "the built-in model") {
  const apart = difference(found, expected);
  check(apart <= TOLERANCE[weights], `scores differ by ${apart} of the largest`);
  return apart === 0 ? "the same to the last bit" : `${apart.toExponential(1)} of the largest score`;
}

const resultsOf = ({ stdout }) => JSON.parse(stdout).results;

/** What is compared against: the package on this machine. */
const reference = {};

function rerankLikeLinux(platform, folder, weights, more = []) {
  step(platform, `rerank, ${weights}, scores against linux-x64`, () => {
    const found = resultsOf(runCommand(platform, folder, [...rerank, ...more]));
    reference[weights] ??= found;
    return compare(found, reference[weights], weights);
  });
}

function quick(platform, folder) {
  step(platform, "doctor", () => {
    const { stdout, seconds } = runCommand(platform, folder, ["doctor", "--gpu", "false", "--json"]);
    const failed = JSON.parse(stdout).checks.filter(({ status }) => status === "fail");
    check(failed.length === 0, JSON.stringify(failed));
    return `${seconds} s`;
  });
  rerankLikeLinux(platform, folder, "the built-in model");
  copyFileSync(f32Model(), path.join(folder, "f32.gguf"));
  const f32 = ["--model", "f32.gguf", "--heads", "all"];
  rerankLikeLinux(platform, folder, "F32 weights", f32);
  rerankLikeLinux(platform, folder, "F32 weights and cache", [...f32, "-ctk", "f32", "-ctv", "f32"]);
}

/** A random model, which the test suite has as well. */
function f32Model() {
  const file = path.join(root, ".cache", "models", "tiny-llama.gguf");
  if (!existsSync(file)) execFileSync("npm", ["run", "make-models", "--", "--tiny"], { cwd: root, stdio: "ignore" });
  return file;
}

function whole(platform, folder) {
  quick(platform, folder);
  step(platform, "demo", () => {
    check(
      runCommand(platform, folder, ["demo"]).stdout.includes("Autumn leaves"),
      "the demo's first document is missing",
    );
  });
  step(platform, "prune", () => {
    writeFileSync(path.join(folder, "text.txt"), DOCUMENTS.join("\r\n\r\n"));
    const { stdout } = runCommand(platform, folder, ["prune", "--query", QUERY, "--budget", "25", "text.txt"]);
    check(stdout.includes("Eiffel") && !stdout.includes("Bananas"), `kept ${JSON.stringify(stdout)}`);
  });
  step(platform, "detect on two examples", () => {
    const docs = DOCUMENTS.map((text, id) => ({ id: String(id), text }));
    const examples = [0, 1].map((id) => JSON.stringify({ id: String(id), query: QUERY, docs, gold: ["1"] }));
    writeFileSync(path.join(folder, "examples.jsonl"), examples.join("\r\n"));
    const model = path.join("node_modules", "qrhead", "models", "qrhead-mini-v3-q8_0.gguf");
    const detect = ["detect", "--model", model, "--examples", "examples.jsonl", "-o", "heads.json", "--gpu", "false"];
    // Twice: the second replaces a file.
    for (const more of [[], ["--force"]]) runCommand(platform, folder, [...detect, ...more]);
    check(JSON.parse(readFileSync(path.join(folder, "heads.json"), "utf8")).heads.length > 0, "no heads");
  });
  step(platform, "a wrong path", () => {
    const { stderr } = runCommand(platform, folder, ["rerank", "--query", "q", "--docs", "no\\such file"], {
      status: 2,
    });
    check(/^qrhead: .*no\\+such file/.test(stderr), stderr);
  });
  step(platform, "a damaged model", () => {
    writeFileSync(path.join(folder, "damaged.gguf"), "GGUF\x03\0\0\0 and nothing more");
    const { stderr } = runCommand(platform, folder, [...rerank, "--model", "damaged.gguf"], { status: 1 });
    check(stderr.startsWith("qrhead: ") && stderr.trim().split("\n").length === 1, stderr);
  });
  step(platform, "in a worker thread, a child process and two processes at once", () => {
    writeFileSync(path.join(folder, "together.mjs"), readFileSync(path.join(root, "scripts/platforms/together.mjs")));
    const { status, stdout, stderr } = runNode(platform, folder, ["together.mjs"]);
    check(status === 0, stderr);
    for (const results of JSON.parse(stdout)) compare(results, reference["the built-in model"]);
  });
  step(platform, "a corpus saved here and on linux-x64 gives the same scores", () => corpus(platform, folder));
}

/** Saves a corpus on this platform and loads it together with the one that linux-x64 saved. */
function corpus(platform, folder) {
  const shared = path.join(work, "corpora");
  mkdirSync(shared, { recursive: true });
  writeFileSync(path.join(folder, "corpus.mjs"), readFileSync(path.join(root, "scripts/platforms/corpus.mjs")));
  const files = ["linux-x64", platform].map((name) => path.join(shared, `${name}.qrcorpus`));
  const { status, stdout, stderr } = runNode(platform, folder, ["corpus.mjs", files[1], ...files]);
  check(status === 0, stderr);
  const [own, ...loaded] = JSON.parse(stdout);
  return loaded.map((results) => compare(results, own)).join(", ");
}

try {
  const archive = pack();
  const nodes = { "linux-x64": ["20", "22", "24"], "linux-arm64": ["20"], "win32-x64": ["20"] };
  const wanted = positionals.length > 0 ? positionals : Object.keys(nodes);
  const release = Object.entries(llamaReleases).find(([, version]) => version === pinned)[0];
  for (const platform of ["linux-x64", ...wanted.filter((name) => name !== "linux-x64")]) {
    const file = path.join(root, "prebuilds", platform, release, "qrhead.node");
    if (!existsSync(file)) throw new Error(`Expected ${file}: npm run prebuild -- ${platform}`);
    installEmulator(platform);
    for (const node of values.quick ? nodes[platform].slice(0, 1) : nodes[platform]) {
      const before = problems.length;
      const folder = install(archive, platform, node);
      const version = runNode(platform, folder, ["--version"]).stdout.trim().replace(/^v/, "");
      console.log(`${platform}, Node ${version}`);
      (values.quick ? quick : whole)(platform, folder);
      if (!values.quick && problems.length === before) record(platform, version, release);
    }
  }
} catch (error) {
  console.log(`FAIL ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
if (problems.length > 0) process.exitCode = 1;
console.log(problems.length > 0 ? `${problems.length} failed` : "The package runs on these platforms.");
