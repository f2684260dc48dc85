import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { modelSpec } from "../../scripts/models/table.ts";

export { plantedHeads } from "../../scripts/models/table.ts";

const directory = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..", ".cache", "models");

/**
 * Path of a test model's file.
 * @throws when there is no model of that name, or its file was not made
 */
export function modelPath(name: string): string {
  modelSpec(name);
  const file = path.join(directory, `${name}.gguf`);
  if (!existsSync(file)) throw new Error(`Expected the test model ${file}: run npm run make-models -- ${name}`);
  return file;
}
