import type { Command } from "commander";
import { InputError } from "../errors.ts";
import { flagExpected, shownFlags, specOf } from "./flags.ts";

/**
 * Looks for flags that the registry requires once the configuration file has given what it has. Commander's own check comes
 * before, and would speak of a missing flag where one was mistyped.
 *
 * @throws InputError for one that neither the command line nor the environment nor the file gives.
 */
export function assertRequired(command: Command): void {
  for (const option of command.options) {
    const spec = specOf(option);
    if (!spec?.required || command.getOptionValue(option.attributeName()) !== undefined) continue;
    const expected = flagExpected(spec);
    const flag = shownFlags(option).replace(/^-\w+, |[<>]/g, "");
    throw new InputError(
      "INVALID_ARGUMENT",
      `Expected ${flag} (${spec.choices ? expected : (spec.flagSays ?? spec.says)})`,
      {
        ...{ option: option.long!, expected },
        ...(spec.env !== undefined && { advice: `pass it, or set ${spec.env}` }),
      },
    );
  }
}
