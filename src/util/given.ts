import { invalidArgument } from "../errors.ts";
import { isList, isObject } from "./kinds.ts";

// Checks of arguments outside of options. The error names the argument.

/** @throws InputError `INVALID_ARGUMENT` for what is no text. */
export function assertText(value: unknown, name: string): asserts value is string {
  if (typeof value !== "string") throw invalidArgument(name, "a text", value);
}

/** A caller's function that counts tokens, checked at every call. @throws InputError `INVALID_ARGUMENT` for what is no count. */
export function countedBy(count: (text: string) => number | Promise<number>): (text: string) => Promise<number> {
  return async (text) => {
    const tokens: unknown = await count(text);
    if (typeof tokens === "number" && tokens >= 0 && tokens < Number.POSITIVE_INFINITY) return tokens;
    throw invalidArgument("countTokens", "a function that counts a text's tokens: what it returned", tokens);
  };
}

/** @throws InputError `INVALID_ARGUMENT` for what is no list. */
export function assertList(value: unknown, name: string, expected = "a list"): asserts value is readonly unknown[] {
  if (!isList(value)) throw invalidArgument(name, expected, value);
}

/** @throws InputError `INVALID_ARGUMENT` for what is no object. */
export function assertObject(value: unknown, name: string, expected = "an object"): asserts value is object {
  if (!isObject(value)) throw invalidArgument(name, expected, value);
}
