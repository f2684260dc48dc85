import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { addonCandidates, packageRoot } from "../../src/native/addon.ts";
import { defaultRelease } from "../../src/native/releases.ts";
import { run, temporaryFolder, tsx } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

type Report = {
  ok: boolean;
  checks: { name: string; status: "ok" | "warn" | "fail"; detail: string; advice?: string }[];
};

const files = temporaryFolder();
afterAll(() => files.remove());

async function doctor(args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await run(["doctor", "--json", ...args], { env });
  expect(stderr).toBe("");
  const report = JSON.parse(stdout) as Report;
  expect(code).toBe(report.ok ? 0 : 1);
  const check = (name: string) => report.checks.find((one) => one.name === name);
  return { ...report, check };
}

describe.concurrent("doctor", () => {
  it("passes with the built-in model, one line a check", async () => {
    const { code, stdout, stderr } = await run(["doctor"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    for (const name of ["node", "platform", "addon", "library", "device", "model", "heads", "self-test", "timings"]) {
      expect(stdout).toMatch(new RegExp(`^ok {3}${name}`, "m"));
    }
    expect(stdout).not.toMatch(/^fail/m);
  });

  it("only warns about a base model whose heads nobody knows, and compares the threads with one", async () => {
    const { ok, check } = await doctor(["--model", modelPath("tiny-llama-spm"), "--threads", "2"]);
    expect(ok).toBe(true);
    expect(check("heads")).toMatchObject({ status: "warn", detail: expect.stringContaining("No head set") });
    expect(check("self-test")?.status).not.toBe("fail");
    expect(check("chat template")).toMatchObject({ status: "warn", detail: expect.stringContaining("base model") });
    expect(check("threads")?.detail).toMatch(/2 threads \d+ ms, with one \d+ ms: (2 are|one is) faster/);
  });

  it.each([
    ["an encoder", ["--model", modelPath("tiny-bert")], "model", "encoder"],
    ["a missing model", ["--model", "/nowhere.gguf"], "model", path.normalize("/nowhere.gguf")],
    ["a folder without libraries", ["--library", files.folder], "library", files.folder],
  ])("fails for %s", async (_, args, name, detail) => {
    const { ok, check } = await doctor(args);
    expect(ok).toBe(false);
    expect(check(name)).toMatchObject({ status: "fail", detail: expect.stringContaining(detail) });
  });

  it("says in one line whether a file is sound, or what is wrong with it", async () => {
    const sound = await run(["doctor", "--check", modelPath("tiny-llama-spm"), "--threads", "1"]);
    expect(sound).toMatchObject({ code: 0, stderr: "" });
    expect(sound.stdout).toMatch(/^ok +check +[^\n]+\n$/);

    const bytes = readFileSync(modelPath("tiny-llama-spm"));
    const cut = path.join(files.folder, "cut.gguf");
    writeFileSync(cut, bytes.fill(0, bytes.length - 2 ** 20));
    const broken = await run(["doctor", "--check", cut, "--threads", "1"]);
    expect(broken).toMatchObject({ code: 1, stderr: "" });
    expect(broken.stdout).toMatch(/^fail +check +[^\n]+ is all zeros[^\n]+\n$/);
  });

  it("fails, and does not throw, without the addon", async () => {
    const { ok, checks } = await doctor([], { QRHEAD_ADDON: "/nowhere/qrhead.node" });
    expect(ok).toBe(false);
    expect(checks.at(-1)).toMatchObject({ name: "addon", status: "fail", detail: expect.stringContaining("nowhere") });
  });

  it("says that the addon is damaged before that could end the process", async ({ onTestFinished }) => {
    // An installation whose addon has half its bytes, as a full disk leaves it: the system's loader dies of it.
    // In the checkout, so that it finds the checkout's packages.
    const folder = mkdtempSync(path.join(packageRoot, ".cache", "installed-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const addon = path.join(
      folder,
      "prebuilds",
      `${process.platform}-${process.arch}`,
      defaultRelease(),
      "qrhead.node",
    );
    mkdirSync(path.dirname(addon), { recursive: true });
    for (const name of ["package.json", "src"])
      cpSync(path.join(packageRoot, name), path.join(folder, name), { recursive: true });
    const bytes = readFileSync(addonCandidates().find(existsSync)!);
    writeFileSync(addon, bytes.subarray(0, bytes.length / 2));
    const name = path.relative(path.join(folder, "prebuilds"), addon).replaceAll("\\", "/");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(path.join(folder, "prebuilds", "sha256.json"), JSON.stringify({ [name]: sha256 }));

    const args = ["--import", tsx, path.join(folder, "src", "cli", "main.ts"), "doctor", "--json"];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(status).toBe(1);
    const failed = (JSON.parse(stdout) as Report).checks.filter((check) => check.status === "fail");
    expect(failed).toMatchObject([{ name: "addon", detail: expect.stringContaining(`made with ${sha256}`) }]);
    expect(failed[0]?.detail).toMatch(/reinstall qrhead$/);

    writeFileSync(path.join(folder, "prebuilds", "sha256.json"), "{");
    const again = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(again).toMatchObject({ status: 1, stderr: "" });
    expect((JSON.parse(again.stdout) as Report).checks.at(-1)).toMatchObject({
      name: "addon",
      detail: expect.stringMatching(/sha256\.json is damaged: .*reinstall qrhead$/),
    });
  });

  it("refuses wrong arguments as every command does", async () => {
    expect(await run(["doctor", "--gpu", "tpu"])).toMatchObject({ code: 2, stdout: "" });
  });
});
