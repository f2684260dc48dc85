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
  /** What help says, where that is not `says`. */
  flagSays?: string;
  /** Heading in help. */
  group?: string;
};

/** Options by their names. */
export type OptionSet = Readonly<Record<string, OptionSpec>>;

type Words = Pick<
  OptionSpec,
  "says" | "more" | "default" | "shortDefault" | "required" | "flag" | "flagSays" | "group" | "expected"
>;
type Given = Omit<Words, "expected"> & { expected?: string };

/** Bounds that keep a number within what the engine counts with; no user would reach them, so that no sentence names them. */
const UNNAMED: readonly number[] = [2 ** 31, 2 ** 31 - 1, Number.MAX_SAFE_INTEGER];

export function integer({
  min,
  max = 2 ** 31,
  unit,
  ...words
}: Given & { min: number; max?: number; unit?: string }): OptionSpec {
  const bounds = UNNAMED.includes(max) ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  return { kind: "integer", type: "number", expected: unit ? `${bounds}, in ${unit}` : bounds, min, max, ...words };
}

export function number({
  min = Number.NEGATIVE_INFINITY,
  max = Number.POSITIVE_INFINITY,
  above = false,
  ...words
}: Given & { min?: number; max?: number; above?: boolean }): OptionSpec {
  return { kind: "number", type: "number", expected: range(min, max, above), min, max, above, ...words };
}

function range(min: number, max: number, above: boolean): string {
  if (min === Number.NEGATIVE_INFINITY) return "a number";
  if (max === Number.POSITIVE_INFINITY) return above ? `a number above ${min}` : `a number of at least ${min}`;
  return above ? `a number above ${min} and at most ${max}` : `a number from ${min} to ${max}`;
}

export function choice({ choices, ...words }: Given & { choices: readonly string[] }): OptionSpec {
  const quoted = choices.map((word) => JSON.stringify(word));
  const expected = choices.length === 2 ? quoted.join(" or ") : `one of ${choices.join(", ")}`;
  return { kind: "choice", type: quoted.join(" | "), expected, choices, ...words };
}

export function toggle(words: Given): OptionSpec {
  return { kind: "toggle", type: "boolean", expected: "true or false", ...words };
}

/** A text that is not blank. */
export function text(words: Given): OptionSpec {
  return { kind: "text", type: "string", expected: "a text that is not blank", ...words };
}

/** Texts that are not blank. */
export function texts(words: Given): OptionSpec {
  return { kind: "texts", type: "readonly string[]", expected: "a list of texts that are not blank", ...words };
}

/** Numbers within bounds, at least one; the command line separates them by commas. */
export function numbers({
  min,
  max,
  whole = false,
  ...words
}: Given & { min: number; max: number; whole?: boolean }): OptionSpec {
  const expected = `a list of ${whole ? "whole " : ""}numbers from ${min} to ${max}, at least one`;
  return { kind: "numbers", type: "readonly number[]", expected, min, max, whole, ...words };
}

export function pattern(words: Given): OptionSpec {
  return { kind: "pattern", type: "RegExp", expected: "a regular expression", ...words };
}

/** Whatever else: what the type says, and `accepts` or `inside` checks. */
export function other(words: Words & Pick<OptionSpec, "type" | "accepts" | "take" | "inside" | "choices">): OptionSpec {
  return { kind: "other", ...words };
}

export function callback(type: string, words: Given): OptionSpec {
  return other({
    type: `(${type})`,
    expected: "a function",
    accepts: (value) => typeof value === "function",
    ...words,
  });
}
