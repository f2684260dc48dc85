import type { Command } from "commander";
import { type OpenModel, openModel } from "../../answering/generator.ts";
import { CHUNK_UNITS, type ChunkUnit } from "../../chunking/chunk.ts";
import { decodeText, parseDocuments } from "../../documents/documents.ts";
import { InputError } from "../../errors.ts";
import { QRRetriever } from "../../retriever.ts";
import type { RankDocument } from "../../types.ts";
import { wrongOption } from "../failure.ts";
import { readInput, STDIN_NAME } from "../input.ts";
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
  ModelFlags &
  PromptFlags &
  PassFlags &
  WindowFlags & {
    heads?: string;
    query?: string;
    queryFile?: string;
    docs?: boolean;
    budget?: number;
    threshold?: string;
    topK?: number;
    unit?: "sentence" | "chunk";
    chunkBy?: ChunkUnit;
    chunkSize?: number;
    marker?: string;
    keepHeadings?: boolean;
    keepSpeaker?: string[];
    keepMarks?: string[];
    reader?: string;
    json?: boolean;
  };

const EXAMPLES = `
What stays is verbatim and in its order. A budget is kept with the marker's tokens included; --reader counts them with
the vocabulary of the model that will read the text, which is not loaded.

Examples:
  $ qrhead prune --query "when does the lease end" --budget 800 contract.md > short.md
  $ cat chat.txt | qrhead prune --query "…" --budget 500 --unit chunk --chunk-by turns --keep-speaker system -
  $ qrhead prune --query "…" --top-k 20 --marker "" --json report.txt
  $ qrhead prune --query "…" --budget 2000 --reader Qwen3-8B-Q4_K_M.gguf --docs notes.jsonl`;

/** `qrhead prune`: keeps of a text what a query attends to. */
export function registerPrune(program: Command): void {
  const command = program
    .command("prune")
    .description("keep the sentences or chunks of a text that a query attends to");
  command
    .argument("[file]", "text to prune, - for standard input")
    .addOption(textOption("--query <Q>", "the query", "a text that is not blank"))
    .option("--query-file <FILE>", "file that holds the query")
    .addOption(integerOption("--budget <N>", "keep at most N tokens", 1, 2 ** 31))
    .option("--threshold <X>", "keep what gets at least X attention a token")
    .addOption(integerOption("--top-k <N>", "keep the best N sentences or chunks", 1, 2 ** 31))
    .addOption(choiceOption("--unit <UNIT>", "what stays or goes whole (default: sentence)", ["sentence", "chunk"]))
    .addOption(choiceOption("--chunk-by <WHAT>", "how the text is cut (default: paragraphs)", CHUNK_UNITS))
    .addOption(integerOption("--chunk-size <N>", "tokens of a chunk (default: 128)", 8, 2 ** 31))
    .option("--marker <TEXT>", 'stands where text was left out, may be empty (default: "[…] ")')
    .option("--keep-headings", "leave Markdown headings in")
    .option("--keep-speaker <NAME...>", "leave in the turns of a speaker, such as system")
    .option("--keep-marks <OPEN CLOSE...>", "leave in what stands between two marks, and the marks")
    .addOption(textOption("--reader <M>", "GGUF whose vocabulary counts the budget", "a path or an hf: URI"))
    .option("--docs", "the file holds documents: JSON Lines, a JSON array, or one text a line")
    .option("--json", "print one JSON object");
  addWindowOptions(addPassOptions(addPromptOptions(addHeadsOption(addModelOptions(command)))));
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(prune);
}

async function prune(file: string | undefined, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<PruneFlags>();
  const signal = interruptSignal();
  const query = await queryOf(flags, signal);
  const input = await readText(file, flags.docs ?? false, signal);
  const { budget, topK, unit, marker, keepMarks, keepHeadings, keepSpeaker } = flags;
  const threshold = flags.threshold === undefined ? undefined : toNumber("--threshold", flags.threshold);
  if (keepMarks && keepMarks.length !== 2) throw wrongOption("--keep-marks", "two marks", keepMarks.join(" "));

  const bar = await progressBar(flags.quiet ?? false);
  let reader: OpenModel | undefined;
  try {
    const { onProgress } = bar;
    const load = { ...toLoadOptions(flags), ...toPassOptions(flags), maxDocumentTokens: undefined };
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
      ...{ budgetTokens: budget, threshold, topK, unit, marker, signal, onProgress },
      chunk: { by: flags.chunkBy ?? "paragraphs", size: flags.chunkSize ?? 128 },
      protect: { headings: keepHeadings, speakers: keepSpeaker, markers: keepMarks as [string, string] | undefined },
      countTokens: reader?.count,
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

async function readText(
  file: string | undefined,
  docs: boolean,
  signal: AbortSignal,
): Promise<string | RankDocument[]> {
  if (file === undefined)
    throw new InputError("INVALID_ARGUMENT", "Expected a file: pass its name, or - for standard input");
  const bytes = await readInput(file, "Text file", signal);
  const name = file === "-" ? STDIN_NAME : file;
  return docs ? parseDocuments(bytes, name) : decodeText(bytes, name);
}

function toNumber(flag: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw wrongOption(flag, "a number", text);
  return value;
}
