// What starting costs, in files and bytes that are loaded: times depend on the machine.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const built = (name: string) => path.join(root, "dist", name);

/** The files that an ES module brings along before it runs, and the packages that these import. */
function loadedBy(entry: string) {
  const files = new Set<string>();
  const packages = new Set<string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const [, from] of readFileSync(file, "utf8").matchAll(/^(?:import|export)\s[^"';]*?["']([^"']+)["'];?$/gm)) {
      if (from!.startsWith(".")) open.push(path.resolve(path.dirname(file), from!));
      else if (!from!.startsWith("node:")) packages.add(from!);
    }
  }
  const bytes = [...files].reduce((sum, file) => sum + statSync(file).size, 0);
  return { files: files.size, bytes, packages: [...packages] };
}

describe.skipIf(!existsSync(built("index.js")))("the built package", () => {
  it("loads no package for import of qrhead, and few files", () => {
    const { files, bytes, packages } = loadedBy(built("index.js"));
    expect(packages).toEqual([]);
    expect(files).toBeLessThanOrEqual(8);
    expect(bytes).toBeLessThan(650_000);
  });

  it("loads neither engine nor validation for --version", () => {
    const output = execFileSync(process.execPath, [built("cli/main.js"), "--version"], { encoding: "utf8" });
    expect(output).toMatch(/^\d+\.\d+\.\d+\n$/);
    const { files, bytes, packages } = loadedBy(built("cli/main.js"));
    expect(packages).toEqual(["commander"]);
    expect(files).toBeLessThanOrEqual(20);
    expect(bytes).toBeLessThan(100_000);
  });

  it("has maps to the source of all that has code of qrhead, with the text", () => {
    const files = readdirSync(built(""), { recursive: true, encoding: "utf8" }).filter(
      (file) => file.endsWith(".js") && !/^(rolldown-runtime|drawing)-/.test(path.basename(file)),
    );
    const sources = new Set<string>();
    for (const file of files) {
      const code = readFileSync(built(file), "utf8").replace(/^(import|export) [^;]*;$/gm, "");
      const [, map] = /\n\/\/# sourceMappingURL=(\S+)\s*$/.exec(code) ?? [];
      // Entries that only hand on what others have.
      if (map === undefined) expect(code.replace(/^#!.*$/m, "").trim(), file).toBe("");
      else {
        const found = JSON.parse(readFileSync(path.join(path.dirname(built(file)), map), "utf8"));
        expect(found.version).toBe(3);
        expect(found.sourcesContent).toHaveLength(found.sources.length);
        for (const source of found.sources) sources.add(source.replace(/^(\.\.\/)+/, ""));
      }
    }
    for (const name of ["retriever", "detect/detect", "heads/head-set", "eval/evaluate", "cli/main"]) {
      expect(sources).toContain(`src/${name}.ts`);
    }
  });
});
