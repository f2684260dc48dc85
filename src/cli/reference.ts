import type { Command, Option } from "commander";
import { OPTION_TYPES, type OptionType } from "../options/registry.ts";
import type { OptionSpec } from "../options/spec.ts";
import { CONFIGURABLE } from "./config.ts";
import { partsOf } from "./flag-parts.ts";
import { flagExpected, shownFlags, specOf } from "./flags.ts";
import { createProgram } from "./program.ts";

const INTRODUCTION = `# Options

Every option of the [library](#library), of the [commands](#commands) and of the [configuration file](#configuration-file).
qrhead refuses unknown options and wrong values with \`INVALID_ARGUMENT\`; the error has \`option\`, \`expected\` and \`received\`.
The page is made from the code by \`npm run options\`.
`;

/** The page docs/reference/options.md: the options of the library and of every command. */
export async function referencePage(): Promise<string> {
  const known = Object.entries<OptionType>(OPTION_TYPES).filter(([, { isCommands }]) => !isCommands);
  const types = known.map(([name, type]) => typeSection(name, type));
  const commands = commandSections(await createProgram());
  const keys = Object.keys(CONFIGURABLE).map((key) => `\`${key}\``);
  const config = `## Configuration file

\`QRHEAD_CONFIG\`, else \`qrhead/config.json\` in \`XDG_CONFIG_HOME\` or \`~/.config\` (\`%APPDATA%\` on Windows): a JSON object of
options under their library names. Flags and environment variables take precedence. It may have
${keys.join(", ")}.
`;
  return [INTRODUCTION, "## Library", ...types, "## Commands", ...commands, config]
    .join("\n\n")
    .replace(/\n{3,}/g, "\n\n");
}

function typeSection(name: string, { says, own, also = [] }: OptionType): string {
  const rows = Object.entries<OptionSpec>(own).map(([key, spec]) => {
    const { required, says: what, more, default: fallback, expected } = spec;
    const whole = [upper(what), more].filter(Boolean).join(". ").replace(/\.+ /g, ". ");
    return [`\`${key}\`${required ? " (required)" : ""}`, whole, expected, fallback ?? ""];
  });
  const others = also.length > 0 ? ` Also those of ${also.map((one) => `\`${one}\``).join(", ")}.` : "";
  return `### ${name}\n\n${says}${others}\n\n${table(["Option", "What", "Accepts", "Default"], rows)}`;
}

function commandSections(command: Command, path: readonly string[] = []): string[] {
  const inside = command.commands.flatMap((child) => commandSections(child, [...path, child.name()]));
  if (path.length === 0) return inside;
  const options = command.options.filter((option) => !option.hidden);
  if (options.length === 0) return inside;
  const usage = ["qrhead", ...path, ...command.registeredArguments.map((one) => argument(one))].join(" ");
  const head = ["Flag", "What", "Accepts", "Default"];
  return [`### ${usage}\n\n${upper(command.description())}.\n\n${table(head, options.map(flagRow))}`, ...inside];
}

function flagRow(option: Option): string[] {
  const spec = specOf(option);
  const name = `\`${shownFlags(option)}\``;
  if (!spec) return [name, option.description, "", ""];
  const { says, flagSays, default: fallback, shortDefault, env } = spec;
  const defaults = [env && `\`${env}\``, shortDefault ?? fallback].filter(Boolean).join(", else ");
  const isSwitch = partsOf(spec.flag!).value === undefined;
  return [spec.required ? `${name} (required)` : name, flagSays ?? says, flagExpected(spec), isSwitch ? "" : defaults];
}

function argument(one: { required: boolean; variadic: boolean; name(): string }): string {
  const name = `${one.name()}${one.variadic ? "..." : ""}`;
  return one.required ? `<${name}>` : `[${name}]`;
}

const upper = (text: string) => (text === "" ? text : text[0]!.toUpperCase() + text.slice(1));

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
