// What is done with the package on every platform.

import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runNode } from "./emulators.mjs";
import { root } from "./python-tools.mjs";
import { check, compare, step } from "./steps.mjs";
import { atTerminal } from "./terminal.mjs";

export const QUERY = "Where is the Eiffel Tower?";
export const DOCUMENTS = [
  "Bananas are yellow.",
  "The Eiffel Tower stands in Paris.",
  "Tides rise and fall.\r",
  "Bees dance.",
];
const REFERENCE = "linux-x64";

export const main = path.join("node_modules", "qrhead", "dist", "cli", "main.js");
const model = path.join("node_modules", "qrhead", "models", "qrhead-mini-v3-q8_0.gguf");
const cpu = ["--gpu", "false", "--threads", "1"];
/** Arguments that rank documents, those of a file in the folder unless told otherwise. */
export const rerank = (docs = "documents.txt") => ["rerank", "--query", QUERY, "--docs", docs, ...cpu, "--json"];

/** @throws Error with what was printed where it ends with another status. */
export function runCommand(platform, folder, args, { status: expected = 0, host } = {}) {
  const { status, stdout, stderr } = runNode(platform, folder, [main, ...args], { host });
  check(status === expected, `exit ${status} instead of ${expected}: ${(stderr || stdout).trim().slice(-500)}`);
  return { stdout, stderr };
}

/** @param options.below Folder of `folder` in which the program lies. */
export function runProgram(platform, folder, name, args = [], { below = "", host } = {}) {
  copyFileSync(path.join(root, "scripts", "platforms", "there", name), path.join(folder, below, name));
  const { status, stdout, stderr } = runNode(platform, folder, [path.join(below, name), ...args], { host });
  check(status === 0, `exit ${status}: ${stderr.trim().slice(-500)}`);
  return stdout;
}

/** What is compared against: the package on this machine, by weights. */
const reference = {};

function rerankLikeLinux(platform, folder, weights, more = []) {
  return step(platform, `rerank, ${weights}, scores against ${REFERENCE}`, () => {
    const { results } = JSON.parse(runCommand(platform, folder, [...rerank(), ...more]).stdout);
    reference[weights] ??= results;
    return compare(results, reference[weights], weights);
  });
}

/** A random model, which the test suite has as well. */
function testModel(name) {
  const file = path.join(root, ".cache", "models", `${name}.gguf`);
  if (!existsSync(file)) execFileSync("npm", ["run", "make-models", "--", "--tiny"], { cwd: root, stdio: "ignore" });
  return file;
}

export async function quick(platform, folder) {
  await step(platform, "doctor", () => {
    const { checks } = JSON.parse(runCommand(platform, folder, ["doctor", "--gpu", "false", "--json"]).stdout);
    const failed = checks.filter(({ status }) => status === "fail");
    check(failed.length === 0, JSON.stringify(failed));
    const addon = checks.find(({ name }) => name === "addon").detail;
    check(addon.includes("checksum as packed"), `doctor compares no checksum: ${addon}`);
  });
  await step(platform, "doctor, an addon that is damaged", () => damagedAddon(platform, folder));
  await rerankLikeLinux(platform, folder, "the built-in model");
  copyFileSync(testModel("tiny-llama"), path.join(folder, "f32.gguf"));
  const f32 = ["--model", "f32.gguf", "--heads", "all"];
  await rerankLikeLinux(platform, folder, "F32 weights", f32);
  await rerankLikeLinux(platform, folder, "F32 weights and cache", [...f32, "-ctk", "f32", "-ctv", "f32"]);
}

/** One with a single byte that differs is still loaded by the system, one with half its bytes ends the process. */
function damagedAddon(platform, folder) {
  const prebuilds = path.join(folder, "node_modules", "qrhead", "prebuilds", platform);
  const files = readdirSync(prebuilds).map((release) => path.join(prebuilds, release, "qrhead.node"));
  const packed = files.map((file) => readFileSync(file));
  const flipped = (bytes) =>
    Buffer.from(bytes).fill(bytes[bytes.length >> 1] ^ 0xff, bytes.length >> 1, (bytes.length >> 1) + 1);
  const damages = platform === REFERENCE ? [flipped, (bytes) => bytes.subarray(0, bytes.length >> 1)] : [flipped];
  try {
    for (const damage of damages) {
      for (const [i, file] of files.entries()) writeFileSync(file, damage(packed[i]));
      const { stdout } = runCommand(platform, folder, ["doctor", "--gpu", "false", "--json"], { status: 1 });
      const failed = JSON.parse(stdout).checks.filter(({ status }) => status === "fail");
      check(failed.length === 1 && failed[0].name === "addon", JSON.stringify(failed));
      check(failed[0].detail.includes("but the package was made with"), failed[0].detail);
    }
  } finally {
    for (const [i, file] of files.entries()) writeFileSync(file, packed[i]);
  }
}

export async function whole(platform, folder, context) {
  await quick(platform, folder);
  await step(platform, "demo", () => {
    const { stdout } = runCommand(platform, folder, ["demo"]);
    check(stdout.includes("Autumn leaves"), "the demo's first document is missing");
  });
  await step(platform, "prune", () => {
    writeFileSync(path.join(folder, "text.txt"), DOCUMENTS.join("\r\n\r\n"));
    const { stdout } = runCommand(platform, folder, ["prune", "--query", QUERY, "--budget", "25", ...cpu, "text.txt"]);
    check(stdout.includes("Eiffel") && !stdout.includes("Bananas"), `kept ${JSON.stringify(stdout)}`);
  });
  await step(platform, "detect on two examples", () => {
    const docs = DOCUMENTS.map((text, id) => ({ id: String(id), text }));
    const examples = [0, 1].map((id) => JSON.stringify({ id: String(id), query: QUERY, docs, gold: ["1"] }));
    writeFileSync(path.join(folder, "examples.jsonl"), examples.join("\r\n"));
    const detect = ["detect", "--model", model, "--examples", "examples.jsonl", "-o", "heads.json", ...cpu];
    // Twice: the second replaces a file.
    for (const more of [[], ["--force"]]) runCommand(platform, folder, [...detect, ...more]);
    check(JSON.parse(readFileSync(path.join(folder, "heads.json"), "utf8")).heads.length > 0, "no heads");
  });
  await step(platform, "a wrong path", () => {
    const wrong = ["rerank", "--query", "q", "--docs", "no\\such file"];
    const { stderr } = runCommand(platform, folder, wrong, { status: 2 });
    check(/^qrhead: .*no\\+such file/.test(stderr), stderr);
  });
  await step(platform, "a damaged model", () => {
    writeFileSync(path.join(folder, "damaged.gguf"), "GGUF\x03\0\0\0 and nothing more");
    const { stderr } = runCommand(platform, folder, [...rerank(), "--model", "damaged.gguf"], { status: 1 });
    check(stderr.startsWith("qrhead: ") && stderr.trim().split("\n").length === 1, stderr);
  });
  await step(platform, "an exception that libllama throws", () => {
    const bytes = readFileSync(testModel("tiny-llama-spm"));
    bytes.write("<0xF?>", bytes.indexOf("<0xF0>"), "latin1");
    writeFileSync(path.join(folder, "no-f0.gguf"), bytes);
    const printed = runProgram(platform, folder, "exception.mjs", ["no-f0.gguf"]);
    check(printed === JSON.stringify([2, "ENGINE_FAILED", 2]), printed);
  });
  await step(platform, "in a worker thread, in child processes, isolated, and in two processes at once", () => {
    const all = JSON.parse(runProgram(platform, folder, "together.mjs"));
    check(all.length === 5, `${all.length} results`);
    for (const results of all) compare(results, reference["the built-in model"]);
  });
  await step(platform, "from an archive, as Electron packs it, in one process and isolated", () => {
    packAsElectron(folder);
    for (const kind of ["alone", "isolated"]) {
      const results = JSON.parse(runProgram(platform, folder, "together.mjs", [kind], { below: "app.asar" }));
      compare(results, reference["the built-in model"]);
    }
    for (const name of ["app.asar", "app.asar.unpacked"]) rmSync(path.join(folder, name), { recursive: true });
  });
  await step(platform, `corpora of both layouts, saved here and on ${REFERENCE}, loaded here and there`, () =>
    corpora(platform, folder, context),
  );
  await step(platform, "Ctrl+C at a terminal, while it computes", () => interrupt(platform, folder));
}

/** Electron shows an archive as a folder. Here is one, and beside it what examples/electron keeps out of it. */
function packAsElectron(folder) {
  const modules = path.join(folder, "node_modules");
  const outside = ["qrhead", "@node-llama-cpp"];
  for (const name of outside) {
    cpSync(path.join(modules, name), path.join(folder, "app.asar.unpacked", "node_modules", name), { recursive: true });
  }
  // A file of these kinds that is looked for in the archive is missing.
  const isScript = (file) =>
    !/\.(node|so|dll|dylib|gguf)(\.|$)/.test(path.basename(file)) && !/node-(win|linux)-/.test(file);
  cpSync(modules, path.join(folder, "app.asar", "node_modules"), { recursive: true, filter: isScript });
}

/** A corpus goes with one release of llama.cpp: each is compared with the run of this machine that has the same one. */
function corpora(platform, folder, { work, release, reference: there }) {
  const shared = path.join(work, `corpora-${release}`);
  mkdirSync(shared, { recursive: true });
  const run = (name, inFolder, names) => JSON.parse(runProgram(name, inFolder, "corpus.mjs", [shared, ...names]));
  const [here, back] = [run(platform, folder, [platform, ...(there ? [REFERENCE] : [])]), {}];
  if (there && platform !== REFERENCE) Object.assign(back, run(REFERENCE, there, ["again", platform]));
  const details = [];
  for (const layout of ["listwise", "independent"]) {
    const [own, ...loaded] = [...here[layout], ...(back[layout] ?? [])];
    details.push(`${layout}: ${loaded.map((results) => compare(results, own)).join(", ")}`);
  }
  return details.join("; ");
}

async function interrupt(platform, folder) {
  // More work than is done before the key arrives. Emulated, the first window of the same takes minutes.
  const lines = platform === "linux-arm64" ? 500 : 5000;
  // Wine draws only what changes on its screen, so of a second label there may be a part.
  const pattern = platform === "win32-x64" ? /[█░]/ : /(Reading the documents|Ranking) +\[/;
  writeFileSync(
    path.join(folder, "long.txt"),
    "The mill by the river grinds wheat for the whole village.\n".repeat(lines),
  );
  const args = [main, "rerank", "--query", QUERY, "--docs", "long.txt", ...cpu];
  const { status, output } = await atTerminal(platform, folder, args, {
    once: { pattern, text: "\x03" },
  });
  check(
    status === 130 && output.includes("qrhead: interrupted"),
    `exit ${status}: ${JSON.stringify(output.slice(-500))}`,
  );
}
