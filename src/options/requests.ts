import { z } from "zod";
import type { QRHeadError } from "../errors.ts";
import { OPTION_TYPES, type OptionType } from "./registry.ts";
import type { OptionSet } from "./spec.ts";

// What the server and the tools for assistants take, and how both word what is wrong with it: by the names of their own fields.

/** The sentence after a field's name; one that is missing must be provided. */
const must = (what: string) => ({
  error: ({ input }: { input?: unknown }) => (input === undefined ? "must be provided" : `must be ${what}`),
});

export const textField = () => z.string(must("a string"));
/** A text that is not blank. */
export const wordsField = () => textField().regex(/\S/, { error: "must not be blank" });
export const flagField = () => z.boolean(must("true or false"));
export const numberField = () => z.number(must("a number"));
export const shareField = () =>
  numberField().min(0, { error: "must be at least 0" }).max(1, { error: "must be at most 1" });
export const countField = (most = 2 ** 31 - 1) =>
  numberField()
    .int({ error: "must be an integer" })
    .min(1, { error: "must be at least 1" })
    .max(most, { error: `must be at most ${most}` });
export const choiceField = <const T extends readonly string[]>(choices: T) =>
  z.enum(choices, must(choices.map((one) => JSON.stringify(one)).join(" or ")));
export const listField = <T extends z.ZodType>(item: T) => z.array(item, must("an array"));
/** One of several. */
export const eitherField = <const T extends readonly z.ZodType[]>(kinds: T, what: string) => z.union(kinds, must(what));

/**
 * How an interface calls the library's options: a field of its requests in quotes, a flag of the command that serves it. An
 * option that has no name here cannot be set there.
 */
export type Names = Readonly<Record<string, string>>;

/** Names for options that are fields: those of the library by those of the requests. */
export function fieldNames(fields: Readonly<Record<string, string>>): Names {
  return Object.fromEntries(Object.entries(fields).map(([option, field]) => [option, `"${field}"`]));
}

/** Names for options that are flags of the command. */
export function flagNames(set: OptionSet): Names {
  return Object.fromEntries(
    Object.entries(set).flatMap(([option, { flag }]) => {
      const long = flag?.match(/--[\w-]+/)?.[0];
      return long === undefined || long.startsWith("--no-") ? [] : [[option, long]];
    }),
  );
}

/** What the library says, for who sends requests: its options by the names of the interface, without advice that is none there. */
export function wordError({ message, option, expected, received, advice }: QRHeadError, names: Names): string {
  const name = option === undefined ? undefined : names[option];
  if (name !== undefined && expected !== undefined && message.includes(` for ${option} but received `)) {
    return `${name} must be ${renamed(expected, names)} but is ${received}`;
  }
  if (advice === undefined || !message.endsWith(`: ${advice}`)) return renamed(message, names);
  return advised(message.slice(0, -advice.length - 2), advice, names);
}

/** The same for a warning, whose advice follows a colon. */
export function wordWarning(warning: string, names: Names): string {
  const [problem, ...rest] = warning.split(": ");
  return rest.length === 0 ? renamed(warning, names) : advised(problem!, rest.join(": "), names);
}

function advised(problem: string, advice: string, names: Names): string {
  const [ways, ...hints] = advice.split("; ");
  const parts = ways!.split(/, or |, | or /);
  const useful = parts.filter((part) => isKnown(part, names));
  const left = useful.length === parts.length ? ways! : listed(useful);
  const said = [left, ...hints.filter((hint) => isKnown(hint, names))].filter(Boolean).join("; ");
  return [problem, said]
    .filter(Boolean)
    .map((text) => renamed(text, names))
    .join(": ");
}

function listed(ways: readonly string[]): string {
  return ways.length > 1 ? `${ways.slice(0, -1).join(", ")} or ${ways.at(-1)}` : ways.join("");
}

const namesIn = (set: OptionSet): string[] =>
  Object.entries(set).flatMap(([name, { inside }]) => [name, ...(inside ? namesIn(inside) : [])]);
const OPTIONS = new Set(Object.values<OptionType>(OPTION_TYPES).flatMap(({ own }) => namesIn(own)));

/** An option as a sentence of the library has it: a word with a capital inside, or any word with a value. */
const OPTION = /(?<![\w."-])(?:([a-z]+): (true|false|"[^"]*"|\d+)|[a-z]+(?=: \{)|[a-z]+(?:[A-Z][a-z]*)+(?!\w))/g;

function isKnown(text: string, names: Names): boolean {
  const named = [...text.matchAll(OPTION)].map(([whole, option = whole]) => option);
  return named.every((option) => !OPTIONS.has(option) || Object.hasOwn(names, option));
}

function renamed(text: string, names: Names): string {
  return text.replace(OPTION, (whole, option: string = whole, value?: string) => {
    if (!Object.hasOwn(names, option)) return whole;
    const name = names[option]!;
    if (value === undefined) return name;
    return name.startsWith("--") ? `${name} ${value.replaceAll('"', "")}` : `${name}: ${value}`;
  });
}
