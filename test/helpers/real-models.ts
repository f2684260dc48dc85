import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..", ".cache", "real");

/** Released models that `npm run models:real` fetches. Tests on a model that is not there are skipped and counted. */
export const REAL_MODELS = {
  smollm2: path.join(folder, "SmolLM2-135M-Instruct.Q4_1.gguf"),
  minilm: path.join(folder, "all-MiniLM-L6-v2-F16.gguf"),
  gemma3: path.join(folder, "gemma-3-270m-Q4_K_M.gguf"),
} as const;

/** Whether the model was fetched. */
export function hasReal(name: keyof typeof REAL_MODELS): boolean {
  return existsSync(REAL_MODELS[name]);
}
