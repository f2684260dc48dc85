import path from "node:path";
import type { Command } from "commander";
import { formatHeadSet } from "../../detect/format.ts";
import type { HiddenFact } from "../../detect/hidden-fact.ts";
import { detectRetrievalHeads } from "../../detect/retrieval-heads.ts";
import { InputError } from "../../errors.ts";
import { headKey } from "../../heads/heads.ts";
import { RETRIEVAL_HEADS } from "../../options/detecting.ts";
import { prompt } from "../../options/model.ts";
import type { PromptName } from "../../prompt/profiles.ts";
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
import { INPUTS, OUTPUTS } from "../own-flags.ts";
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

const HELP = {
  everyday: ["--model", "--text", "--output", "--trials", "--json"],
  examples: [
    "qrhead retrieval-heads -m my.gguf --text book.txt -o wu-heads.json",
    "qrhead retrieval-heads -m my.gguf --text book.txt --lengths 20 --depths 10 --trials wu.json --json",
    'qrhead rerank -m my.gguf --heads wu-heads.json "…" notes.jsonl',
  ],
  details: `
A sentence is hidden in the text at every length and depth, and the model answers a question about it. A head gets a share
of the needle for every token of the answer at which it looks most. It takes a model that answers questions: qrhead detect
needs none, and finds better heads for ranking.`,
};

/** `qrhead retrieval-heads`: finds the heads that copy from a haystack (Wu et al., arXiv 2404.15574). */
export function registerRetrievalHeads(program: Command): void {
  const command = program
    .command("retrieval-heads")
    .description("find the heads that copy from a haystack while the model answers (Wu et al.)");
  const { text, minTokens, maxTokens, lengths, depths, top, threshold } = RETRIEVAL_HEADS;
  const output = { ...OUTPUTS.output, flagSays: "head-set file to write" };
  addOptions(command, [text, INPUTS.needles, output, OUTPUTS.trials]);
  command.addOption(flagOption(prompt, { flagSays: "what stands around the text", shortDefault: "plain" }));
  addOptions(command, [minTokens, maxTokens, lengths, depths, top, threshold, OUTPUTS.force, OUTPUTS.json]);
  addHelp(addCommonOptions(addModelOptions(command)), HELP).action(retrievalHeads);
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
    const { prompt: format, minTokens, maxTokens, lengths, depths, top, threshold } = flags;
    const { heads: _heads, ...load } = toLoadOptions(flags);
    const found = await detectRetrievalHeads({
      ...load,
      ...{ text, facts, sourceName, prompt: format, minTokens, maxTokens, lengths, depths, top, threshold, signal },
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
