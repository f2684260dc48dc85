import { Option } from "commander";
import { wrongOption } from "../failure.ts";

/** An option that may be given several times. */
export function listOption(flags: string, description: string): Option {
  const flag = flags.split(" ")[0]!;
  return new Option(flags, description).argParser((text: string, before: string[] | undefined) => {
    if (text.trim() === "") throw wrongOption(flag, "a text that is not blank", text);
    return [...(before ?? []), text];
  });
}

/** An option whose value is a list of numbers within bounds, `whole` ones where that is asked for. */
export function numbersOption(
  flags: string,
  description: string,
  { min, max, whole = false }: { min: number; max: number; whole?: boolean },
): Option {
  const flag = flags.split(" ")[0]!;
  return new Option(flags, description).argParser((text) => {
    const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    if (!values.every((value) => value >= min && value <= max && (!whole || Number.isInteger(value))))
      throw wrongOption(flag, `${whole ? "whole " : ""}numbers from ${min} to ${max}, separated by commas`, text);
    return values;
  });
}
