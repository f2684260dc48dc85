import { withLongFlags } from "./flags.ts";
import { explainAll } from "./help.ts";
import { COMMANDS, createProgram } from "./program.ts";

/** Runs the command that arguments name; throws what went wrong. */
export async function runCommandLine(given: readonly string[]): Promise<void> {
  const name = given.find((argument) => !argument.startsWith("-"));
  const isHelp = name === "help";
  const wanted = isHelp ? given.slice(1) : [name ?? ""];
  // Completion tells of every command.
  const loaded = name === "completion" ? Object.keys(COMMANDS) : wanted.filter((word) => word in COMMANDS);
  const program = await createProgram(loaded);
  const args = withLongFlags(given);
  const end = args.indexOf("--");
  const all = args.indexOf("--help-all");
  if (all !== -1 && (end === -1 || all < end)) {
    explainAll();
    args[all] = "--help";
  }
  await program.parseAsync(args, { from: "user" });
}
