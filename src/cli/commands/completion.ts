import { type Command, Option } from "commander";
import { type Completed, SHELLS, scriptFor } from "../completion.ts";
import { wrongOption } from "../failure.ts";
import { specOf } from "../flags.ts";
import { addHelp } from "../help.ts";
import { addCommonOptions } from "../options.ts";
import { write } from "../output.ts";

/** `qrhead completion`: a script that completes commands, options and their values. */
export function registerCompletion(program: Command): void {
  const command = program
    .command("completion")
    .description("print a shell completion script")
    .argument("<shell>", Object.keys(SHELLS).join(", "));
  addHelp(addCommonOptions(command), {
    examples: [
      "qrhead completion bash > ~/.local/share/bash-completion/completions/qrhead",
      "qrhead completion zsh > ~/.zfunc/_qrhead             # with fpath+=~/.zfunc before compinit in ~/.zshrc",
      "qrhead completion fish > ~/.config/fish/completions/qrhead.fish",
    ],
  }).action(completion);
}

function completion(shell: string, _: unknown, command: Command): void {
  if (!(shell in SHELLS)) throw wrongOption("the shell", `one of ${Object.keys(SHELLS).join(", ")}`, shell);
  write(scriptFor(shell as keyof typeof SHELLS, completedOf(command.parent!)));
}

/** What can be typed after a command. */
function completedOf(command: Command, path: readonly string[] = []): Completed[] {
  const inside = command.commands.flatMap((child) => completedOf(child, [...path, child.name()]));
  const helping = new Option("-h, --help", "display help for command");
  const options = [...command.options, helping].filter((option) => !option.hidden);
  const own = {
    path,
    commands: command.commands.map((child) => ({ word: child.name(), says: child.description() })),
    options: options.map((option) => {
      const { short, long, description, required, optional } = option;
      const { choices = [], flagExpected } = specOf(option) ?? {};
      return {
        words: [short, long].filter((word) => word !== undefined),
        says: description,
        takesValue: Boolean(required || optional),
        choices: flagExpected === undefined ? choices : [],
      };
    }),
  };
  return [own, ...inside];
}
