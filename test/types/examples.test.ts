// Every public function and method has an example, and every example compiles against the types that users install.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const dist = path.join(root, "dist");
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
  exports: Record<string, { types?: string } | string>;
};
const read = (file: string) => readFileSync(path.join(dist, file), "utf8");

type Entry = { name: string; values: Map<string, string> };

/** What each entry exports beside types, and the file that declares it. */
function entriesOf(): Entry[] {
  return Object.entries(manifest.exports).flatMap(([name, entry]) => {
    if (typeof entry === "string" || !entry.types) return [];
    const file = path.relative("dist", entry.types);
    const values = new Map<string, string>();
    const text = read(file);
    for (const [, names, from] of text.matchAll(/^export \{([^}]*)\} from "([^"]+)\.ts";$/gm)) {
      for (const one of names!.split(",").map((part) => part.trim())) {
        if (/^\w+$/.test(one)) values.set(one, path.join(path.dirname(file), `${from}.d.ts`));
      }
    }
    for (const [, one] of text.matchAll(/^export declare (?:class|function|const) (\w+)/gm)) values.set(one!, file);
    return [{ name: name.replace(/^\./, "qrhead"), values }];
  });
}

const COMMENT = String.raw`\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*`;
const hasExample = (text: string, declaration: string) =>
  new RegExp(`${COMMENT}${declaration}`).exec(text)?.[1]?.includes("@example") ?? false;

/** Of every comment with an example, the lines behind `@example`. */
function examplesOf(text: string): string[] {
  return [...text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\//g)].flatMap(([, comment]) => {
    const lines = comment!.split("\n").map((line) => line.replace(/^\s*\* ?/, ""));
    const begin = lines.findIndex((line) => line.startsWith("@example"));
    return begin === -1
      ? []
      : [
          lines
            .slice(begin + 1)
            .join("\n")
            .trim(),
        ];
  });
}

/** What examples speak of without making it. */
const KNOWN: Record<string, [type: string, entry: string]> = {
  retriever: ["QRRetriever", "qrhead"],
  corpus: ["Corpus", "qrhead"],
  report: ["EvalReport", "qrhead/eval"],
};

function moduleOf(example: string, entries: readonly Entry[]): string {
  const uses = (name: string) => new RegExp(String.raw`(?<![.\w"-])${name}\b`).test(example);
  const imports = new Map<string, string>();
  for (const { name, values } of entries) {
    for (const value of values.keys()) if (uses(value) && !imports.has(value)) imports.set(value, name);
  }
  const known = Object.entries(KNOWN).filter(
    ([name]) => uses(name) && !new RegExp(`(using|const) ${name}\\b`).test(example),
  );
  return [
    ...[...imports].map(([value, entry]) => `import { ${value} } from "${entry}";`),
    ...known.map(([name, [type, entry]]) => `declare const ${name}: import("${entry}").${type};`),
    `export async function example(): Promise<void> {\n${example}\n}\n`,
  ].join("\n");
}

describe.skipIf(!existsSync(path.join(dist, "index.d.ts")))("examples", () => {
  it("stand at every public function and method", () => {
    const without: string[] = [];
    for (const { name, values } of entriesOf()) {
      for (const [value, file] of values) {
        const text = read(file);
        const declaration = String.raw`export declare (?:async )?function ${value}\b`;
        if (new RegExp(declaration).test(text) && !hasExample(text, declaration)) without.push(`${name}: ${value}`);
      }
    }
    for (const file of ["answering/retriever.d.ts", "ranking/retriever.d.ts"]) {
      const text = read(file);
      for (const [, method] of text.matchAll(/^ {4}(\w+)(?:<.*>)?\(/gm)) {
        if (method !== "dispose" && !hasExample(text, `${method}[<(]`)) without.push(`${file}: ${method}`);
      }
    }
    for (const [file, method] of [
      ["retriever.d.ts", "static load"],
      ["isolate/retriever.d.ts", "static load"],
    ] as const) {
      if (!hasExample(read(file), String.raw`${method}\(`)) without.push(`${file}: ${method}`);
    }
    expect(without).toEqual([]);
  });

  it("compile against the types of the package", () => {
    const entries = entriesOf();
    const examples = readdirSync(dist, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".d.ts"))
      .flatMap((file) => examplesOf(read(file)));
    expect(examples.length).toBeGreaterThan(40);
    // Inside the package, where its own name leads to its exports.
    const folder = path.join(root, ".cache", "examples");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const [index, example] of examples.entries()) {
      writeFileSync(path.join(folder, `example-${index}.ts`), moduleOf(example, entries));
    }
    const compilerOptions = {
      ...{ strict: true, noEmit: true, module: "nodenext", target: "es2022", skipLibCheck: true, types: ["node"] },
      ...{
        lib: ["es2023", "esnext.disposable"],
        exactOptionalPropertyTypes: true,
        typeRoots: ["../../node_modules/@types"],
      },
    };
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
    const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  }, 120_000);
});
