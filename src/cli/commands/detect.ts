import path from "node:path";
import { type Command, Option } from "commander";
import { type DetectedHeadSet, detectHeads } from "../../detect/detect.ts";
import { type DetectionExample, parseExamples } from "../../detect/examples.ts";
import { formatHeadSet } from "../../detect/format.ts";
import { OBJECTIVES, type Objective } from "../../detect/objectives.ts";
import { InputError } from "../../errors.ts";
import { deepestLayer, headKey } from "../../heads/heads.ts";
import { assertWritable, writeWhole } from "../../output-file.ts";
import { exampleBar } from "../example-bar.ts";
import { wrongOption } from "../failure.ts";
import { readInput, STDIN_NAME } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addModelOptions,
  addPassOptions,
  addPromptOptions,
  type CommonFlags,
  choiceOption,
  integerOption,
  type ModelFlags,
  type PassFlags,
  type PromptFlags,
  textOption,
  toLoadOptions,
  toPassOptions,
} from "../options.ts";
import { note, oneLine, print, printJson } from "../output.ts";
import { progressBar } from "../progress.ts";
import { decimalsFor, plainTable } from "../table.ts";

type DetectFlags = CommonFlags &
  ModelFlags &
  PromptFlags &
  PassFlags & {
    examples?: string;
    output?: string;
    objective?: Objective;
    temperature?: number;
    rawMass?: boolean;
    top?: number;
    limit?: number;
    shuffle?: number;
    force?: boolean;
    json?: boolean;
  };

const EXAMPLES = `
Examples: JSON Lines or a JSON array of {"id", "query", "docs": [{"id", "title", "text"}, …], "gold": ["id", …]}, or QRHead's
own files with question, paragraphs and gt_docs. QRHead used 70 and 128. Documents are shown to the model in the order
given: the gold ones should not always stand at the same place.

Objectives: mass rates a head by its calibrated attention on the gold documents, ndcg by nDCG@10 of the ranking that it alone
gives, contrastive (CoRe) by the share of the gold documents in a softmax over attention.

Examples:
  $ qrhead detect --model my.gguf --examples examples.jsonl -o my-heads.json
  $ qrhead detect --model my.gguf --examples examples.jsonl -o my-heads.json --objective contrastive --top 8
  $ qrhead detect --model my.gguf --examples - --limit 70 --shuffle 42 --json < examples.jsonl
  $ qrhead rerank --model my.gguf --heads my-heads.json --query "…" --docs notes.jsonl`;

/** `qrhead detect`: finds the heads of a model that retrieve, and writes them as a head-set file. */
export function registerDetect(program: Command): void {
  const command = program.command("detect").description("find a model's retrieval heads with labelled examples");
  command
    .option("--examples <FILE>", "examples file, - for standard input")
    .addOption(textOption("-o, --output <OUT>", "head-set file to write", "a path"))
    .addOption(choiceOption("--objective <NAME>", "what rates a head (default: mass)", OBJECTIVES))
    .addOption(temperatureOption())
    .option("--raw-mass", "for mass: neither calibrated nor masked, as in the paper's equations")
    .addOption(integerOption("--top <N>", "heads to choose (default: 16)", 1, 2 ** 31))
    .addOption(integerOption("--limit <N>", "use the first N examples, after shuffling (default: all)", 1, 2 ** 31))
    .addOption(integerOption("--shuffle <SEED>", "shuffle the examples by this seed", 0, 2 ** 32 - 1))
    .option("--force", "replace the file if it exists")
    .option("--json", "print the head set instead of a summary");
  addPassOptions(addPromptOptions(addModelOptions(command)));
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(detect);
}

function temperatureOption(): Option {
  return new Option("--temperature <T>", "of the objective contrastive (default: 0.1)").argParser((text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw wrongOption("--temperature", "a number above 0", text);
    return value;
  });
}

async function detect(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<DetectFlags>();
  const {
    output,
    force = false,
    json,
    objective,
    temperature,
    rawMass,
    top,
    limit,
    shuffle,
    prompt,
    nullQuery,
  } = flags;
  if (output === undefined && !json) {
    throw new InputError("INVALID_ARGUMENT", "Expected an output: pass -o FILE, or --json to print the head set");
  }
  if (output !== undefined) await assertWritable(path.resolve(output), force);
  const signal = interruptSignal();
  const examples = await readExamples(flags, signal);

  const bar = await progressBar(flags.quiet ?? false);
  try {
    const set = await detectHeads({
      ...toLoadOptions(flags),
      ...toPassOptions(flags),
      ...{ examples, objective, temperature, rawMass, top, limit, shuffle, prompt, nullQuery, signal },
      sourceName: flags.examples === "-" ? STDIN_NAME : path.basename(flags.examples!),
      ...exampleBar(bar),
    });
    bar.stop();
    if (output !== undefined) await writeWhole(path.resolve(output), formatHeadSet(set), force);
    if (json) return printJson(set);
    print(describeSet(set, output!));
    if (!flags.quiet) note(nextStep(flags));
  } finally {
    bar.stop();
  }
}

async function readExamples({ examples }: DetectFlags, signal: AbortSignal): Promise<DetectionExample[]> {
  if (examples === undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected examples: pass --examples FILE, or --examples - for standard input",
    );
  }
  return parseExamples(await readInput(examples, "Examples file", signal), examples === "-" ? STDIN_NAME : examples);
}

function describeSet({ model, heads, objective, source, prompt, scores }: DetectedHeadSet, output: string): string {
  const deepest = deepestLayer(heads);
  const needed =
    deepest + 1 === model.layers
      ? `all ${model.layers} are needed`
      : `0 to ${deepest} of ${model.layers} are needed: qrhead slim leaves out the rest`;
  const values = heads.map(([layer, head]) => scores[layer]![head]!);
  const decimals = decimalsFor(values);
  const count = `${source.examples} ${source.examples === 1 ? "example" : "examples"}`;
  const rows = heads.map((head, rank) => [String(rank + 1), headKey(head), values[rank]!.toFixed(decimals)]);
  return [
    `${output}: ${heads.length} of ${model.layers * model.heads} heads`,
    `  model   ${oneLine(model.name)} (${model.architecture}, ${model.layers} layers of ${model.heads} heads)`,
    `  found   ${objective}, ${count} of ${oneLine(source.name)}, prompt ${prompt}`,
    `  layers  ${needed}`,
    "",
    plainTable(["Rank", "Head", "Score"], rows, [], [0, 2]),
  ].join("\n");
}

function nextStep({ model, output }: DetectFlags): string {
  const quoted = (text: string) => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const named = model === undefined ? "" : `--model ${quoted(model)} `;
  return `\nNext: qrhead rerank ${named}--heads ${quoted(output!)} --query "…" --docs FILE`;
}
