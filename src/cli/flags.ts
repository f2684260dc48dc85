import { Option } from "commander";
import { isWithin } from "../options/parse.ts";
import type { OptionSpec } from "../options/spec.ts";
import { wrongOption } from "./failure.ts";
import { partsOf } from "./flag-parts.ts";

/** Short flags of several letters, as llama.cpp has them; commander knows single letters, so that these become long ones first. */
const LONG_FOR = new Map<string, string>();

/** What help shows before an option: its flags, with the short one of several letters. */
const SHOWN = new WeakMap<Option, string>();

export const shownFlags = (option: Option): string => SHOWN.get(option) ?? option.flags;

/** Flags of a registry's option, with another group or flag where a command needs one. */
export type FlagWords = Partial<Pick<OptionSpec, "flag" | "flagSays" | "group" | "shortDefault" | "expected">>;

/** The option of the command line that follows from one of the registry. */
export function flagOption(spec: OptionSpec, words: FlagWords = {}): Option {
  const { flag, flagSays, group, shortDefault } = { ...spec, ...words };
  const { short, long, value } = partsOf(flag!);
  if (short && short.length > 2) LONG_FOR.set(short, long);
  const given = short && short.length > 2 ? flag!.replace(`${short}, `, "") : flag!;
  const choices = spec.choices && value ? `: ${spec.choices.join(", ")}` : "";
  const fallback = shortDefault === undefined ? "" : ` (default: ${shortDefault})`;
  const option = new Option(given, `${(flagSays ?? spec.says).replaceAll("`", "")}${choices}${fallback}`);
  SHOWN.set(option, flag!);
  if (group) option.helpGroup(`${group}:`);
  return value === undefined ? option : option.argParser(parserOf(spec, long));
}

function parserOf(spec: OptionSpec, flag: string): (text: string, before: unknown) => unknown {
  const { kind, choices, expected } = spec;
  const text = (value: string) => {
    if (value.trim() === "") throw wrongOption(flag, expected, value);
    return value;
  };
  if (choices) {
    return (value) => {
      if (!choices.includes(value)) throw wrongOption(flag, `one of ${choices.join(", ")}`, value);
      return value;
    };
  }
  if (kind === "integer" || kind === "number") return (value) => toNumber(spec, flag, value);
  if (kind === "numbers") return (value) => toNumbers(spec, flag, value);
  if (kind === "texts") return (value, before) => [...((before as string[] | undefined) ?? []), text(value)];
  if (kind === "pair") return (value, before) => [...((before as string[] | undefined) ?? []), value];
  if (kind === "pattern") return (value) => toPattern(flag, value);
  return kind === "text" || spec.type !== "string" ? text : (value) => value;
}

function toNumber({ kind, expected, min, max, above }: OptionSpec, flag: string, text: string): number {
  const looksRight = kind === "integer" ? /^[+-]?\d+$/.test(text) : text.trim() !== "";
  const value = looksRight ? Number(text) : Number.NaN;
  if (Number.isFinite(value) && value <= max! && (above ? value > min! : value >= min!)) return value;
  throw wrongOption(flag, expected, text);
}

function toNumbers({ min, max, whole }: OptionSpec, flag: string, text: string): number[] {
  const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (values.every((value) => isWithin(value, min!, max!, whole!))) return values;
  throw wrongOption(flag, `${whole ? "whole " : ""}numbers from ${min} to ${max}, separated by commas`, text);
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
