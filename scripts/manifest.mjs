// The manifest of the published package has no `prepare` script: it builds a checkout, its file is not in the package, and
// npm would ask every user to approve it. `npm pack` takes package.json from the disk, so it is changed and put back.
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const manifest = path.join(root, "package.json");
const backup = path.join(root, "node_modules", ".package.json.packing");

if (process.argv[2] === "publish") {
  const { scripts: _, devDependencies: __, ...published } = JSON.parse(readFileSync(manifest, "utf8"));
  copyFileSync(manifest, backup);
  writeFileSync(manifest, `${JSON.stringify(published, null, 2)}\n`);
} else if (existsSync(backup)) {
  renameSync(backup, manifest);
}
