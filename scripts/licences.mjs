// Writes LICENSES.md: everything that ships in the package, and what npm installs beside it. `--check` compares instead.
// It reads what was bundled from dist/third-party-licences.txt, so it needs `npm run build:ts`.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const read = (file) => readFileSync(path.join(root, file), "utf8");
const manifest = JSON.parse(read("package.json"));
const manifestOf = (name) => JSON.parse(read(`node_modules/${name}/package.json`));
const row = (cells) => `| ${cells.join(" | ")} |`;

/** Names of the packages whose code is in dist. */
const bundled = read("dist/third-party-licences.txt")
  .split(`\n${"-".repeat(80)}\n\n`)
  .map((notice) => notice.split("\n")[0].replace(/ \S+$/, ""));
/** Those that users install with qrhead; node-llama-cpp is optional. */
const installed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).sort();

/** @returns A table of packages with their versions and licences, as they are installed here. */
function table(names) {
  const rows = names.map((name) => {
    const { version, license } = manifestOf(name);
    if (typeof license !== "string") throw new Error(`${name} names no licence`);
    return row([name, version, license]);
  });
  return [row(["package", "version", "licence"]), "|---|---|---|", ...rows].join("\n");
}

const text = `# Licences

\`npm run licences\` writes this page. It is not legal advice.

## In the package

| what | licence |
|---|---|
| code of qrhead: \`dist\`, \`pages\`, \`prebuilds\` | MIT ([LICENSE](LICENSE)) |
| \`models/qrhead-mini-v3-q8_0.gguf\`, the built-in model's weights | CC BY-SA 4.0 |
| head sets of others, \`qrhead heads show NAME\` | published by their authors with their papers and code, cited there; lists of numbers |
| the text that \`qrhead detect --bootstrap\` uses, the demo's passages | MIT, written for qrhead |

### JavaScript in \`dist\`

The full texts are in \`dist/third-party-licences.txt\`.

${table(bundled)}

Stop words and word rules of BM25 follow Apache Lucene's EnglishAnalyzer (Apache-2.0).

### In the compiled addons

| what | licence |
|---|---|
| node-addon-api, node-api-headers | MIT |
| headers of llama.cpp and ggml | MIT |
| libc++ of LLVM, in addons that \`npm run prebuild\` cross-compiles | Apache-2.0 WITH LLVM-exception |

## Data of the built-in model

| data | licence |
|---|---|
| Wikipedia contributors, text | CC BY-SA 3.0 |
| SQuAD, HotpotQA | CC BY-SA 4.0 |
| MuSiQue | CC BY 4.0 |
| SciFact | claims CC BY 4.0, abstracts ODC-By |

## Installed beside it

${table(installed)}

node-llama-cpp brings llama.cpp's libraries (MIT). Their CUDA builds link to NVIDIA's libraries, which have a licence of their own.

## Separate packages and models

| what | licence |
|---|---|
| \`qrhead-base\`: SmolLM2-135M-Instruct by Hugging Face, cut and tuned | CC BY-SA 4.0, its embeddings Apache-2.0 ([its card](packages/base/README.md)) |
| any model that you load or pull | its authors'; read it on the model's page |
`;

const file = path.join(root, "LICENSES.md");
if (process.argv.includes("--check")) {
  if (read("LICENSES.md") !== text) {
    console.error("LICENSES.md is not what ships: npm run licences");
    process.exitCode = 1;
  }
} else writeFileSync(file, text);
