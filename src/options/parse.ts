import { InputError, invalidArgument } from "../errors.ts";
import { isList, isObject, isRevoked } from "../util/kinds.ts";
import type { OptionSet, OptionSpec } from "./spec.ts";

type Values = Record<string, unknown>;

/**
 * The options that are given, without those that are undefined: one of these would hide what another place says.
 *
 * @param at What the options are part of, such as `windows`.
 * @throws InputError `INVALID_ARGUMENT` for what is no object, an unknown option, a wrong value, or one that is missing.
 */
export function parseOptions(set: OptionSet, options: unknown, at = ""): Values {
  const given = optionsOf(options as object | undefined, at || "options") as Values;
  const name = (key: string) => (at ? `${at}.${key}` : key);
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(set, key)) throw unknownOption(name(key), Object.keys(set));
  }
  const taken: Values = {};
  for (const key of Object.keys(set)) {
    const spec = set[key]!;
    const value = given[key];
    if (value === undefined && !spec.required) continue;
    taken[key] = parseOption(spec, value, name(key));
  }
  return taken;
}

/** @param known What there is. */
export function unknownOption(option: string, known: readonly string[]): InputError {
  const expected = `one of ${known.join(", ")}`;
  return new InputError("INVALID_ARGUMENT", `Unknown option ${option}: expected ${expected}`, { option, expected });
}

/** Options, or none where there are none. @throws InputError `INVALID_ARGUMENT` for what is no object. */
export function optionsOf<T extends object>(options: T | null | undefined, name = "options"): T {
  if (isObject(options ?? {})) return options ?? ({} as T);
  throw invalidArgument(name, "an object", options);
}

/** @throws InputError `INVALID_ARGUMENT` for a value that is not what the option takes. */
function parseOption(spec: OptionSpec, value: unknown, name: string): unknown {
  if (spec.inside && isObject(value)) return parseOptions(spec.inside, value, name);
  if (!accepts(spec, value)) throw invalidArgument(name, spec.expected, value);
  return spec.take ? spec.take(value) : value;
}

function accepts({ kind, min, max, above, whole, choices, accepts: own, inside }: OptionSpec, value: unknown): boolean {
  const within = () => (value as number) <= max! && (above ? (value as number) > min! : (value as number) >= min!);
  const isText = (one: unknown) => typeof one === "string" && one.trim() !== "";
  switch (kind) {
    case "integer":
      return Number.isInteger(value) && within();
    case "number":
      return typeof value === "number" && Number.isFinite(value) && within();
    case "choice":
      return choices!.includes(value as string);
    case "toggle":
      return typeof value === "boolean";
    case "text":
      return isText(value);
    case "texts":
      return isList(value) && value.every(isText);
    case "numbers":
      return isList(value) && value.length > 0 && Array.from(value).every((one) => isWithin(one, min!, max!, whole!));
    case "pair":
      return isList(value) && value.length === 2 && value.every((one) => typeof one === "string");
    case "pattern":
      return !isRevoked(value) && Object.prototype.toString.call(value) === "[object RegExp]";
    default:
      return own ? own(value) : choices ? choices.includes(value as string) : !inside;
  }
}

export function isWithin(value: unknown, min: number, max: number, whole: boolean): boolean {
  return typeof value === "number" && value >= min && value <= max && (!whole || Number.isInteger(value));
}

/** Options in two parts: those that a set knows, and the others. @throws InputError for what is no object. */
export function splitOptions(set: OptionSet, options: unknown): [known: Values, others: Values] {
  const entries = Object.entries(optionsOf(options as Values | null | undefined));
  const known = entries.filter(([key]) => Object.hasOwn(set, key));
  return [Object.fromEntries(known), Object.fromEntries(entries.filter(([key]) => !Object.hasOwn(set, key)))];
}
