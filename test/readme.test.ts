// What the README shows is what people paste: its TypeScript and its commands run as they stand there.
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CATALOGUE } from "../src/model/catalogue.ts";
import { command, temporaryFolder } from "./helpers/cli.ts";
import { modelPath } from "./helpers/models.ts";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const readme = readFileSync(path.join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, text]) => ({
  language,
  text: text!,
}));
/** The lines of the README that begin with `qrhead`, without their comments. */
const commands = blocks
  .filter(({ language }) => language === "sh")
  .flatMap(({ text }) => text.split("\n"))
  .filter((line) => line.startsWith("qrhead "))
  .map((line) => line.replace(/\s+#.*/, ""));
/** What makes a command short, of which there is nothing to see in the README. */
const SHORTER: Readonly<Record<string, readonly string[]>> = {
  ask: ["--max-tokens", "4"],
  detect: ["--limit", "6", "--documents", "4"],
};
/** They need the network or Redis, or do not end by themselves. */
const APART = /^qrhead (models pull|serve|worker|submit)/;

const files = temporaryFolder();
const folder = path.dirname(
  files.write("lease.md", "# Lease\n\nThe lease ends in May 2031.\n\nDogs are not allowed.\n"),
);
/** `qrhead` resolves to this repository from here. */
const inside = path.join(root, ".cache", `readme-${process.pid}`);

beforeAll(() => {
  mkdirSync(path.join(folder, "notes"));
  mkdirSync(inside, { recursive: true });
  writeFileSync(path.join(folder, "notes", "ferry.md"), "The ferry leaves from the east pier.\n");
  writeFileSync(path.join(folder, "notes", "bread.md"), "Bread wants a hot oven.\n");
  const docs = [
    { id: "a", text: "The red boat is the ferryman's." },
    { id: "b", text: "The green boat is the baker's." },
  ];
  writeFileSync(
    path.join(folder, "labelled.jsonl"),
    `${JSON.stringify({ id: "1", query: "Who owns the red boat?", docs, gold: ["a"] })}\n`,
  );
  symlinkSync(modelPath("tiny-llama"), path.join(folder, "model.gguf"));
});
afterAll(() => {
  files.remove();
  rmSync(inside, { recursive: true, force: true });
});

/** The words of a command line, as a shell parts them. */
const words = (line: string) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
const shell = promisify(execFile);
const settings = { cwd: folder, timeout: 200_000, env: { ...process.env, NO_COLOR: "1" } };

describe("README", () => {
  it("has the ten lines of TypeScript that rank, and they do", async () => {
    const [snippet] = blocks.filter(({ language }) => language === "ts");
    expect(snippet!.text.trim().split("\n").length).toBeLessThanOrEqual(10);
    writeFileSync(path.join(inside, "snippet.mts"), snippet!.text);
    const { stdout } = await shell(process.execPath, ["--import", "tsx", path.join(inside, "snippet.mts")], {
      cwd: root,
    });
    expect(stdout).toMatch(/index: 1.*id: 'eiffel'/s);
  });

  it("has the same ten lines as the first page of the site", () => {
    const home = readFileSync(path.join(root, "docs", "index.md"), "utf8");
    expect(home).toContain(blocks.find(({ language }) => language === "ts")!.text);
  });

  it("shows commands of every kind", () => {
    expect(commands.length).toBeGreaterThanOrEqual(9);
    expect(readme.split("\n").length).toBeLessThan(150);
  });

  it.each(commands.filter((line) => !APART.test(line)))("%s", { timeout: 240_000 }, async (line) => {
    const { stdout, stderr } = await shell(
      process.execPath,
      [...command, ...words(line).slice(1), ...(SHORTER[words(line)[1]!] ?? [])],
      settings,
    );
    expect(stdout + stderr).not.toBe("");
    if (line.includes("rerank")) expect(stdout).toMatch(/\n +1 .*notes\/ferry\.md/);
    if (line.includes("prune")) expect(stdout).toContain("The lease ends in May 2031.");
  });

  it("names a model of the catalogue to pull", () => {
    const [, name] = /^qrhead models pull (\S+)/m.exec(commands.join("\n")) ?? [];
    expect(Object.keys(CATALOGUE)).toContain(name);
  });

  it("starts a server that says where it listens", async () => {
    const server = spawn(process.execPath, [...command, "serve", "--port", "0"], settings);
    try {
      const line = await new Promise<string>((resolve, reject) => {
        server.stdout.once("data", (text) => resolve(String(text)));
        server.once("exit", (code) => reject(new Error(`it ended with ${code}`)));
      });
      expect(line).toMatch(/^qrhead listening on http:\/\/127\.0\.0\.1:\d+\n/);
    } finally {
      server.kill();
    }
  });
});
