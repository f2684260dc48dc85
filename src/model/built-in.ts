import { createRequire } from "node:module";
import path from "node:path";
import { InputError } from "../errors.ts";
import { assertNotBundled, packageRoot, unpacked } from "../native/addon.ts";

/** The small model that comes with the package, `mini`: what runs when no model is named. */
export const BUILT_IN_MODEL = path.join(packageRoot, "models", "qrhead-mini-v3-q8_0.gguf");

/** The package of the larger one, which is found where it is installed beside this one. */
const BASE_PACKAGE = "qrhead-base";

/** Models that have a name instead of a path. A file of such a name is given as `./base`. */
const BUILT_IN_NAMES: readonly BuiltInName[] = ["base", "mini"];
export type BuiltInName = "base" | "mini";

export function isBuiltInName(model: string): model is BuiltInName {
  return (BUILT_IN_NAMES as readonly string[]).includes(model);
}

/**
 * The file of the base model, or undefined where its package is not installed.
 *
 * @param from Folder of the package that looks for it: beside it, and where Node looks from there.
 */
export function findBaseModel(from = packageRoot): string | undefined {
  const require = createRequire(path.join(from, "package.json"));
  try {
    const manifest = require.resolve(`${BASE_PACKAGE}/package.json`);
    const { gguf } = require(manifest) as { gguf?: unknown };
    return typeof gguf === "string" ? unpacked(path.join(path.dirname(manifest), gguf)) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The file that a built-in model's name stands for. `mini` runs where no model is named, whether `base` is installed or not:
 * base ranks better and takes three times as long (docs/results/README.md).
 *
 * @throws InputError `INVALID_INPUT` for `base` where its package is not installed.
 * @example
 * const file = builtInModel("mini");
 */
export function builtInModel(name: BuiltInName = "mini", from = packageRoot): string {
  assertNotBundled();
  if (name === "mini") return BUILT_IN_MODEL;
  const base = findBaseModel(from);
  if (base !== undefined) return base;
  throw new InputError(
    "INVALID_INPUT",
    `The model base is in a package of its own, ${BASE_PACKAGE}, which is not installed`,
    {
      option: "model",
      expected: "mini, or the path of a GGUF",
      received: '"base"',
      advice: `install it beside qrhead with \`npm install ${BASE_PACKAGE}\`, or use the model mini`,
    },
  );
}

/** The name of the built-in model that a file is, if it is one. */
export function builtInNameOf(file: string): BuiltInName | undefined {
  if (file === BUILT_IN_MODEL) return "mini";
  return file === findBaseModel() ? "base" : undefined;
}
