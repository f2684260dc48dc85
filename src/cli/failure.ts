import { CommanderError } from "commander";
import { InputError, isQRHeadError, type QRHeadError } from "../errors.ts";
import { flagOf, withFlags } from "./flag-words.ts";
import { note, oneLine } from "./output.ts";

/** Reason of the signal that Ctrl+C sets. */
export class Interrupted extends Error {
  override name = "Interrupted";
  constructor() {
    super("interrupted");
  }
}

/** What the shell learns. 130 is what it sees of any program that Ctrl+C ended. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The sentence for an option with a wrong value, which names the option as it was typed. */
export function wrongOption(flag: string, expected: string, received: string, advice?: string): InputError {
  const shown = JSON.stringify(received.slice(0, 80));
  return new InputError("INVALID_ARGUMENT", `Expected ${expected} for ${flag} but received ${shown}`, {
    ...{ option: flag, expected, received: shown, ...(advice !== undefined && { advice }) },
  });
}

/**
 * Says on one line of standard error what went wrong, with the stack and the causes below when `verbose`.
 *
 * @returns The exit code: 2 where arguments or input are wrong, 130 after Ctrl+C, 1 otherwise, 0 where commander only
 * printed help or the version.
 */
export function reportFailure(error: unknown, verbose: boolean): number {
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === "commander.help")) return EXIT.ok;
  note(`qrhead: ${describe(error)}`);
  if (verbose && !(error instanceof CommanderError) && !(error instanceof Interrupted)) note(stackOf(error));
  if (error instanceof Interrupted) return EXIT.interrupted;
  return isUsersToMend(error) ? EXIT.usage : EXIT.failed;
}

function isUsersToMend(error: unknown): boolean {
  if (error instanceof CommanderError) return true;
  return isQRHeadError(error) && (error.name === "InputError" || error.name === "ContextOverflowError");
}

/** The message on one line. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(`unexpected failure: ${String(error)}`);
  const message = oneLine(isQRHeadError(error) ? inFlags(error) : error.message.replace(/^error: /, ""));
  // The system's own sentences, such as that a disk is full, need no comment.
  const expected =
    error instanceof CommanderError || error instanceof Interrupted || isQRHeadError(error) || "syscall" in error;
  return expected ? message : `unexpected failure: ${error.name}: ${message} (--verbose shows where)`;
}

/** The library's sentence with flags for its options: it does not know how it is used. */
function inFlags({ message, option, expected, advice }: QRHeadError): string {
  let text = message;
  if (advice !== undefined && text.endsWith(advice)) text = text.slice(0, -advice.length) + withFlags(advice);
  const said = ` for ${option} but received `;
  if (expected !== undefined && option !== undefined && text.includes(said)) {
    const [before, after] = [text.slice(0, text.indexOf(said)), text.slice(text.indexOf(said) + said.length)];
    text = `${withFlags(before)} for ${flagOf(option) ?? option} but received ${after.replace(/ of type \w+$/, "")}`;
  }
  return text;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\nCaused by: ${stackOf(error.cause)}`;
}
