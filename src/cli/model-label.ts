import { builtInNameOf } from "../model/built-in.ts";
import type { ModelIdentity } from "../types.ts";
import { oneLine } from "./output.ts";

/**
 * What a footer calls a model: its name, and the file's where the two do not agree. Converters take names from the folder of a
 * training run: SmolLM2-135M-Instruct's file says `Smollm2 135M 8k Lc100K Mix1 Ep2`.
 */
export function modelLabel({ name, fileName, path }: ModelIdentity & { path: string }): string {
  const letters = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const agrees = letters(fileName).includes(letters(name)) || builtInNameOf(path) !== undefined;
  return oneLine(agrees ? name : `${name} (${fileName})`);
}
