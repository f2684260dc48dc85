// Which file runs where no model is named, and what the names of the built-in models stand for.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { BUILT_IN_MODEL, builtInModel } from "../../src/model/built-in.ts";
import { findModelFile } from "../../src/model/model-file.ts";

const root = realpathSync(mkdtempSync(path.join(tmpdir(), "qrhead-built-in-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A project with qrhead, and qrhead-base beside it where it has a manifest. */
function project(name: string, manifest?: object): string {
  const modules = path.join(root, name, "node_modules");
  mkdirSync(path.join(modules, "qrhead"), { recursive: true });
  mkdirSync(path.join(modules, "qrhead-base"), { recursive: true });
  if (manifest) writeFileSync(path.join(modules, "qrhead-base", "package.json"), JSON.stringify(manifest));
  return path.join(modules, "qrhead");
}

describe("built-in models", () => {
  test("base is the file that its package names, and mini the default beside it", () => {
    const from = project("with", {
      name: "qrhead-base",
      exports: { "./package.json": "./package.json" },
      gguf: "b.gguf",
    });
    const file = path.join(path.dirname(from), "qrhead-base", "b.gguf");
    expect(builtInModel("base", from)).toBe(file);
    expect(builtInModel(undefined, from)).toBe(BUILT_IN_MODEL);
    expect(builtInModel("mini", from)).toBe(BUILT_IN_MODEL);
  });

  test.each([["nothing"], ["a package that names no file"]])(
    "%s beside qrhead: base is an error that says what to install",
    (what) => {
      const from = project(what, what === "nothing" ? undefined : { name: "qrhead-base" });
      expect(builtInModel(undefined, from)).toBe(BUILT_IN_MODEL);
      expect(() => builtInModel("base", from)).toThrow(
        expect.objectContaining({
          code: "INVALID_INPUT",
          option: "model",
          advice: expect.stringContaining("npm install qrhead-base"),
        }),
      );
    },
  );

  test("mini is a name, and ./mini a path", async () => {
    expect(await findModelFile("mini")).toBe(BUILT_IN_MODEL);
    await expect(findModelFile("./mini")).rejects.toThrow("does not exist");
  });
});
