import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { Command } from "commander";
import { InputError } from "../errors.ts";
import { DEVICE, heads, LOADING, model, PASS, prompt } from "../options/model.ts";
import { parseOptions } from "../options/parse.ts";
import type { OptionSet } from "../options/spec.ts";
import { partsOf } from "./flag-parts.ts";
import { specOf } from "./flags.ts";

/** What the configuration file may set: options of the library under their own names. */
export const CONFIGURABLE = {
  model,
  heads,
  prompt,
  ...PASS,
  ...DEVICE,
  check: LOADING.check,
} as const satisfies OptionSet;

/** Options that a command gives another meaning: the file does not set them there. */
const NOT_FOR = new WeakMap<Command, readonly string[]>();

export function notFromConfig(command: Command, flags: readonly string[]): void {
  NOT_FOR.set(command, flags);
}

/** `QRHEAD_CONFIG`, else `qrhead/config.json` where the system keeps programs' settings. */
export function configFile(env: NodeJS.ProcessEnv = process.env): string {
  if (env.QRHEAD_CONFIG) return path.resolve(env.QRHEAD_CONFIG);
  const folder =
    env.XDG_CONFIG_HOME || (process.platform === "win32" && env.APPDATA) || path.join(homedir(), ".config");
  return path.join(folder, "qrhead", "config.json");
}

/**
 * Gives options of a command that were not typed, and that no environment variable has, the values of the configuration file.
 *
 * @throws InputError for a file that is no JSON object, has an unknown key or a wrong value, or is named and does not exist.
 */
export function applyConfig(command: Command): void {
  const values = readConfig(configFile());
  const excluded = NOT_FOR.get(command) ?? [];
  for (const [name, value] of Object.entries(values)) {
    const { long } = partsOf(CONFIGURABLE[name as keyof typeof CONFIGURABLE].flag!);
    const option = command.options.find((one) => one.long === long);
    if (!option || excluded.includes(long)) continue;
    const key = option.attributeName();
    const source = command.getOptionValueSource(key);
    if (source !== undefined && source !== "default") continue;
    const given = toFlagValue(name, value);
    command.setOptionValueWithSource(key, specOf(option)?.kind === "texts" ? [given] : given, "config");
  }
}

function toFlagValue(name: string, value: unknown): unknown {
  if (name === "gpu") return String(value);
  return name === "check" ? value === "process" : value;
}

function readConfig(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && !process.env.QRHEAD_CONFIG) return {};
    const reason = code === "ENOENT" ? "does not exist" : `cannot be read: ${message}`;
    throw new InputError("INVALID_INPUT", `Configuration file ${file} ${reason}`, { cause: error });
  }
  try {
    return parseOptions(CONFIGURABLE, JSON.parse(text));
  } catch (error) {
    throw new InputError("INVALID_INPUT", `Configuration file ${file}: ${(error as Error).message}`, { cause: error });
  }
}
