// Files appear whole under their names, whoever else writes or dies, and one process at a time holds a lock.
import { execFile, spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { lockFile } from "../../src/util/lock.ts";
import { makeFolder, makeOutput, writeWhole } from "../../src/util/output-file.ts";
import { identityToName, ownIdentity } from "../../src/util/process-identity.ts";
import { temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
afterAll(files.remove);

/** A process that has ended. */
const gone = () => ({ ...ownIdentity(), pid: spawnSync(process.execPath, ["-e", ""]).pid });
const RANDOM = "0123456789abcdef";
/** It has no modes and no signals, and does not say when a process began. */
const isWindows = process.platform === "win32";
const left = (folder: string) => readdirSync(folder).filter((name) => name.includes(".partial"));

describe("a file that is written", () => {
  it("is whole and somebody's, however many write it at once", async () => {
    const file = files.path("shared.txt");
    const texts = ["a", "b", "c", "d"].map((letter) => letter.repeat(1_000_000));
    await Promise.all(texts.map((text) => writeWhole(file, text, { force: true })));
    expect(texts).toContain(readFileSync(file, "utf8"));
    if (!isWindows) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(left(files.folder)).toEqual([]);
  });

  it("is one writer's where it may not be replaced", async () => {
    const file = files.path("first.txt");
    const results = await Promise.allSettled(["a", "b", "c"].map((text) => writeWhole(file, text, { force: false })));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "INVALID_INPUT" });
    }
  });

  // Windows lets few users make links, and Wine shows no link that leads nowhere.
  it.skipIf(isWindows)("replaces a link, also one that leads nowhere, and leaves what it leads to", async () => {
    const victim = files.write("victim.txt", "precious");
    const [link, dangling] = [files.path("link.txt"), files.path("dangling.txt")];
    symlinkSync(victim, link);
    symlinkSync(files.path("nowhere"), dangling);
    await expect(writeWhole(dangling, "x", { force: false })).rejects.toThrow(/exists/);
    for (const file of [link, dangling]) await writeWhole(file, "new", { force: true });
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(lstatSync(link).isSymbolicLink() || lstatSync(dangling).isSymbolicLink()).toBe(false);
    await expect(writeWhole("/dev/null", "x", { force: true })).rejects.toThrow(/device/);
  });

  it("sweeps what killed writers left, and nothing else", async () => {
    const folder = files.path("swept");
    mkdirSync(folder);
    const elsewhere = { pid: 7, start: "9", place: "00000000" };
    const names = [gone(), ownIdentity(), elsewhere, { ...elsewhere, pid: 8 }].map(
      (identity) => `.c.corpus.${identityToName(identity)}-${RANDOM}.partial`,
    );
    const old = files.write(`swept/${names[3]}`, "old");
    utimesSync(old, new Date(0), new Date(0));
    for (const name of [...names.slice(0, 3), ".mine.partial"]) files.write(`swept/${name}`, "");
    await writeWhole(`${folder}/new.txt`, "x", { force: false });
    expect(left(folder).sort()).toEqual([".mine.partial", names[1], names[2]].sort());
  });

  it("leaves nothing of a failure, and says what failed", async () => {
    const file = files.path("failed.txt");
    const failing = makeOutput(file, { force: false }, async ({ write }) => {
      await write("half");
      throw new Error("the cause");
    });
    await expect(failing).rejects.toThrow("the cause");
    expect(readdirSync(files.folder).some((name) => name.includes("failed"))).toBe(false);
    files.write("no-folder.txt", "");
    await expect(makeFolder(files.path("no-folder.txt/sub"))).rejects.toThrow(
      isWindows ? /cannot be written/ : /cannot be written: its folder is a file/,
    );
  });
});

describe("a lock", () => {
  it("is held once, names its holder, and is taken over from the dead", async () => {
    const file = files.path("locked.jsonl");
    mkdirSync(`${file}.lock`);
    for (const identity of [gone(), ...(isWindows ? [] : [{ ...ownIdentity(), start: "1" }])])
      files.write(`locked.jsonl.lock/${identityToName(identity)}-${RANDOM}`, "here");
    const unlock = await lockFile(file);
    await expect(lockFile(file)).rejects.toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining(`being written by process ${process.pid}`),
    });
    const waiting = lockFile(file, { wait: true });
    unlock();
    (await waiting)();
    expect(readdirSync(files.folder)).not.toContain("locked.jsonl.lock");
  });

  it("is waited for no longer than its holder's last sign of life, on another machine", async () => {
    const file = files.path("far.jsonl");
    mkdirSync(`${file}.lock`);
    const claim = files.write(`far.jsonl.lock/00000000-7-9-${RANDOM}`, "elsewhere");
    await expect(lockFile(file)).rejects.toThrow("process 7 on elsewhere");
    utimesSync(claim, new Date(0), new Date(0));
    (await lockFile(file))();
  });

  it("lets one of several processes in at a time, some of them killed inside", async () => {
    const file = files.path("contested");
    const module = JSON.stringify(new URL("../../src/util/lock.ts", import.meta.url).href);
    const code = (dies: boolean) => `
      const { lockFile } = await import(${module});
      const fs = await import("node:fs");
      const inside = ${JSON.stringify(`${file}.inside`)};
      for (let i = 0; i < 12; i++) {
        const unlock = await lockFile(${JSON.stringify(file)}, { wait: true });
        fs.closeSync(fs.openSync(inside, "wx"));
        await new Promise((resolve) => setTimeout(resolve, 1));
        fs.rmSync(inside);
        if (${dies} && i === 5) process.kill(process.pid, "SIGKILL");
        unlock();
      }`;
    const start = (dies: boolean) =>
      promisify(execFile)(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code(dies)]);
    const results = await Promise.allSettled([true, false, false].map(start));
    expect(results.map((result) => (result.status === "fulfilled" ? "ended" : result.reason.signal))).toEqual([
      isWindows ? null : "SIGKILL",
      "ended",
      "ended",
    ]);
  }, 30_000);
});
