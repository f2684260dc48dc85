import { INPUTS, OUTPUTS } from "../options/command-line.ts";
import { OPTION_TYPES, type OptionType } from "../options/registry.ts";
import type { OptionSet } from "../options/spec.ts";
import { partsOf } from "./flag-parts.ts";

/** What the library names that is no option. */
const OTHER_WORDS: Readonly<Record<string, string>> = { detectHeads: "qrhead detect", format: "--docs-format" };

/** Flags by the names of options, and of those inside others: `windows.windowTokens`. */
const FLAGS = new Map<string, string>();
/** Switches that the command line only has turned off. */
const ON_BY_DEFAULT = new Set<string>();

function addSet(set: OptionSet, at = ""): void {
  for (const [name, spec] of Object.entries(set)) {
    if (spec.inside) addSet(spec.inside, `${name}.`);
    if (spec.flag === undefined) continue;
    const { long } = partsOf(spec.flag);
    const isOff = long.startsWith("--no-");
    if (isOff) ON_BY_DEFAULT.add(at + name);
    if (!FLAGS.has(at + name)) FLAGS.set(at + name, isOff ? long.replace("--no-", "--") : long);
  }
}

for (const { own } of Object.values<OptionType>(OPTION_TYPES)) addSet(own);
addSet(INPUTS);
addSet(OUTPUTS);
for (const [name, words] of Object.entries(OTHER_WORDS)) FLAGS.set(name, words);
FLAGS.set("verify", "--verify");
ON_BY_DEFAULT.add("verify");

/** The flag of an option of the library, such as `--context-size` for `contextSize`; undefined where there is none. */
export function flagOf(option: string): string | undefined {
  return FLAGS.get(option);
}

/**
 * What the library says about its options, in words of the command line: `contextSize` becomes `--context-size`,
 * `force: true` `--force`, `gpu: false` `--gpu false`, `windows: { windowTokens: 1024 }` `--window-size 1024`. Single words
 * such as "heads" stay: they may be English.
 */
export function withFlags(text: string): string {
  return text
    .replace(/\b(?:windows|chunk|protect): \{ ([^{}]*) \}/g, "$1")
    .replace(/\b([a-z][\w.]*): (true|false|"[^"]*"|\d+)/g, (whole, option: string, value: string) => {
      const flag = flagOf(option);
      if (flag === undefined) return whole;
      if (value === "true") return flag;
      if (value === "false" && ON_BY_DEFAULT.has(option)) return flag.replace("--", "--no-");
      return `${flag} ${value.replaceAll('"', "")}`;
    })
    .replace(/(?<![\w.-])[a-z]+(?:\.[a-z]\w*|[A-Z]\w*)+/g, (option) => flagOf(option) ?? option);
}
