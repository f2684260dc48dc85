import { type Command, Option } from "commander";
import { type OpenModel, openModel } from "../../answering/generator.ts";
import { CHUNK_UNITS, type ChunkUnit } from "../../chunking/chunk.ts";
import { chunkUnitOf } from "../../documents/read-files.ts";
import { InputError } from "../../errors.ts";
import type { PruneOptions } from "../../pruning/options.ts";
import { QRRetriever } from "../../retriever.ts";
import type { RankDocument } from "../../types.ts";
import { decodeText } from "../../util/text-file.ts";
import { wrongOption } from "../failure.ts";
import { addFormatOption, type FormatFlags, nameOf, readDocuments, readInput } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addPassOptions,
  addPromptOptions,
  addWindowOptions,
  type CommonFlags,
  choiceOption,
  integerOption,
  type ModelFlags,
  numberOption,
  type PassFlags,
  type PromptFlags,
  textOption,
  toLoadOptions,
  toPassOptions,
  toWindowOptions,
  type WindowFlags,
} from "../options.ts";
import { note, printJson, printText, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { queryOf } from "../query.ts";

type PruneFlags = CommonFlags &
  FormatFlags &
  ModelFlags &
  PromptFlags &
  PassFlags &
  WindowFlags & {
    heads?: string;
    query?: string;
    queryFile?: string;
    docs?: boolean;
    budget?: number;
    threshold?: number;
    topK?: number;
    relative?: number;
    unit?: "auto" | "sentence" | "chunk";
    chunkBy?: ChunkUnit;
    chunkSize?: number;
    turn?: RegExp;
    marker?: string;
    keepFrontMatter: boolean;
    keepHeadings?: boolean;
    keepSpeaker?: string[];
    keepMarks?: string[];
    reader?: string;
    json?: boolean;
  };

const EXAMPLES = `
What stays is verbatim and in its order. A budget is kept with the marker's tokens included; --reader counts them with
the vocabulary of the model that will read the text, which is not loaded. Of fenced code, tables and source (by the file's
ending, or --chunk-by code) lines or blocks stay or go, with the fences and the header.

Examples:
  $ qrhead prune --query "when does the lease end" --budget 800 contract.md > short.md
  $ cat chat.txt | qrhead prune --query "…" --budget 500 --unit chunk --chunk-by turns --keep-speaker system -
  $ qrhead prune --query "…" --top-k 20 --marker "" --json report.txt
  $ qrhead prune --query "…" --budget 2000 --reader Qwen3-8B-Q4_K_M.gguf --docs notes.jsonl`;

/** `qrhead prune`: keeps of a text what a query attends to. */
export function registerPrune(program: Command): void {
  const command = takesPair(program.command("prune"), "--keep-marks").description(
    "keep the sentences or chunks of a text that a query attends to",
  );
  command
    .argument("[file]", "text to prune, - for standard input")
    .addOption(textOption("--query <Q>", "the query", "a text that is not blank"))
    .option("--query-file <FILE>", "file that holds the query")
    .addOption(integerOption("--budget <N>", "keep at most N tokens", 1, 2 ** 31))
    .addOption(numberOption("--threshold <X>", "keep what gets at least X attention a token", "a number", () => true))
    .addOption(integerOption("--top-k <N>", "keep the best N sentences or chunks", 1, 2 ** 31))
    .addOption(
      numberOption(
        "--relative <X>",
        "keep what gets at least this share of the best one's attention; alone, or beside another limit",
        "a number above 0 and at most 1",
        (value) => value > 0 && value <= 1,
      ),
    )
    .addOption(choiceOption("--unit <UNIT>", "what stays or goes whole (default: auto)", ["auto", "sentence", "chunk"]))
    .addOption(
      choiceOption("--chunk-by <WHAT>", "how the text is cut (default: paragraphs, of source: code)", CHUNK_UNITS),
    )
    .addOption(integerOption("--chunk-size <N>", "tokens of a chunk (default: 128)", 8, 2 ** 31))
    .addOption(
      new Option(
        "--turn <REGEX>",
        "what a turn begins with at the beginning of a line, the speaker in its first group (default: as chats write it)",
      ).argParser(toPattern),
    )
    .option("--marker <TEXT>", 'stands where text was left out, may be empty (default: "[…] ")')
    .option("--no-keep-front-matter", "let front matter go like any other text")
    .option("--keep-headings", "leave Markdown headings in")
    .addOption(
      new Option("--keep-speaker <NAME>", "leave in the turns of a speaker, such as system; repeatable").argParser(
        addTo,
      ),
    )
    .addOption(
      new Option("--keep-marks <OPEN> <CLOSE>", "leave in what stands between two marks, and the marks").argParser(
        addTo,
      ),
    )
    .addOption(textOption("--reader <M>", "GGUF whose vocabulary counts the budget", "a path or an hf: URI"))
    .option("--docs", "the file holds documents: JSON Lines, a JSON array, or one text a line")
    .option("--json", "print one JSON object");
  addFormatOption(command);
  addWindowOptions(addPassOptions(addPromptOptions(addHeadsOption(addModelOptions(command))), "whole"));
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(prune);
}

async function prune(file: string | undefined, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<PruneFlags>();
  checkFlags(flags, file);
  const signal = interruptSignal();
  const query = await queryOf(flags, signal);
  const input = await readText(file!, flags, signal);

  const bar = await progressBar(flags.quiet ?? false);
  let reader: OpenModel | undefined;
  try {
    const { onProgress } = bar;
    const load = { ...toLoadOptions(flags), ...toPassOptions(flags) };
    const { prompt, nullQuery } = flags;
    await using retriever = await QRRetriever.load({
      ...load,
      prompt,
      nullQuery,
      ...toWindowOptions(flags),
      signal,
      onProgress,
    });
    if (flags.reader) reader = await openModel(flags.reader, { ...load, vocabularyOnly: true, signal, onProgress });
    const result = await retriever.prune(query, input, {
      ...toPruneOptions(flags, file!),
      countTokens: reader?.count,
      signal,
      onProgress,
    });
    bar.stop();
    if (flags.json) return printJson({ ...result, reader: flags.reader ?? retriever.model.path });
    printText(result.text);
    for (const warning of result.warnings) warn(warning);
    if (!flags.quiet) {
      const { tokens, originalTokens } = result.usage;
      note(`${tokens} of ${originalTokens} tokens · ${Math.round(result.timings.totalMs)} ms`);
    }
  } finally {
    bar.stop();
    await reader?.dispose();
  }
}

/** What the flags say, in the library's words. */
function toPruneOptions(flags: PruneFlags, file: string): PruneOptions {
  const { budget, threshold, topK, relative, unit, marker, turn, chunkBy, chunkSize = 128 } = flags;
  const by = chunkBy ?? (!flags.docs && chunkUnitOf(file) === "code" ? "code" : "paragraphs");
  return {
    ...{ budgetTokens: budget, threshold, topK, relative, unit, marker },
    chunk: { by, size: chunkSize, turn },
    protect: {
      frontMatter: flags.keepFrontMatter,
      headings: flags.keepHeadings,
      speakers: flags.keepSpeaker,
      markers: flags.keepMarks as [string, string] | undefined,
    },
  };
}

/** @throws InputError for flags that do not go together, in words of the command line. */
function checkFlags(flags: PruneFlags, file: string | undefined): void {
  const { budget, threshold, topK, relative, keepMarks, queryFile } = flags;
  if (file === undefined)
    throw new InputError("INVALID_ARGUMENT", "Expected a file: pass its name, or - for standard input");
  if (flags.format !== undefined && !flags.docs)
    throw new InputError("INVALID_ARGUMENT", "Expected --docs beside --format: without it the file is one text");
  if (file === "-" && queryFile === "-") {
    throw new InputError("INVALID_ARGUMENT", "Standard input can hold the query or the text but not both");
  }
  const given = Object.entries({ "--budget": budget, "--threshold": threshold, "--top-k": topK });
  const limits = given.filter(([, value]) => value !== undefined).map(([flag]) => flag);
  if (limits.length > 1 || (limits.length === 0 && relative === undefined)) {
    const received = limits.join(" and ") || "none of them";
    throw new InputError(
      "INVALID_ARGUMENT",
      `Expected exactly one of --budget, --threshold and --top-k, or --relative, but received ${received}`,
    );
  }
  if (keepMarks && keepMarks.length !== 2) {
    throw wrongOption("--keep-marks", "an opening and a closing mark", keepMarks.join(" "));
  }
}

async function readText(
  file: string,
  { docs, format }: FormatFlags & { docs?: boolean },
  signal: AbortSignal,
): Promise<string | RankDocument[]> {
  if (docs) return readDocuments(file, "Text file", { format }, signal);
  // Offsets are those of the file.
  return decodeText(await readInput(file, "Text file", signal), nameOf(file), { byteOrderMark: true });
}

function addTo(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function toPattern(text: string): RegExp {
  try {
    return new RegExp(text, "u");
  } catch (error) {
    throw wrongOption("--turn", `a regular expression (${(error as Error).message})`, text);
  }
}

/** Lets an option take exactly two values; commander knows one, or all that follow. */
function takesPair(command: Command, flag: string): Command {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (given) => {
    const args: string[] = [];
    for (let i = 0; i < given.length; i++) {
      if (given[i] === "--") return parse([...args, ...given.slice(i)]);
      if (given[i] === flag && i + 2 < given.length) args.push(`${flag}=${given[++i]}`, `${flag}=${given[++i]}`);
      else args.push(given[i]!);
    }
    return parse(args);
  };
  return command;
}
