import { Command, Help, type Option } from "commander";
import { partsOf } from "./flag-parts.ts";
import { shownFlags } from "./flags.ts";

/** What help says of a command beside its options. */
export type HelpWords = {
  /** The long flags that short help explains, in this order; without them it explains all. */
  everyday?: readonly string[];
  /** Command lines, the first of which short help shows. */
  examples?: readonly string[];
  /** Text that only the whole help has. */
  details?: string;
};

/** Examples in short help. */
const SHOWN_EXAMPLES = 4;
const WIDTH = 80;
const WORDS = new WeakMap<Command, HelpWords>();
let whole = false;

/** From now on help explains every option. */
export function explainAll(): void {
  whole = true;
}

/** Gives a command its help: short with `--help`, whole with `--help-all`. */
export function addHelp(command: Command, words: HelpWords): Command {
  WORDS.set(command, words);
  return command.addHelpText("after", () => `${otherFlags(command)}${examplesOf(words)}`);
}

/** Options by the headings that `--help` lists them under; the everyday ones and those without a heading come first. */
class GroupedHelp extends Help {
  #everyday: readonly string[] = [];
  /** Suggestions for what was mistyped ask for the options too. */
  #isFormatting = false;

  /** `--help` of each says what `qrhead help COMMAND` would. */
  override visibleCommands(command: Command): Command[] {
    return super.visibleCommands(command).filter((one) => one.name() !== "help");
  }

  override visibleOptions(command: Command): Option[] {
    const options = super.visibleOptions(command);
    const { everyday } = WORDS.get(command) ?? {};
    if (!everyday || !this.#isFormatting) return options;
    const first = everyday.flatMap((long) => options.find((option) => option.long === long) ?? []);
    if (!whole) return first;
    return [...first, ...options.filter((option) => !first.includes(option))];
  }

  override groupItems<T extends Command | Option>(unsorted: T[], visible: T[], groupOf: (item: T) => string) {
    const isEveryday = (item: T) => "long" in item && this.#everyday.includes(item.long!);
    const sorted = [...unsorted.filter(isEveryday), ...unsorted.filter((item) => !isEveryday(item))];
    return super.groupItems(sorted, visible, (item) => (isEveryday(item) ? "Options:" : groupOf(item)));
  }

  override optionTerm(option: Option): string {
    const flags = shownFlags(option);
    return flags.startsWith("--") ? `    ${flags}` : flags;
  }

  override formatHelp(command: Command, helper: Help): string {
    this.#everyday = WORDS.get(command)?.everyday ?? [];
    this.#isFormatting = true;
    const text = super.formatHelp(command, helper);
    this.#isFormatting = false;
    return text;
  }
}

/** The flags that short help does not explain, by their headings. */
function otherFlags(command: Command): string {
  const { everyday } = WORDS.get(command) ?? {};
  if (!everyday || whole) return "";
  const groups = new Map<string, string[]>();
  for (const option of new Help().visibleOptions(command)) {
    if (everyday.includes(option.long!)) continue;
    const heading = option.long === "--help" ? "Common:" : (option.helpGroupHeading ?? "Other:");
    const { short, long } = partsOf(shownFlags(option));
    groups.set(heading, [...(groups.get(heading) ?? []), short ? `${short}/${long}` : long]);
  }
  const last = (heading: string) => Number(heading === "Other:") + 2 * Number(heading === "Common:");
  const sorted = [...groups].sort(([a], [b]) => last(a) - last(b));
  const lines = sorted.flatMap(([heading, flags]) => filled(`  ${heading.padEnd(18)}`, flags));
  return lines.length > 0 ? `\nMore options, all explained by --help-all:\n${lines.join("\n")}\n` : "";
}

function filled(begin: string, words: readonly string[]): string[] {
  const lines = [begin];
  for (const word of words) {
    if (lines.at(-1)!.length + word.length + 2 > WIDTH) lines.push(" ".repeat(begin.length));
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines;
}

function examplesOf({ examples = [], details }: HelpWords): string {
  const shown = whole ? examples : examples.slice(0, SHOWN_EXAMPLES);
  const list = shown.length > 0 ? `\nExamples:\n${shown.map((example) => `  $ ${example}`).join("\n")}` : "";
  return whole && details ? `\n${details.trim()}\n${list}` : list;
}

/** A command whose help, and that of its subcommands, is grouped. */
export class GroupedCommand extends Command {
  override createCommand(name?: string): Command {
    return new GroupedCommand(name);
  }

  override createHelp(): Help {
    return Object.assign(new GroupedHelp(), this.configureHelp());
  }
}
