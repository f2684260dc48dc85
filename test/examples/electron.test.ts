// examples/electron without Electron's binary: its modules are imitated, the engine's process and protocol are the real ones.
import { execFile, execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { createPackageWithOptions, listPackage, statFile } from "@electron/asar";
import { type Browser, chromium } from "playwright-core";
import { globSync } from "tinyglobby";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/native/addon.ts";

const root = packageRoot;
const example = path.join(root, "examples", "electron");
const folder = mkdtempSync(path.join(tmpdir(), "qrhead-electron-"));
const app = path.join(folder, "app");
const notes = path.join(example, "notes");
const manifest = JSON.parse(readFileSync(path.join(example, "package.json"), "utf8"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Copies what an installation of the package has: what npm packs, and the libraries of this platform. */
function install(modules: string): void {
  const own = path.join(modules, "qrhead");
  for (const name of ["dist", "models", "package.json", "build/Release/qrhead.node"]) {
    cpSync(path.join(root, name), path.join(own, name), { recursive: true });
  }
  const platform = path.join("@node-llama-cpp", `${process.platform}-${process.arch}`);
  cpSync(path.join(root, "node_modules", platform), path.join(modules, platform), { recursive: true });
}

/** `electron` for what lies in a folder below. */
function imitateElectron(modules: string): void {
  const electron = path.join(modules, "electron");
  mkdirSync(electron, { recursive: true });
  cpSync(path.join(root, "test", "helpers", "electron", "electron.mjs"), path.join(electron, "index.mjs"));
  writeFileSync(path.join(electron, "package.json"), JSON.stringify({ name: "electron", exports: "./index.mjs" }));
}

async function drive(main: string) {
  const driver = path.join(path.dirname(main), "drive.mjs");
  cpSync(path.join(root, "test", "helpers", "electron", "drive.mjs"), driver);
  const env = { ...process.env, USER_DATA: path.join(folder, "user") };
  const { stdout } = await promisify(execFile)(process.execPath, [driver, main, notes], { cwd: folder, env });
  return JSON.parse(stdout);
}

describe.runIf(process.platform === "linux")("the Electron example", { timeout: 180_000 }, () => {
  beforeAll(() => {
    cpSync(example, app, { recursive: true, filter: (file) => path.basename(file) !== "node_modules" });
    install(path.join(app, "node_modules"));
    imitateElectron(path.join(folder, "node_modules"));
  });

  it("ranks a folder without Electron", () => {
    const printed = execFileSync(process.execPath, ["rank.js"], { cwd: app, encoding: "utf8" });
    expect(printed).toMatch(/^4 files\ngarden\.md\n/);
  });

  it("ranks while typing, goes on after its process ended, and answers its own page alone", async () => {
    const seen = await drive(path.join(app, "main.js"));
    expect(seen).toMatchObject({
      before: [],
      chosen: { folder: "notes", files: 4 },
      ranked: expect.arrayContaining(["garden.md"]),
      stopped: null,
      processes: 2,
      stranger: "Asked by another page",
      preferences: { contextIsolation: true, sandbox: true, nodeIntegration: false },
    });
    expect(seen.ranked[0]).toBe("garden.md");
    expect(seen.again).toEqual(seen.ranked);
    expect(seen.progress).toContain("prefill");
  });

  it("runs packed: what must be a file lies outside the archive, and is found there", async () => {
    const archive = path.join(folder, "app.asar");
    const [own, libraries] = manifest.build.asarUnpack.map((glob: string) => glob.replace("/**", ""));
    await createPackageWithOptions(app, archive, { unpackDir: `{${own},${libraries}}` });
    const outside = `${archive}.unpacked`;
    const isPacked = (file: string) =>
      !("unpacked" in statFile(archive, file.slice(1)) && statFile(archive, file.slice(1)).unpacked);
    const mustBeFiles = listPackage(archive, { isPack: false }).filter((file) =>
      /\.(node|so|gguf)(\.|$)|isolate\/child\.js$/.test(file),
    );
    expect(mustBeFiles.length).toBeGreaterThan(5);
    expect(mustBeFiles.filter(isPacked)).toEqual([]);
    expect(listPackage(archive, { isPack: false }).filter(isPacked)).toContain("/main.js");

    // Electron shows an archive as a folder. Here is one, without what lies outside but for JavaScript.
    rmSync(archive);
    cpSync(app, archive, { recursive: true, filter: (file) => !/\.(node|so|gguf)(\.|$)/.test(path.basename(file)) });
    const seen = await drive(path.join(archive, "main.js"));
    expect(seen.ranked[0]).toBe("garden.md");
    expect(seen.program).toBe(path.join(outside, "node_modules", "qrhead", "dist", "isolate", "child.js"));
  });

  it("leaves CUDA and Vulkan out of the installer", () => {
    const all = ["node_modules/@node-llama-cpp/*/package.json", "node_modules/node-llama-cpp/package.json"];
    const excluded = manifest.build.files.filter((glob: string) => glob.startsWith("!"));
    expect(globSync(all, { cwd: root }).filter((file) => /cuda|vulkan/.test(file)).length).toBeGreaterThan(0);
    const left = globSync([...all, ...excluded], { cwd: root });
    expect(left).toContain(`node_modules/@node-llama-cpp/${process.platform}-${process.arch}/package.json`);
    expect(left.filter((file) => /cuda|vulkan|node_modules\/node-llama-cpp/.test(file))).toEqual([]);
  });
});

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((file) => existsSync(file));

describe.runIf(executablePath !== undefined)("the window of the Electron example", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
  });
  afterAll(() => browser.close());

  it("waits for typing to pause, shows texts as texts, and breaks no rule of its policy", async () => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.addInitScript(`
      window.asked = [];
      window.notes = {
        chooseFolder: async () => ({ folder: "notes", files: 4 }),
        rank: async (question) => {
          window.asked.push(question);
          return [{ id: "a.md", score: 1, text: "<img src=x onerror=alert(1)>" }];
        },
        onProgress: () => {},
      };`);
    await page.goto(pathToFileURL(path.join(example, "window", "index.html")).href);
    await page.getByRole("button").click();
    await page.getByRole("status").filter({ hasText: "4 files of notes" }).waitFor();
    await page.getByRole("searchbox").pressSequentially("apple tree", { delay: 5 });
    await page.getByRole("listitem").waitFor();
    await page.waitForFunction("window.asked.at(-1) === 'apple tree'");
    expect(((await page.evaluate("window.asked")) as string[]).length).toBeLessThan(10);
    expect(await page.getByRole("listitem").textContent()).toContain("<img src=x");
    expect(await page.locator("img").count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});
