// What `npm pack` takes, and what is said about it: its files, its licences, its error codes.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const read = (file: string) => readFileSync(path.join(root, file), "utf8");

/** Every file of the package is of one of these kinds, and of each kind there is at least one. */
const KINDS = [
  /^(package\.json|README\.md|LICENSE|LICENSES\.md|CHANGELOG\.md)$/,
  /^dist\/cli\/main\.js$/,
  /^dist\/(?:[\w-]+\/)*[\w-]+\.js(\.map)?$/,
  /^dist\/(?:[\w-]+\/)*[\w-]+\.d\.ts$/,
  /^dist\/third-party-licences\.txt$/,
  /^models\/qrhead-mini-v\d+-q8_0\.gguf$/,
  /^models\/README\.md$/,
  /^pages\/[\w-]+\/[\w-]+\.(html|css|js)$/,
];
/** Of the platforms that were built. A checkout has those of `npm run prebuild`, or none. */
const PREBUILT = /^prebuilds\/([a-z0-9]+-[a-z0-9]+\/\d+\.\d+\.\d+\/qrhead\.node|sha256\.json)$/;

describe("the package", () => {
  it("holds what users need and nothing else", () => {
    const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: root,
      encoding: "utf8",
    });
    const [packed] = Object.values(JSON.parse(output)) as { files: { path: string }[] }[];
    const files = packed!.files.map((file) => file.path);
    expect(files.filter((file) => ![...KINDS, PREBUILT].some((kind) => kind.test(file)))).toEqual([]);
    for (const kind of KINDS) expect(files.filter((file) => kind.test(file))).not.toEqual([]);
    for (const file of ["README.md", "LICENSE", "LICENSES.md", "CHANGELOG.md"]) expect(files).toContain(file);
    expect(files.filter((file) => file.endsWith(".gguf"))).toHaveLength(1);
  });

  it("names the licence of everything that ships", () => {
    expect(() =>
      execFileSync(process.execPath, ["scripts/licences.mjs", "--check"], { cwd: root, stdio: "pipe" }),
    ).not.toThrow();
  });

  it("documents every error code, and none that does not exist", () => {
    const codes = [
      ...read("src/errors.ts")
        .split("export type ErrorDetails")[0]!
        .matchAll(/^ {2}\| "(\w+)"/gm),
    ].map(([, code]) => code);
    const documented = [...read("docs/limits.md").matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(15);
    expect(documented.sort()).toEqual(codes.sort());
  });
});
