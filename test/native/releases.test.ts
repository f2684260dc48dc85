// Which addon is taken for which release of node-llama-cpp, and where it is found in a packed application.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { addonCandidates } from "../../src/native/addon.ts";
import { packageRoot, unpacked } from "../../src/native/package-root.ts";
import {
  defaultRelease,
  howToInstall,
  installedVersion,
  pinnedRelease,
  releaseOfDirectory,
  releaseOfPackage,
} from "../../src/native/releases.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead releases "));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("each release of node-llama-cpp has its own llama.cpp, and the installed one decides", () => {
  expect(releaseOfPackage("3.21.1")).toBe("0.4.0");
  expect(releaseOfPackage("3.22.1")).toBe("0.5.0");
  expect(releaseOfPackage("3.20.0")).toBeUndefined();
  expect(installedVersion(undefined)).toBe(pinnedRelease());
  const prebuilt = (release: string) =>
    path.join(packageRoot, "prebuilds", `${process.platform}-${process.arch}`, release, "qrhead.node");
  expect(addonCandidates()).toContain(prebuilt(defaultRelease()));
  expect(addonCandidates("0.5.0")).toContain(prebuilt("0.5.0"));
});

test("a folder of libraries says its release; one's own build says none", () => {
  const metadata = path.join(folder, "_nlcBuildMetadata.json");
  expect(releaseOfDirectory(folder)).toBeUndefined();
  writeFileSync(metadata, JSON.stringify({ buildOptions: { llamaCpp: { release: "v0.5.0" } } }));
  expect(releaseOfDirectory(folder)).toBe("0.5.0");
  writeFileSync(metadata, "{");
  expect(releaseOfDirectory(folder)).toBeUndefined();
});

test("the advice for a missing platform package names the release that is installed", () => {
  expect(howToInstall("@node-llama-cpp/win-x64")).toBe(`npm install @node-llama-cpp/win-x64@${pinnedRelease()}`);
  expect(howToInstall("@node-llama-cpp/linux-x64", "3.22.1")).toBe("npm install @node-llama-cpp/linux-x64@3.22.1");
  for (const name of ["win-arm64", "win-x64-cuda", "mac-arm64-metal"]) {
    expect(howToInstall(`@node-llama-cpp/${name}`, "3.22.1")).toMatch(
      new RegExp(`registry has no @node-llama-cpp/${name}@3.22.1; npm install node-llama-cpp@${pinnedRelease()}$`),
    );
  }
});

test("libraries are taken from beside Electron's archive, whatever the archive is called", () => {
  const outside = path.join(folder, "app.asar.unpacked", "node_modules", "qrhead");
  mkdirSync(outside, { recursive: true });
  const file = path.join(outside, "qrhead.node");
  copyFileSync(import.meta.filename, file);
  expect(unpacked(path.join(folder, "app.asar", "node_modules", "qrhead", "qrhead.node"))).toBe(file);
  const elsewhere = path.join(folder, "app.asar", "package.json");
  expect(unpacked(elsewhere)).toBe(elsewhere);
});
