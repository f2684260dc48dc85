// Makes dist: the JavaScript in few files, since hundreds of small ones take longer to load than to run, and the types as
// TypeScript writes them. Entries are those of package.json, and the programs that qrhead starts in processes of their own.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const { bin, exports, engines } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));

/** `dist/cli/main.js` is made from `src/cli/main.ts`. */
const named = [...Object.values(bin), ...Object.values(exports).map((entry) => entry.default)].filter(Boolean);
const fromManifest = named.map((file) => file.replace(/^(\.\/)?dist\//, "src/").replace(/\.js$/, ".ts"));
const programs = readdirSync(path.join(root, "src", "isolate"))
  .filter((name) => name.endsWith(".ts"))
  .map((name) => `src/isolate/${name}`);
const entryPoints = [...new Set([...fromManifest, ...programs])];
for (const entry of entryPoints) if (!existsSync(path.join(root, entry))) throw new Error(`${entry} does not exist`);

rmSync(path.join(root, "dist"), { recursive: true, force: true });
const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

await build({
  absWorkingDir: root,
  entryPoints,
  outdir: "dist",
  outbase: "src",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: `node${engines.node.replace(/^\D*/, "")}`,
  packages: "external",
  chunkNames: "chunks/[name]-[hash]",
  sourcemap: true,
  logLevel: "warning",
});
// npm makes a command executable when it links it, which is once: not after it was built anew.
for (const file of Object.values(bin)) chmodSync(path.join(root, file), 0o755);
