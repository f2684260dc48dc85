import path from "node:path";
import type { Command } from "commander";
import { formatHeadSet } from "../../detect/format.ts";
import type { HiddenFact } from "../../detect/hidden-fact.ts";
import { detectRetrievalHeads } from "../../detect/retrieval-heads.ts";
import { InputError } from "../../errors.ts";
import { headKey } from "../../heads/heads.ts";
import { PROMPT_NAMES, type PromptName } from "../../prompt/profiles.ts";
import { assertWritable, writeWhole } from "../../util/output-file.ts";
import { decodeText } from "../../util/text-file.ts";
import { timeLeft } from "../example-bar.ts";
import { readInput, STDIN_NAME } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addModelOptions,
  type CommonFlags,
  choiceOption,
  integerOption,
  type ModelFlags,
  numberOption,
  textOption,
  toLoadOptions,
} from "../options.ts";
import { note, print, printJson, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { decimalsFor, plainTable } from "../table.ts";

type Flags = CommonFlags &
  ModelFlags & {
    text?: string;
    needles?: string;
    output?: string;
    trials?: string;
    prompt?: PromptName;
    minTokens?: number;
    maxTokens?: number;
    lengths?: number;
    depths?: number;
    top?: number;
    threshold?: number;
    force?: boolean;
    json?: boolean;
  };

const EXAMPLES = `
A sentence is hidden in the text at every length and depth, and the model answers a question about it. A head gets a share
of the needle for every token of the answer at which it looks most. It takes a model that answers questions: qrhead detect
needs none, and finds better heads for ranking.

Examples:
  $ qrhead retrieval-heads --model my.gguf --text book.txt -o wu-heads.json
  $ qrhead retrieval-heads --model my.gguf --text book.txt --lengths 20 --depths 10 --trials wu.json --json
  $ qrhead rerank --model my.gguf --heads wu-heads.json --query "…" --docs notes.jsonl`;

/** `qrhead retrieval-heads`: finds the heads that copy from a haystack (Wu et al., arXiv 2404.15574). */
export function registerRetrievalHeads(program: Command): void {
  const command = program
    .command("retrieval-heads")
    .description("find the heads that copy from a haystack while the model answers (Wu et al.)");
  command
    .option("--text <FILE>", "the haystack: a long text, - for standard input")
    .option("--needles <FILE>", 'a JSON array of {"needle", "question"} (default: three that ship with qrhead)')
    .addOption(textOption("-o, --output <OUT>", "head-set file to write", "a path"))
    .addOption(
      textOption("--trials <OUT>", 'file for {"layer-head": [score per trial]}, as Wu et al. publish', "a path"),
    )
    .addOption(choiceOption("--prompt <NAME>", "what stands around the text (default: plain)", PROMPT_NAMES))
    .addOption(integerOption("--min-tokens <N>", "the shortest haystack (default: 512)", 16, 2 ** 31))
    .addOption(
      integerOption("--max-tokens <N>", "the longest (default: 5000, or what model and text have)", 16, 2 ** 31),
    )
    .addOption(integerOption("--lengths <N>", "how many lengths (default: 5)", 1, 1000))
    .addOption(integerOption("--depths <N>", "how many depths (default: 5)", 1, 1000))
    .addOption(integerOption("--top <N>", "heads to choose at most (default: 16)", 1, 2 ** 31))
    .addOption(
      numberOption(
        "--threshold <X>",
        "least score of a head, such as Wu et al.'s 0.1 (default: anything above 0)",
        "a number from 0 to 1",
        (value) => value >= 0 && value <= 1,
      ),
    )
    .option("--force", "replace files that exist")
    .option("--json", "print the head set instead of a summary");
  addCommonOptions(addModelOptions(command)).addHelpText("after", EXAMPLES).action(retrievalHeads);
}

async function retrievalHeads(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<Flags>();
  const { output, trials, force = false, json, quiet = false, text: file } = flags;
  if (file === undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected a text: pass --text FILE, or --text - for standard input");
  }
  if (output === undefined && trials === undefined && !json) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected an output: pass -o FILE or --trials FILE, or --json to print it",
    );
  }
  for (const one of [output, trials]) if (one !== undefined) await assertWritable(path.resolve(one), force);
  const signal = interruptSignal();
  const sourceName = file === "-" ? STDIN_NAME : path.basename(file);
  const text = decodeText(await readInput(file, "Text file", signal), sourceName);
  const facts = flags.needles === undefined ? undefined : await readNeedles(flags.needles, signal);

  const bar = await progressBar(quiet);
  try {
    const began = performance.now();
    const { prompt, minTokens, maxTokens, lengths, depths, top, threshold } = flags;
    const { heads: _heads, ...load } = toLoadOptions(flags);
    const found = await detectRetrievalHeads({
      ...load,
      ...{ text, facts, sourceName, prompt, minTokens, maxTokens, lengths, depths, top, threshold, signal },
      onProgress: bar.onProgress,
      onTrial: (_trial, done, total) =>
        bar.onProgress({ phase: "score", done, total, note: timeLeft(performance.now() - began, done, total) }),
    });
    bar.stop();
    if (output !== undefined) await writeWhole(path.resolve(output), formatHeadSet(found.set), { force, shared: true });
    if (trials !== undefined) await writeWhole(path.resolve(trials), `${JSON.stringify(found.trials)}\n`, { force });
    for (const warning of found.warnings) warn(warning);
    if (json) return printJson(found.set);
    const { heads, scores } = found.set;
    const values = heads.map(([layer, head]) => scores[layer]![head]!);
    const decimals = decimalsFor(values);
    const rows = heads.map((head, rank) => [String(rank + 1), headKey(head), values[rank]!.toFixed(decimals)]);
    print(plainTable(["Rank", "Head", "Score"], rows, [], [0, 2]));
    if (!quiet) note(`${found.counted} of ${found.total} answers had more than half of the needle and counted`);
  } finally {
    bar.stop();
  }
}

async function readNeedles(file: string, signal: AbortSignal): Promise<HiddenFact[]> {
  const text = decodeText(await readInput(file, "Needles file", signal), file);
  try {
    return JSON.parse(text) as HiddenFact[];
  } catch (error) {
    throw new InputError("INVALID_INPUT", `${file} is not valid JSON (${(error as Error).message})`, { cause: error });
  }
}
