// Puts this machine's addon where a published package has it. A release runs this on every platform and packs the sum.
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const built = path.join(root, "build", "Release", "qrhead.node");
const target = path.join(root, "prebuilds", `${process.platform}-${process.arch}`, "qrhead.node");
if (!existsSync(built)) throw new Error(`Expected an addon at ${built}: run \`npm run build\` first`);
mkdirSync(path.dirname(target), { recursive: true });
copyFileSync(built, target);
