// Refuses a release whose tag, version and changelog disagree, or that lacks an addon.
//   node scripts/release-check.mjs v0.2.0 [--addons]
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/**
 * @param {{ tag: string, version: string, lockVersion: string, changelog: string }} release
 * @returns What is wrong, a sentence each.
 */
export function releaseProblems({ tag, version, lockVersion, changelog }) {
  const problems = [];
  if (tag !== `v${version}`) problems.push(`The tag is ${tag} and package.json has ${version}: expected v${version}`);
  if (lockVersion !== version) problems.push(`package-lock.json has ${lockVersion} and package.json has ${version}`);
  const heading = /^## (.*)$/m.exec(changelog)?.[1] ?? "";
  const [named = ""] = heading.split(" ");
  if (named !== version)
    problems.push(`CHANGELOG.md begins with ${JSON.stringify(heading)}: expected a section ${version}`);
  else if (/not released|unreleased/i.test(heading)) problems.push(`CHANGELOG.md calls ${version} not released`);
  const section = changelog.split(/^## .*$/m)[1] ?? "";
  if (!/^- /m.test(section)) problems.push(`CHANGELOG.md says nothing about ${version}`);
  return problems;
}

/**
 * @param {string} prebuilds The folder of addons.
 * @param {readonly string[]} platforms Such as `linux-x64`.
 * @param {readonly string[]} releases Of llama.cpp.
 * @returns What is wrong, a sentence each.
 */
export function addonProblems(prebuilds, platforms, releases) {
  const list = path.join(prebuilds, "sha256.json");
  const sums = existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : {};
  return platforms.flatMap((platform) =>
    releases.flatMap((release) => {
      const name = `${platform}/${release}/qrhead.node`;
      const file = path.join(prebuilds, name);
      if (!existsSync(file)) return [`There is no addon ${name}: npm run prebuild -- --all`];
      const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
      return sums[name] === sum ? [] : [`The checksum of ${name} is not the one in sha256.json`];
    }),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
  const read = (file) => readFileSync(path.join(root, file), "utf8");
  const { version, llamaReleases } = JSON.parse(read("package.json"));
  const problems = releaseProblems({
    tag: process.argv[2] ?? "",
    version,
    lockVersion: JSON.parse(read("package-lock.json")).version,
    changelog: read("CHANGELOG.md"),
  });
  if (process.argv.includes("--addons")) {
    const { TARGETS } = await import("./platforms/targets.mjs");
    const platforms = TARGETS.map(({ name }) => name);
    problems.push(...addonProblems(path.join(root, "prebuilds"), platforms, Object.keys(llamaReleases)));
  }
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.log(`${version} may be released.`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
