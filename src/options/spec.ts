/** What the registry knows of one option: types, validation, error sentences, flags, help and the reference page follow from it. */
export type OptionSpec = {
  kind: "integer" | "number" | "choice" | "toggle" | "text" | "texts" | "numbers" | "pair" | "pattern" | "other";
  /** What it is: a phrase without a full stop, for help, docs and types. */
  says: string;
  /** Further sentences, for docs and types. */
  more?: string;
  /** What holds where it is not given, in words; absent where nothing does, or where it must be given. */
  default?: string;
  /** The same in a few words, for help. */
  shortDefault?: string;
  /** The same as a value, where it is one. */
  value?: unknown;
  /** What a user may write for it, in words. */
  expected: string;
  /** As TypeScript writes its type. */
  type: string;
  min?: number;
  max?: number;
  /** The least value itself does not count. */
  above?: boolean;
  /** Of a list of numbers: integers alone. */
  whole?: boolean;
  choices?: readonly string[];
  required?: boolean;
  /** Whether a value of kind `other` will do. */
  accepts?: (value: unknown) => boolean;
  /** Makes of a value that will do what the library works with. */
  take?: (value: unknown) => unknown;
  /** Options of the object that it takes, beside the words of `choices` where there are any. */
  inside?: OptionSet;
  /** As the command line writes it, such as `-c, --context-size <N>`; `--no-…` turns off. Absent where it has none. */
  flag?: string;
  /** What the flag counts, and how much of it one is in the option's own unit: `["seconds", 1000]` for milliseconds. */
  flagUnit?: readonly [name: string, factor: number];
  /** What the flag takes, where that is not `expected`. */
  flagExpected?: string;
  /** Environment variable that holds where the flag is not given. */
  env?: string;
  /** No help and no page names the flag. */
  hidden?: boolean;
  /** What the flag names is written, as a file or a folder: `-` is refused, because it reads as standard output. */
  writes?: boolean;
  /** What help says, where that is not `says`. */
  flagSays?: string;
  /** Heading in help. */
  group?: string;
};

/** Options by their names. */
export type OptionSet = Readonly<Record<string, OptionSpec>>;

/** An option whose values have this type. */
export type Of<T> = OptionSpec & { value?: T };

type Words = Pick<
  OptionSpec,
  | "says"
  | "more"
  | "default"
  | "shortDefault"
  | "required"
  | "expected"
  | "flag"
  | "flagUnit"
  | "flagExpected"
  | "flagSays"
  | "env"
  | "hidden"
  | "writes"
  | "group"
>;
type Given<T> = Omit<Words, "expected"> & { expected?: string; value?: T };

/** Bounds that keep a number within what the engine counts with; no user would reach them, so that no sentence names them. */
export const UNNAMED: readonly number[] = [2 ** 31, 2 ** 31 - 1, Number.MAX_SAFE_INTEGER];

export function integer({
  min,
  max = 2 ** 31,
  unit,
  ...words
}: Given<number> & { min: number; max?: number; unit?: string }): Of<number> {
  const expected = integersWithin(min, max, unit);
  return { kind: "integer", type: "number", expected, min, max, ...defaultOf(words), ...words };
}

/** Bounds of integers, in words. */
export function integersWithin(min: number, max: number, unit?: string): string {
  const bounds = UNNAMED.includes(max) ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  return unit ? `${bounds}, in ${unit}` : bounds;
}

/** The words for a default that is a value. */
function defaultOf<T>({ value, flagUnit = ["", 1] }: Given<T>): Pick<OptionSpec, "default" | "shortDefault"> {
  if (value === undefined) return {};
  const inFlags = typeof value === "number" ? value / flagUnit[1] : value;
  return { default: `\`${JSON.stringify(value)}\``, shortDefault: String(inFlags) };
}

export function number({
  min = Number.NEGATIVE_INFINITY,
  max = Number.POSITIVE_INFINITY,
  above = false,
  ...words
}: Given<number> & { min?: number; max?: number; above?: boolean }): Of<number> {
  const expected = range(min, max, above);
  return { kind: "number", type: "number", expected, min, max, above, ...defaultOf(words), ...words };
}

function range(min: number, max: number, above: boolean): string {
  if (min === Number.NEGATIVE_INFINITY) return "a number";
  if (max === Number.POSITIVE_INFINITY) return above ? `a number above ${min}` : `a number of at least ${min}`;
  return above ? `a number above ${min} and at most ${max}` : `a number from ${min} to ${max}`;
}

export function choice<const T extends string>({ choices, ...words }: Given<T> & { choices: readonly T[] }): Of<T> {
  const quoted = choices.map((word) => JSON.stringify(word));
  const expected = choices.length === 2 ? quoted.join(" or ") : `one of ${choices.join(", ")}`;
  return { kind: "choice", type: quoted.join(" | "), expected, choices, ...defaultOf(words), ...words };
}

export function toggle(words: Given<boolean>): Of<boolean> {
  return { kind: "toggle", type: "boolean", expected: "true or false", ...words };
}

/** A text that is not blank. */
export function text(words: Given<string>): Of<string> {
  return { kind: "text", type: "string", expected: "a text that is not blank", ...defaultOf(words), ...words };
}

/** Texts that are not blank. */
export function texts(words: Given<readonly string[]>): Of<readonly string[]> {
  return { kind: "texts", type: "readonly string[]", expected: "a list of texts that are not blank", ...words };
}

/** Numbers within bounds, at least one; the command line separates them by commas. */
export function numbers({
  min,
  max,
  whole = false,
  ...words
}: Given<readonly number[]> & { min: number; max: number; whole?: boolean }): Of<readonly number[]> {
  const expected = `a list of ${whole ? "whole " : ""}numbers from ${min} to ${max}, at least one`;
  return { kind: "numbers", type: "readonly number[]", expected, min, max, whole, ...words };
}

export function pattern(words: Given<RegExp>): Of<RegExp> {
  return { kind: "pattern", type: "RegExp", expected: "a regular expression", ...words };
}

/** Whatever else: what the type says, and `accepts` or `inside` checks. */
export function other<T = unknown>(
  words: Words & Pick<Of<T>, "type" | "accepts" | "take" | "inside" | "choices" | "value">,
): Of<T> {
  return { kind: "other", ...words };
}

export function callback(type: string, words: Given<never> & Pick<OptionSpec, "take">): OptionSpec {
  return other({
    type: `(${type})`,
    expected: "a function",
    accepts: (value) => typeof value === "function",
    ...words,
  });
}

/** The path of a file whose name ends in one of these. */
export function fileNamed(endings: readonly string[], words: Omit<Given<string>, "expected">): Of<string> {
  return other<string>({
    ...{ type: "string", expected: `a path that ends in ${endings.join(" or ")}` },
    accepts: (value) => typeof value === "string" && endings.some((ending) => value.toLowerCase().endsWith(ending)),
    ...words,
  });
}

/** What a command gets of flags that a set describes; those of `Always` have a value or must be given. */
export type FlagsOf<S extends OptionSet, Always extends keyof S = never> = {
  [K in Exclude<keyof S, Always>]?: ValueOf<S[K]>;
} & { [K in Always]: ValueOf<S[K]> };

type ValueOf<S> = S extends Of<infer T> ? T : never;

/** The options of a set that have a value where they are not given. */
export function valuesOf<S extends OptionSet>(set: S): { [K in keyof S]: ValueOf<S[K]> } {
  const entries = Object.entries(set).map(([name, { value }]) => [name, value] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as never;
}
