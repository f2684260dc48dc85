// Makes dist: the JavaScript in few files, since hundreds of small ones take longer to load than to run, and the types as
// TypeScript writes them. Entries are those of package.json, and the programs that qrhead starts in processes of their own.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { rolldown } from "rolldown";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const { bin, exports, engines } = manifest;
/** What users install; everything else is bundled, as far as it is used. */
const external = ["dependencies", "optionalDependencies", "peerDependencies"].flatMap((key) =>
  Object.keys(manifest[key] ?? {}),
);

/** `dist/cli/main.js` is made from `src/cli/main.ts`. */
const named = [...Object.values(bin), ...Object.values(exports).map((entry) => entry.default)].filter(Boolean);
const fromManifest = named.map((file) => file.replace(/^(\.\/)?dist\//, "src/").replace(/\.js$/, ".ts"));
/** Every entry of its own cuts the code into more files, which all take time to open. */
const programs = readdirSync(path.join(root, "src", "isolate"))
  .filter((name) => name.endsWith("child.ts"))
  .map((name) => `src/isolate/${name}`);
const entryPoints = [...new Set([...fromManifest, ...programs])];
for (const entry of entryPoints) if (!existsSync(path.join(root, entry))) throw new Error(`${entry} does not exist`);

rmSync(path.join(root, "dist"), { recursive: true, force: true });
const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

/**
 * Every file takes time to open, so that what `import "qrhead"` loads is in one; what the command line needs to begin with is
 * in another.
 */
const groups = [
  {
    name: "base",
    test: /src\/(errors|options\/(?!fleet|requests)[\w-]+|util\/(unprintable|given|kinds|abort-signal)|native\/package-root)\.ts$/,
    priority: 2,
  },
  { name: "core", test: /src\/index\.ts$/, priority: 1 },
  // What draws is loaded when something is drawn.
  { name: "drawing", test: /node_modules\/(@observablehq|d3|linkedom)\b/, priority: 1 },
];
const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(entryPoints.map((file) => [file.replace(/^src\/|\.ts$/g, ""), file])),
  external: (id) => id.startsWith("node:") || external.some((name) => id === name || id.startsWith(`${name}/`)),
  platform: "node",
  transform: { target: `node${engines.node.replace(/^\D*/, "")}` },
});
const { output } = await bundle.write({
  dir: path.join(root, "dist"),
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name]-[hash].js",
  codeSplitting: { groups },
  sourcemap: true,
  comments: false,
});
await bundle.close();
/** What draws is others' code alone and larger than ours: nobody steps through it. */
for (const { fileName, code } of output.filter(({ name }) => name === "drawing")) {
  const file = path.join(root, "dist", fileName);
  writeFileSync(file, transformSync(code, { minify: true, format: "esm", target: "node20" }).code);
  rmSync(`${file}.map`);
}
/** The licences of what is bundled ask for their notice. */
const bundled = new Set(
  output.flatMap(({ moduleIds = [] }) =>
    moduleIds.flatMap((file) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file.replaceAll("\\", "/"))?.[1] ?? []),
  ),
);
const notices = [...bundled].sort().map((name) => {
  const folder = path.join(root, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? readFileSync(path.join(folder, file), "utf8").trim() : `Licence: ${license}`;
  return `${name} ${version}\n\n${text}\n`;
});
writeFileSync(path.join(root, "dist", "third-party-licences.txt"), notices.join(`\n${"-".repeat(80)}\n\n`));

// npm makes a command executable when it links it, which is once: not after it was built anew.
for (const file of Object.values(bin)) chmodSync(path.join(root, file), 0o755);
