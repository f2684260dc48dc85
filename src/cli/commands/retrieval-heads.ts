import path from "node:path";
import type { Command } from "commander";
import { formatHeadSet } from "../../detect/format.ts";
import type { HiddenFact } from "../../detect/hidden-fact.ts";
import { detectRetrievalHeads, type Trial } from "../../detect/retrieval-heads.ts";
import { InputError, QRHeadError } from "../../errors.ts";
import { headKey } from "../../heads/heads.ts";
import { INPUTS, OUTPUTS } from "../../options/command-line.ts";
import { RETRIEVAL_HEADS } from "../../options/detecting.ts";
import { prompt } from "../../options/model.ts";
import type { PromptName } from "../../prompt/profiles.ts";
import { counted } from "../../util/counted.ts";
import { assertWritable, writeWhole } from "../../util/output-file.ts";
import { decodeText } from "../../util/text-file.ts";
import { timeLeft } from "../example-bar.ts";
import { flagOption } from "../flags.ts";
import { addHelp } from "../help.ts";
import { readInput, STDIN_NAME } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addModelOptions,
  addOptions,
  type CommonFlags,
  type ModelFlags,
  toLoadOptions,
} from "../options.ts";
import { note, print, printJson, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { decimalsFor, plainTable } from "../table.ts";

type Flags = CommonFlags &
  ModelFlags & {
    text: string;
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
    without?: string;
    answers?: string;
    force?: boolean;
    json?: boolean;
  };

const HELP = {
  everyday: ["--model", "--text", "--output", "--trials", "--without", "--answers", "--json"],
  examples: [
    "qrhead retrieval-heads -m my.gguf --text book.txt -o wu-heads.json",
    "qrhead retrieval-heads -m my.gguf --text book.txt --lengths 20 --depths 10 --trials wu.json --json",
    'qrhead rerank -m my.gguf --heads wu-heads.json "…" notes.jsonl',
    "qrhead retrieval-heads -m my.gguf --text book.txt --without wu-heads.json --answers without.jsonl",
  ],
  details: `
A sentence is hidden in the text at every length and depth, and the model answers a question about it. A head scores for
every token of the answer that it copies from that sentence. This needs a model that answers questions; qrhead detect does
not, and finds better heads for ranking.

With --without the model reads and answers without these heads. --answers writes each answer with its share of the
needle's words, one line a trial.`,
};

/** `qrhead retrieval-heads`: finds the heads that copy from a haystack (Wu et al., arXiv 2404.15574). */
export function registerRetrievalHeads(program: Command): void {
  const command = program
    .command("retrieval-heads")
    .description("find the heads that copy from a haystack while the model answers (Wu et al.)");
  const { text, minTokens, maxTokens, lengths, depths, top, threshold, withoutHeads } = RETRIEVAL_HEADS;
  const output = { ...OUTPUTS.output, flagSays: "head-set file to write" };
  addOptions(command, [text, INPUTS.needles, output, OUTPUTS.trials, OUTPUTS.answers, withoutHeads]);
  command.addOption(flagOption(prompt, { flagSays: "prompt format", shortDefault: "plain" }));
  addOptions(command, [minTokens, maxTokens, lengths, depths, top, threshold, OUTPUTS.force, OUTPUTS.json]);
  addHelp(addCommonOptions(addModelOptions(command)), HELP).action(retrievalHeads);
}

async function retrievalHeads(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<Flags>();
  const { output, trials, answers, force = false, json, quiet = false, text: file } = flags;
  if (output === undefined && trials === undefined && answers === undefined && !json) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected an output: pass -o FILE, --trials FILE or --answers FILE, or --json to print it",
    );
  }
  for (const one of [output, trials, answers]) if (one !== undefined) await assertWritable(path.resolve(one), force);
  const signal = interruptSignal();
  const sourceName = file === "-" ? STDIN_NAME : path.basename(file);
  const text = decodeText(await readInput(file, "Text file", signal), sourceName);
  const facts = flags.needles === undefined ? undefined : await readNeedles(flags.needles, signal);

  const bar = await progressBar(quiet);
  const tried: Trial[] = [];
  try {
    const began = performance.now();
    const { prompt: format, minTokens, maxTokens, lengths, depths, top, threshold } = flags;
    const { heads: _heads, ...load } = toLoadOptions(flags);
    const found = await detectRetrievalHeads({
      ...load,
      ...{ text, facts, sourceName, prompt: format, minTokens, maxTokens, lengths, depths, top, threshold, signal },
      withoutHeads: flags.without,
      onProgress: bar.onProgress,
      onTrial: (trial, done, total) => {
        tried.push(trial);
        bar.onProgress({ phase: "score", done, total, note: timeLeft(performance.now() - began, done, total) });
      },
    });
    bar.stop();
    if (output !== undefined) await writeWhole(path.resolve(output), formatHeadSet(found.set), { force, shared: true });
    if (trials !== undefined) await writeWhole(path.resolve(trials), `${JSON.stringify(found.trials)}\n`, { force });
    if (answers !== undefined) await writeAnswers(answers, tried, force);
    for (const warning of found.warnings) warn(warning);
    if (json) return printJson(found.set);
    const { heads, scores } = found.set;
    const values = heads.map(([layer, head]) => scores[layer]![head]!);
    const decimals = decimalsFor(values);
    const rows = heads.map((head, rank) => [String(rank + 1), headKey(head), values[rank]!.toFixed(decimals)]);
    print(plainTable(["Rank", "Head", "Score"], rows, [], [0, 2]));
    if (!quiet)
      note(`${found.counted} of ${counted(found.total, "answer")} had more than half of the needle and counted`);
  } catch (error) {
    bar.stop();
    // A model may find nothing without these heads, which is a valid result.
    const isAll = output === undefined && trials === undefined && !json;
    if (answers === undefined || tried.length === 0 || !(error instanceof QRHeadError)) throw error;
    await writeAnswers(answers, tried, force);
    if (!isAll) throw error;
    warn(error.message);
  } finally {
    bar.stop();
  }
}

async function writeAnswers(file: string, tried: readonly Trial[], force: boolean): Promise<void> {
  const lines = tried.map((trial) => `${JSON.stringify(trial)}\n`).join("");
  await writeWhole(path.resolve(file), lines, { force });
}

async function readNeedles(file: string, signal: AbortSignal): Promise<HiddenFact[]> {
  const text = decodeText(await readInput(file, "Needles file", signal), file);
  try {
    return JSON.parse(text) as HiddenFact[];
  } catch (error) {
    throw new InputError("INVALID_INPUT", `${file} is not valid JSON (${(error as Error).message})`, { cause: error });
  }
}
