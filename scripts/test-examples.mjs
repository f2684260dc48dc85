// Runs what stands in examples/ as its reader would: packs qrhead once, installs each example with that archive in an empty
// folder, compiles it, runs it and compares what it prints with its expected.txt. There `…` stands for anything within a
// line, and alone on a line for any lines. A released model ranks and writes where it is in .cache/real, else the built-in one.
//   npm run test:examples -- [NAME…] [--archive qrhead.tgz] [--built-in] [--keep]
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    archive: { type: "string" },
    keep: { type: "boolean", default: false },
    "built-in": { type: "boolean", default: false },
  },
});
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const release = manifest.optionalDependencies["node-llama-cpp"];
/** The libraries of this platform alone, so that an installation takes megabytes and not hundreds of them. */
const libraries =
  process.platform === "linux" && ["x64", "arm64"].includes(process.arch)
    ? `@node-llama-cpp/linux-${process.arch}`
    : undefined;
const released = path.join(root, ".cache", "real", "SmolLM2-135M-Instruct.Q4_1.gguf");
const model = existsSync(released) && !values["built-in"] ? released : undefined;
/** Milliseconds for one example, which takes seconds. */
const TIMEOUT = 300_000;

const known = readdirSync(path.join(root, "examples"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .filter((name) => existsSync(path.join(root, "examples", name, "expected.txt")));
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) throw new Error(`There is no example ${unknown.join(", ")}: there are ${known.join(", ")}`);
const names = positionals.length > 0 ? positionals : known;

/** @returns What `expected` demands of a text. */
function toPattern(expected) {
  const escaped = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const lines = expected.trimEnd().split("\n");
  const patterns = lines.map((line) =>
    line === "…" ? "(?:.*\n)*?" : `${line.split("…").map(escaped).join(".*")}[ ]*\n`,
  );
  return new RegExp(`^${patterns.join("")}$`);
}

function pack(folder) {
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return path.join(
    folder,
    readdirSync(folder).find((file) => file.endsWith(".tgz")),
  );
}

/** @returns What went wrong, or nothing. */
function tryExample(name, archive, folder) {
  cpSync(path.join(root, "examples", name), folder, {
    recursive: true,
    filter: (file) => path.basename(file) !== "node_modules",
  });
  const file = path.join(folder, "package.json");
  const project = JSON.parse(readFileSync(file, "utf8"));
  project.dependencies.qrhead = `file:${archive}`;
  if (libraries) {
    project.dependencies[libraries] = release;
    project.overrides = { "node-llama-cpp": `file:${nothing}` };
  }
  writeFileSync(file, JSON.stringify(project));
  const env = { ...process.env, ...(model && { QRHEAD_MODEL: model }) };
  const run = (command, args, input = "") =>
    spawnSync(command, args, { cwd: folder, encoding: "utf8", timeout: TIMEOUT, env, input });
  const steps = [
    ["npm", ["install", "--prefer-offline", "--no-audit", "--no-fund"]],
    ["npm", ["run", "--silent", "check"]],
  ];
  for (const [command, args] of steps) {
    const { status, stdout, stderr } = run(command, args);
    if (status !== 0) return `${command} ${args.join(" ")} ended with ${status}\n${stdout}${stderr}`;
  }
  const input = path.join(folder, "input.txt");
  const { status, stdout, stderr } = run(
    "npm",
    ["run", "--silent", "start"],
    existsSync(input) ? readFileSync(input, "utf8") : "",
  );
  if (status !== 0) return `it ended with ${status}\n${stdout}${stderr}`;
  const expected = readFileSync(path.join(folder, "expected.txt"), "utf8");
  return toPattern(expected).test(`${stdout.trimEnd()}\n`) ? undefined : `expected\n${expected}\nprinted\n${stdout}`;
}

const scratch = mkdtempSync(path.join(tmpdir(), "qrhead-examples-"));
/** Stands for node-llama-cpp, which installs the libraries of every device. */
const nothing = path.join(scratch, "nothing");
mkdirSync(nothing);
writeFileSync(path.join(nothing, "package.json"), JSON.stringify({ name: "node-llama-cpp", version: release }));
let failed = 0;
try {
  const archive = values.archive ? path.resolve(values.archive) : pack(scratch);
  console.log(model ? "With SmolLM2-135M-Instruct" : "With the built-in model");
  for (const name of names) {
    const began = Date.now();
    const problem = tryExample(name, archive, path.join(scratch, name));
    console.log(`${problem ? "FAIL" : "ok  "} ${name}, ${((Date.now() - began) / 1000).toFixed(0)} s`);
    if (problem) console.log(problem.replaceAll(/^/gm, "     "));
    if (problem) failed++;
    if (!values.keep) rmSync(path.join(scratch, name), { recursive: true, force: true });
  }
  console.log(`${names.length - failed} passed, ${failed} failed`);
} finally {
  if (values.keep) console.log(`kept ${scratch}`);
  else rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
