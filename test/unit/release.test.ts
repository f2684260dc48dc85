import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { addonProblems, releaseProblems } from "../../scripts/release-check.mjs";
import { temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
afterAll(() => files.remove());

const good = {
  tag: "v1.2.0",
  version: "1.2.0",
  lockVersion: "1.2.0",
  changelog: "# Changelog\n\n## 1.2.0 (2027-01-02)\n\n- New.\n\n## 1.1.0\n\n- Old.\n",
};

describe("a release", () => {
  it("may go where tag, version, lock file and changelog agree", () => {
    expect(releaseProblems(good)).toEqual([]);
  });

  it.each([
    ["another tag", { tag: "v1.2.1" }, "The tag is v1.2.1"],
    ["a tag without v", { tag: "1.2.0" }, "The tag is 1.2.0"],
    ["another version in the lock file", { lockVersion: "1.1.0" }, "package-lock.json has 1.1.0"],
    [
      "a changelog that begins with another version",
      { version: "1.3.0", tag: "v1.3.0", lockVersion: "1.3.0" },
      "1.2.0",
    ],
    ["a version that only begins alike", { changelog: good.changelog.replace("1.2.0", "1.2.0-rc.1") }, "1.2.0-rc.1"],
    [
      "a section that is not released",
      { changelog: good.changelog.replace("2027-01-02", "not released") },
      "not released",
    ],
    ["an empty section", { changelog: good.changelog.replace("- New.", "") }, "says nothing about 1.2.0"],
  ])("is refused with %s", (_, change, sentence) => {
    expect(releaseProblems({ ...good, ...change }).join()).toContain(sentence);
  });

  it("is refused without an addon, and with one that was changed", () => {
    const file = files.write("prebuilds.txt", "");
    const folder = path.join(path.dirname(file), "prebuilds");
    mkdirSync(path.join(folder, "linux-x64", "0.4.0"), { recursive: true });
    writeFileSync(path.join(folder, "linux-x64", "0.4.0", "qrhead.node"), "addon");
    const sum = createHash("sha256").update("addon").digest("hex");
    writeFileSync(path.join(folder, "sha256.json"), JSON.stringify({ "linux-x64/0.4.0/qrhead.node": sum }));
    expect(addonProblems(folder, ["linux-x64"], ["0.4.0"])).toEqual([]);
    expect(addonProblems(folder, ["linux-x64"], ["0.4.0", "0.5.0"])).toEqual([
      expect.stringContaining("There is no addon linux-x64/0.5.0"),
    ]);
    writeFileSync(path.join(folder, "linux-x64", "0.4.0", "qrhead.node"), "another");
    expect(addonProblems(folder, ["linux-x64"], ["0.4.0"])[0]).toContain("checksum");
  });
});
