// Programs that bundlers made, run: with qrhead left external, as docs/bundlers.md says.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/native/addon.ts";

const folder = mkdtempSync(path.join(tmpdir(), "qrhead-bundle-"));
const entry = path.join(folder, "main.ts");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  mkdirSync(path.join(folder, "node_modules"));
  symlinkSync(packageRoot, path.join(folder, "node_modules", "qrhead"), "junction");
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(
    path.join(folder, "documents.ts"),
    'export const documents = ["Bread is baked.", "The tower is in Paris."];',
  );
  writeFileSync(
    entry,
    `import { QRRetriever } from "qrhead";
     import { IsolatedRetriever } from "qrhead/isolated";
     import { documents } from "./documents.ts";
     for (const kind of [QRRetriever, IsolatedRetriever]) {
       const retriever = await kind.load({ gpu: false, threads: 1 });
       console.log((await retriever.rank("Where is the tower?", documents)).results[0].index);
       await retriever.dispose();
     }`,
  );
});

async function run(file: string): Promise<string> {
  return (await promisify(execFile)(process.execPath, [file], { cwd: folder })).stdout;
}

describe("a bundle", { timeout: 180_000 }, () => {
  it("of esbuild ranks", async () => {
    const outfile = path.join(folder, "esbuild.js");
    await esbuild({
      ...{ entryPoints: [entry], outfile, bundle: true, platform: "node", format: "esm", logLevel: "silent" },
      external: ["qrhead", "qrhead/*"],
    });
    expect(readFileSync(outfile, "utf8")).toContain("Bread is baked.");
    expect(await run(outfile)).toBe("1\n1\n");
  });

  it("of Vite for a server ranks, where packages are external unless told otherwise", async () => {
    await vite({
      ...{ root: folder, configFile: false, logLevel: "silent" },
      build: { ssr: entry, outDir: "vite", target: "node20" },
      ssr: { external: ["qrhead"] },
    });
    const outfile = path.join(folder, "vite", "main.js");
    expect(readFileSync(outfile, "utf8")).toContain("Bread is baked.");
    expect(await run(outfile)).toBe("1\n1\n");
  });

  it("that holds qrhead itself says what is wrong", async () => {
    const outfile = path.join(folder, "whole.js");
    await esbuild({
      ...{ entryPoints: [entry], outfile, bundle: true, platform: "node", format: "esm", logLevel: "silent" },
      external: ["node-llama-cpp"],
    });
    await expect(run(outfile)).rejects.toMatchObject({ stderr: expect.stringMatching(/bundle.*docs\/bundlers/s) });
  });
});
