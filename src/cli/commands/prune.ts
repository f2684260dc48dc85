import type { Command } from "commander";
import { type OpenModel, openModel } from "../../answering/generator.ts";
import type { ChunkUnit } from "../../chunking/chunk.ts";
import { chunkUnitOf } from "../../documents/read-files.ts";
import { InputError } from "../../errors.ts";
import { INPUTS, OUTPUTS } from "../../options/command-line.ts";
import { CHUNKING, LIMITING, PROTECTING, PRUNING } from "../../options/texts.ts";
import type { PruneOptions } from "../../pruning/options.ts";
import { QRRetriever } from "../../retriever.ts";
import type { RankDocument } from "../../types.ts";
import { counted } from "../../util/counted.ts";
import { decodeText } from "../../util/text-file.ts";
import { wrongOption } from "../failure.ts";
import { flagOption } from "../flags.ts";
import { addHelp } from "../help.ts";
import { nameOf, readInput } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addOptions,
  addPassOptions,
  addPromptOptions,
  addWindowOptions,
  type CommonFlags,
  type ModelFlags,
  type PassFlags,
  type PromptFlags,
  toLoadOptions,
  toPassOptions,
  toWindowOptions,
  type WindowFlags,
} from "../options.ts";
import { note, printJson, printText, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { askedOf, type QueryFlags, queryOf } from "../query.ts";
import { expand, isFolder, readSources, type SourceFlags, toRankDocuments } from "../sources.ts";

type PruneFlags = CommonFlags &
  QueryFlags &
  SourceFlags &
  ModelFlags &
  PromptFlags &
  PassFlags &
  WindowFlags & {
    heads?: string;
    budget?: number;
    threshold?: number;
    topK?: number;
    relative?: number;
    unit?: "sentence" | "chunk";
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

const HELP = {
  everyday: ["--query", "--model", "--budget", "--top-k", "--relative", "--json"],
  examples: [
    'qrhead prune "when does the lease end" contract.md --budget 800 > short.md',
    'cat chat.txt | qrhead prune "…" --budget 500 --unit chunk --chunk-by turns --keep-speaker system',
    'qrhead prune "…" --top-k 20 --marker "" --json report.txt',
    'qrhead prune "…" --budget 2000 --reader Qwen3-8B-Q4_K_M.gguf notes.jsonl',
  ],
  details: `
The output is verbatim and in its order. A budget includes the marker's tokens; --reader counts with the vocabulary of
the model that will read the text, without loading its weights. In fenced code, tables and source (by the file's ending,
or --chunk-by code) lines or blocks are kept or dropped, with the fences and the header.

One file is one text, and so is standard input. JSON Lines, JSON arrays, folders and several files are documents.`,
};

/** `qrhead prune`: keeps of a text what a question attends to. */
export function registerPrune(program: Command): void {
  const command = takesPair(program.command("prune"), "--keep-marks").description(
    "shorten a text to the sentences or chunks that a question needs",
  );
  command.argument("[question]", "the question").argument("[files...]", "text or documents; or standard input");
  const { query, queryFile, docs, docsFormat, reader } = INPUTS;
  const { headings, frontMatter, speakers, markers } = PROTECTING;
  addOptions(command, [query, queryFile, docs, docsFormat, ...Object.values(LIMITING), PRUNING.unit]);
  const cut = { shortDefault: "paragraphs, of source: code" };
  command.addOption(flagOption(CHUNKING.by, cut)).addOption(flagOption(CHUNKING.size, { shortDefault: "128" }));
  addOptions(command, [CHUNKING.turn, PRUNING.marker, frontMatter, headings, speakers, markers, OUTPUTS.json]);
  addOptions(addHeadsOption(addModelOptions(command)), [reader]);
  addWindowOptions(addPassOptions(addPromptOptions(command), "whole"));
  addHelp(addCommonOptions(command), HELP).action(prune);
}

async function prune(question: string | undefined, files: string[], _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<PruneFlags>();
  checkFlags(flags);
  const signal = interruptSignal();
  const asked = askedOf([...(question === undefined ? [] : [question]), ...files], flags);
  const query = await queryOf(flags, signal, asked.query);
  const { input, by } = await readTexts(asked.files, flags, signal);

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
      ...toPruneOptions(flags, by),
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
      note(`${tokens} of ${counted(originalTokens, "token")} · ${Math.round(result.timings.totalMs)} ms`);
    }
  } finally {
    bar.stop();
    await reader?.dispose();
  }
}

/** What the flags say, in the library's words. */
function toPruneOptions(flags: PruneFlags, by: ChunkUnit): PruneOptions {
  const { budget, threshold, topK, relative, unit, marker, turn, chunkSize = 128 } = flags;
  return {
    ...{ budgetTokens: budget, threshold, topK, relative, unit, marker },
    chunk: { by: flags.chunkBy ?? by, size: chunkSize, turn },
    protect: {
      frontMatter: flags.keepFrontMatter,
      headings: flags.keepHeadings,
      speakers: flags.keepSpeaker,
      markers: flags.keepMarks as [string, string] | undefined,
    },
  };
}

/** @throws InputError for flags that do not go together, in words of the command line. */
function checkFlags(flags: PruneFlags): void {
  const { budget, threshold, topK, relative, keepMarks } = flags;
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

/** One text, or documents, and what a text is cut at where nothing else is said. */
async function readTexts(
  files: readonly string[],
  flags: PruneFlags,
  signal: AbortSignal,
): Promise<{ input: string | RankDocument[]; by: ChunkUnit }> {
  const [file, ...others] = (await Promise.all(files.map(expand))).flat();
  const isOne = others.length === 0 && flags.docs === undefined && flags.docsFormat === undefined;
  if (!isOne || /\.jsonl?$/i.test(file!) || (await isFolder(file!))) {
    const documents = await readSources(files, { split: "whole", ...flags }, signal);
    return { input: toRankDocuments(documents), by: "paragraphs" };
  }
  // Offsets are those of the file.
  const text = decodeText(await readInput(file!, "Text file", signal), nameOf(file!), { byteOrderMark: true });
  return { input: text, by: chunkUnitOf(file!) === "code" ? "code" : "paragraphs" };
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
