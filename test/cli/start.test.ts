// What starting costs, in files and bytes that are loaded: times depend on the machine.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
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
    expect(files).toBeLessThanOrEqual(48);
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

  it.each(["index", "detect/index", "heads/index", "eval/index"])(
    "has maps to the source of %s, with the text",
    (name) => {
      const map = JSON.parse(readFileSync(built(`${name}.js.map`), "utf8")) as { sourcesContent?: string[] };
      expect(map).toHaveProperty("version", 3);
      expect(readFileSync(built(`${name}.js`), "utf8")).toMatch(/\n\/\/# sourceMappingURL=index\.js\.map\s*$/);
    },
  );
});
