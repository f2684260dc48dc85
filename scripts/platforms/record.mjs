// Writes what has been run where: docs/platforms.json, and from it the table in docs/platforms.md.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "./python-tools.mjs";

const list = path.join(root, "docs", "platforms.json");
const page = path.join(root, "docs", "platforms.md");
const run = { "linux-x64": "this machine", "linux-arm64": "qemu-user", "win32-x64": "Wine" };

const git = (...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
/** What is tested, as it was when the test began; what the test itself writes does not count as a change. */
const commit = git("rev-parse", "--short", "HEAD");
const isChanged = git("status", "--porcelain", "--", ".", ":!docs/platforms.json", ":!docs/platforms.md") !== "";

const nameOf = ({ platform, release, node }) => [platform, release, node].join();

/** Notes that everything passed, on which commit. `node` is none where nothing could be run. */
export function record({ platform, node = "", release, how = run[platform], command = "npm run test:platforms" }) {
  const entry = { platform, node, release, how, command, commit: `${commit}${isChanged ? "-dirty" : ""}` };
  const all = existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : [];
  // Of each Node, the last one that was run.
  const line = (one) => nameOf({ ...one, node: one.node.split(".", 1)[0] });
  const others = all.filter((one) => line(one) !== line(entry));
  const sorted = [...others, entry].sort((a, b) => nameOf(a).localeCompare(nameOf(b), "en"));
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
