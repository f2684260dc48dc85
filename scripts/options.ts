// Writes what follows from the registry of options: their types, and the reference page. With --check it only says whether
// both are current.
//
//   npm run options
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { referencePage } from "../src/cli/reference.ts";
import { OPTION_TYPES, type OptionType } from "../src/options/registry.ts";
import type { OptionSpec } from "../src/options/spec.ts";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const check = process.argv.includes("--check");
const WIDTH = 118;

/** Where the types are from that the options' own types name. */
const IMPORTS: Readonly<Record<string, string>> = {
  DetectionExampleInput: "../../detect/examples.ts",
  HiddenFact: "../../detect/hidden-fact.ts",
  ChatMessage: "../../types.ts",
  Fuse: "../../types.ts",
  RetrievedSource: "../../documents/places.ts",
  HeadSet: "../../heads/head-set.ts",
  Prior: "../../types.ts",
  Head: "../../types.ts",
  Span: "../../types.ts",
  AskProgress: "../progress.ts",
  ExampleProgress: "../progress.ts",
  IndexProgress: "../progress.ts",
  LeftOutFile: "../progress.ts",
  Progress: "../progress.ts",
  Trial: "../progress.ts",
  UtilityProcessModule: "../../types.ts",
};

function sentence(text: string): string {
  const ends = /[.!?]$/.test(text) ? text : `${text}.`;
  return ends[0] === "`" || ends[0] === "." ? ends : ends[0]!.toUpperCase() + ends.slice(1);
}

function documentation({ says, more, default: fallback, min, max, kind, expected }: OptionSpec): string {
  const bounds =
    (kind === "integer" || kind === "number") && Number.isFinite(min) && max !== Number.MAX_SAFE_INTEGER
      ? ` ${sentence(expected)}`
      : "";
  const what = sentence(says) + bounds;
  return [what, fallback && sentence(`defaults to ${fallback}`), more].filter(Boolean).join(" ");
}

/** A doc comment, on one line where it fits. */
function comment(text: string, indent = "  "): string {
  if (`${indent}/** ${text} */`.length <= WIDTH + 2) return `${indent}/** ${text} */`;
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1)!;
    if (`${indent} * ${last} ${word}`.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`].join("\n");
}

function typeOf([name, { says, own, also = [] }]: [string, OptionType]): string {
  const fields = Object.entries(own).map(([key, spec]) => {
    const type = spec.required ? `${key}: ${spec.type}` : `${key}?: ${spec.type} | undefined`;
    return `${comment(documentation(spec))}\n  ${type};`;
  });
  return `${comment(says, "")}\nexport type ${name} = ${[...also, "{"].join(" & ")}\n${fields.join("\n")}\n};\n`;
}

function types(file: string): string {
  const body = Object.entries<OptionType>(OPTION_TYPES)
    .filter(([, { file: own }]) => own === file)
    .map(typeOf)
    .join("\n");
  const sources = new Map<string, string[]>();
  const elsewhere = Object.entries<OptionType>(OPTION_TYPES).filter(([, { file: own }]) => own !== file);
  const known = [
    ...Object.entries(IMPORTS),
    ...elsewhere.map(([name, { file: own }]) => [name, `./${own}.ts`] as const),
  ];
  for (const [name, source] of known) {
    if (new RegExp(`\\b${name}\\b`).test(body.replace(/\/\*\*[\s\S]*?\*\//g, "")))
      sources.set(source, [...(sources.get(source) ?? []), name]);
  }
  const imports = [...sources].map(
    ([source, names]) => `import type { ${names.sort().join(", ")} } from "${source}";\n`,
  );
  const sorted = imports.sort((a, b) => sourceOf(a).localeCompare(sourceOf(b)));
  const text = `// Written by \`npm run options\` from registry.ts: change it there.\n${sorted.join("")}\n${body}`;
  return formatted(text);
}

function formatted(text: string): string {
  const biome = path.join(root, "node_modules", ".bin", "biome");
  const args = ["format", "--stdin-file-path=src/options/types/any.ts"];
  const { stdout, status, stderr } = spawnSync(biome, args, { cwd: root, input: text, encoding: "utf8" });
  if (status !== 0) throw new Error(`biome could not format the types: ${stderr}`);
  return stdout;
}

/** As the linter sorts imports: what is farther away first. */
function sourceOf(line: string): string {
  return line.slice(line.indexOf('"')).replace(/"\.\//, '"~');
}

function write(file: string, text: string): void {
  const target = path.join(root, file);
  let now = "";
  try {
    now = readFileSync(target, "utf8");
  } catch {
    // There is none yet.
  }
  if (now === text) return;
  if (check) {
    console.error(`${file} is not what the registry of options says: run npm run options`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
  console.log(`wrote ${file}`);
}

for (const file of new Set(Object.values<OptionType>(OPTION_TYPES).map((type) => type.file))) {
  write(`src/options/types/${file}.ts`, types(file));
}
write("docs/reference/options.md", await referencePage());
