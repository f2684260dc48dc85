import { Option } from "commander";
import { isWithin } from "../options/parse.ts";
import { integersWithin, type OptionSet, type OptionSpec, UNNAMED } from "../options/spec.ts";
import { wrongOption } from "./failure.ts";
import { partsOf } from "./flag-parts.ts";

/** Short flags of several letters, as llama.cpp has them; commander knows single letters, so that these become long ones first. */
const LONG_FOR = new Map<string, string>();

/** What help shows before an option: its flags, with the short one of several letters. */
const SHOWN = new WeakMap<Option, string>();

/** What the registry knows of an option. */
const SPECS = new WeakMap<Option, OptionSpec>();

export const specOf = (option: Option): OptionSpec | undefined => SPECS.get(option);

export const shownFlags = (option: Option): string => SHOWN.get(option) ?? option.flags;

/** Flags of a registry's option, with another group or flag where a command needs one. */
export type FlagWords = Partial<
  Pick<OptionSpec, "flag" | "flagSays" | "group" | "shortDefault" | "expected" | "flagExpected">
>;

/** The option of the command line that follows from one of the registry. */
export function flagOption(spec: OptionSpec, words: FlagWords = {}): Option {
  const own: OptionSpec = { ...spec, ...words };
  const { flag, flagSays, group, shortDefault, env, hidden } = own;
  const { short, long, value } = partsOf(flag!);
  if (short && short.length > 2) LONG_FOR.set(short, long);
  const given = short && short.length > 2 ? flag!.replace(`${short}, `, "") : flag!;
  const choices = spec.choices && spec.flagExpected === undefined && value ? `: ${spec.choices.join(", ")}` : "";
  const fallback = shortDefault === undefined ? "" : ` (default: ${shortDefault})`;
  const option = new Option(given, `${(flagSays ?? spec.says).replaceAll("`", "")}${choices}${fallback}`);
  SHOWN.set(option, flag!);
  SPECS.set(option, own);
  if (group) option.helpGroup(`${group}:`);
  if (env !== undefined) {
    // A variable that is empty is none, as in other programs.
    if (process.env[env] === "") delete process.env[env];
    option.env(env);
  }
  if (hidden) option.hideHelp();
  return value === undefined ? option : option.argParser(parserOf(own, long));
}

/** What may be written after a flag, in words; empty for a switch. */
export function flagExpected({ kind, choices, expected, flagExpected: said, flag, ...spec }: OptionSpec): string {
  if (partsOf(flag!).value === undefined) return "";
  if (said !== undefined) return said;
  if (choices) return `one of ${choices.join(", ")}`;
  if (kind === "numbers") {
    return `${spec.whole ? "whole " : ""}numbers from ${spec.min} to ${spec.max}, separated by commas`;
  }
  if (kind === "integer" && spec.flagUnit) {
    const { least, most, unit } = inFlagUnit(spec as OptionSpec);
    return integersWithin(least, UNNAMED.includes(spec.max!) ? spec.max! : most, unit);
  }
  return expected;
}

/** Bounds as the flag counts. */
function inFlagUnit({ min, max, flagUnit: [unit, factor] = ["", 1] }: OptionSpec) {
  return { least: Math.ceil(min! / factor), most: Math.floor(max! / factor), unit, factor };
}

/** The options of a set by their names, of flags by theirs; only those that were given or have a value. */
export function optionsFrom<T>(set: OptionSet, flags: object): T {
  return defined(
    Object.fromEntries(Object.entries(set).map(([name, { flag }]) => [name, flag && valueIn(flag, flags)])),
  ) as T;
}

/** The options that are not undefined. An undefined one would hide a value from another place. */
export function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

function valueIn(flag: string, flags: object): unknown {
  return (flags as Record<string, unknown>)[new Option(partsOf(flag).long).attributeName()];
}

function parserOf(spec: OptionSpec, flag: string): (text: string, before: unknown) => unknown {
  const { kind, choices, accepts, type } = spec;
  const expected = flagExpected(spec);
  const text = (value: string) => {
    if (value.trim() === "") throw wrongOption(flag, expected, value);
    if (spec.writes && value === "-") {
      throw wrongOption(flag, expected, value, "pass ./- if that is its name");
    }
    return value;
  };
  if (choices) {
    return (value) => {
      if (!choices.includes(value)) throw wrongOption(flag, expected, value);
      return value;
    };
  }
  if (kind === "integer" || kind === "number") return (value) => toNumber(spec, flag, value);
  if (kind === "numbers") return (value) => toNumbers(spec, flag, value);
  if (kind === "texts") return (value, before) => [...((before as string[] | undefined) ?? []), text(value)];
  if (kind === "pair") return (value, before) => [...((before as string[] | undefined) ?? []), value];
  if (kind === "pattern") return (value) => toPattern(flag, value);
  if (kind === "text" || type !== "string") return text;
  return (value) => {
    if (accepts?.(value) === false) throw wrongOption(flag, expected, value);
    return value;
  };
}

function toNumber(spec: OptionSpec, flag: string, text: string): number {
  const { kind, above } = spec;
  const { least, most, factor } =
    kind === "integer" ? inFlagUnit(spec) : { least: spec.min!, most: spec.max!, factor: 1 };
  const looksRight = kind === "integer" ? /^[+-]?\d+$/.test(text) : text.trim() !== "";
  const value = looksRight ? Number(text) : Number.NaN;
  if (Number.isFinite(value) && value <= most && (above ? value > least : value >= least)) return value * factor;
  throw wrongOption(flag, flagExpected(spec), text);
}

function toNumbers(spec: OptionSpec, flag: string, text: string): number[] {
  const { min, max, whole } = spec;
  const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (values.every((value) => isWithin(value, min!, max!, whole!))) return values;
  throw wrongOption(flag, flagExpected(spec), text);
}

function toPattern(flag: string, text: string): RegExp {
  try {
    return new RegExp(text, "u");
  } catch (error) {
    throw wrongOption(flag, `a regular expression (${(error as Error).message})`, text);
  }
}

/** Arguments as commander takes them: `-ngl 20` becomes `--gpu-layers 20`. */
export function withLongFlags(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.map((argument, index) => {
    if (end !== -1 && index > end) return argument;
    const [, flag, rest = ""] = /^(-\w{2,})(=.*)?$/s.exec(argument) ?? [];
    const long = flag && LONG_FOR.get(flag);
    return long ? long + rest : argument;
  });
}
