// Writes what has been run where: docs/platforms.json, and from it the table in docs/platforms.md.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "./python-tools.mjs";

const list = path.join(root, "docs", "platforms.json");
const page = path.join(root, "docs", "platforms.md");
const how = { "linux-x64": "this machine", "linux-arm64": "qemu-user", "win32-x64": "Wine" };

/** Notes that everything passed with this Node, and on which commit. */
export function record(platform, node, release, command = "npm run test:platforms") {
  const commit = execFileSync("git", ["describe", "--always", "--dirty"], { cwd: root, encoding: "utf8" }).trim();
  const all = existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : [];
  const others = all.filter((one) => one.platform !== platform || one.node !== node || one.release !== release);
  const entry = { platform, node, release, how: how[platform], command, commit };
  const sorted = [...others, entry].sort((a, b) =>
    `${a.platform}${a.node}`.localeCompare(`${b.platform}${b.node}`, "en"),
  );
  writeFileSync(list, `${JSON.stringify(sorted, null, 2)}\n`);
  writeTable(sorted);
}

function writeTable(entries) {
  const rows = entries.map(
    (one) => `| ${one.platform} | ${one.node} | ${one.release} | ${one.how} | \`${one.command}\` | ${one.commit} |`,
  );
  const table = [
    "| platform | Node | llama.cpp | run on | command | commit |",
    "|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
  const text = readFileSync(page, "utf8");
  writeFileSync(page, text.replace(/(<!-- runs -->\n)[\s\S]*?(\n<!-- end -->)/, `$1${table}$2`));
}
