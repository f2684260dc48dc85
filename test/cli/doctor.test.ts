import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run, temporaryFolder } from "../helpers/cli.ts";
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
    ["a missing model", ["--model", "/nowhere.gguf"], "model", "/nowhere.gguf"],
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
    expect(checks.at(-1)).toMatchObject({ name: "addon", status: "fail", detail: expect.stringContaining("/nowhere") });
  });

  it("refuses wrong arguments as every command does", async () => {
    expect(await run(["doctor", "--gpu", "tpu"])).toMatchObject({ code: 2, stdout: "" });
  });
});
