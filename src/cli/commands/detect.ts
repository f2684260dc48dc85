import { existsSync } from "node:fs";
import path from "node:path";
import type { Command, Option } from "commander";
import { BEGIN_ANEW, removeCheckpoint } from "../../detect/checkpoint.ts";
import { FEWER_DOCUMENTS } from "../../detect/collect.ts";
import { detectHeads } from "../../detect/detect.ts";
import { formatHeadSet } from "../../detect/format.ts";
import type { Objective } from "../../detect/objectives.ts";
import { InputError, isQRHeadError } from "../../errors.ts";
import { INPUTS, OUTPUTS } from "../../options/command-line.ts";
import { BOOTSTRAPPING, DETECTING } from "../../options/detecting.ts";
import { counted } from "../../util/counted.ts";
import { assertWritable, writeWhole } from "../../util/output-file.ts";
import { describeDetected, unratedNote } from "../describe-detected.ts";
import { readSource, type SourceFlags } from "../detect-source.ts";
import { exampleBar } from "../example-bar.ts";
import { wrongOption } from "../failure.ts";
import { flagExpected, flagOption } from "../flags.ts";
import { formatPlot } from "../head-plot.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addModelOptions,
  addOptions,
  addPassOptions,
  addPromptOptions,
  type CommonFlags,
  type ModelFlags,
  type PassFlags,
  type PromptFlags,
  toLoadOptions,
  toPassOptions,
} from "../options.ts";
import { note, oneLine, print, printJson, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { shellWords } from "../shell-words.ts";

type DetectFlags = CommonFlags &
  ModelFlags &
  PromptFlags &
  PassFlags &
  SourceFlags & {
    output?: string;
    plot?: string;
    objective?: Objective;
    temperature?: number;
    rawMass?: boolean;
    top?: number | "auto";
    fitWeights?: boolean;
    untilStable?: number;
    shuffle?: number;
    skipLong?: boolean;
    checkpoint?: string;
    resume?: boolean;
    force?: boolean;
    json?: boolean;
  };

const HELP = {
  everyday: ["--model", "--output", "--examples", "--bootstrap", "--top", "--plot", "--force", "--json"],
  examples: [
    "qrhead detect -m my.gguf --examples examples.jsonl -o my-heads.json",
    "qrhead detect -m my.gguf notes/ -o my-heads.json --plot my-heads.html --force",
    'qrhead rerank -m my.gguf --heads my-heads.json "…" notes.jsonl',
    "qrhead detect -m my.gguf --examples examples.jsonl -o my-heads.json --resume --force",
    "qrhead detect -m my.gguf --examples examples.jsonl -o my-heads.json --objective ndcg --top auto --fit-weights",
    "qrhead detect -m my.gguf --examples - --limit 70 --shuffle 42 --json < examples.jsonl",
  ],
  details: `
Examples: JSON Lines or a JSON array of {"id", "query", "docs": [{"id", "title", "text"}, …], "gold": ["id", …]}, or QRHead's
own files with question, paragraphs and gt_docs. QRHead used 70 and 128. Documents keep their order in the prompt, so
vary the place of the gold ones.

No examples? --bootstrap makes them from text: your own, or a small English one that comes with qrhead. Files named as
arguments are examples if they end in .json or .jsonl, else text to make examples from.

Objectives: mass rates a head by its calibrated attention on the gold documents, ndcg by nDCG@10 of the ranking that it alone
gives, contrastive (CoRe) by the share of the gold documents in a softmax over attention.`,
};

/** `qrhead detect`: finds the heads of a model that retrieve, and writes them as a head-set file. */
export function registerDetect(program: Command): void {
  const command = program
    .command("detect")
    .description("find a model's retrieval heads, with labelled examples or without");
  command.argument("[files...]", "examples, or texts and folders to make some from");
  const { objective, temperature, rawMass, fitWeights, untilStable, skipLong, seed, checkpoint } = DETECTING;
  const output = { ...OUTPUTS.output, flagSays: "head-set file to write" };
  addOptions(command, [output, INPUTS.examples, INPUTS.bootstrap]).addOption(topOption());
  addOptions(command, [OUTPUTS.plot]);
  addOptions(command, [
    BOOTSTRAPPING.needle,
    BOOTSTRAPPING.documents,
    DETECTING.limit,
    DETECTING.shuffle,
    seed,
    skipLong,
  ]);
  addOptions(command, [objective, temperature, rawMass, fitWeights, untilStable, checkpoint, DETECTING.resume]);
  addOptions(command, [{ ...OUTPUTS.force, says: "replace the file if it exists, and start over" }, OUTPUTS.json]);
  addPassOptions(addPromptOptions(addModelOptions(command)));
  addHelp(addCommonOptions(command), HELP).action(detect);
}

/** `--top`, a number or auto. */
export function topOption(): Option {
  const spec = DETECTING.top;
  return flagOption(spec).argParser((text) => {
    const value = /^\d+$/.test(text) ? Number(text) : text;
    if (!spec.accepts!(value)) throw wrongOption("--top", flagExpected(spec), text);
    return value;
  });
}

async function detect(files: string[], _: unknown, command: Command): Promise<void> {
  const flags: DetectFlags = { ...command.optsWithGlobals<DetectFlags>(), files };
  const { output, plot, force = false, resume = false, json, signal } = { ...flags, signal: interruptSignal() };
  if (output === undefined && !json) {
    throw new InputError("INVALID_ARGUMENT", "Expected an output: pass -o FILE, or --json to print the head set");
  }
  for (const file of [output, plot]) if (file !== undefined) await assertWritable(path.resolve(file), force);
  const { prompt, nullQuery } = flags;
  const load = { ...toLoadOptions(flags), ...toPassOptions(flags), prompt, nullQuery, signal };
  const { examples, sourceName } = await readSource(flags, load);
  const checkpoint = flags.checkpoint ?? (output === undefined ? undefined : `${output}.checkpoint.jsonl`);
  if (resume && checkpoint === undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected a checkpoint to resume: pass -o FILE or --checkpoint FILE");
  }
  if (checkpoint !== undefined && force && !resume) await removeCheckpoint(checkpoint);

  const bar = await progressBar(flags.quiet ?? false);
  try {
    const { objective, temperature, rawMass, top, fitWeights, untilStable, skipLong } = flags;
    const { limit, shuffle, seed } = flags;
    const set = await detectHeads({
      ...load,
      ...{ examples, objective, temperature, rawMass, top, fitWeights, untilStable, skipLong, limit, shuffle, seed },
      ...{ sourceName, checkpoint, resume },
      ...exampleBar(bar),
    });
    bar.stop();
    if (output !== undefined) await writeWhole(path.resolve(output), formatHeadSet(set), { force, shared: true });
    if (plot !== undefined)
      await writeWhole(path.resolve(plot), await formatPlot(set, path.basename(output ?? sourceName), plot), {
        force,
        shared: true,
      });
    // Keep a checkpoint that the user named, since more examples can extend it, and one that another process uses.
    if (checkpoint !== undefined && flags.checkpoint === undefined) await removeCheckpoint(checkpoint).catch(() => {});
    const { length: found } = set.scores.flat();
    if (typeof top === "number" && top > found)
      warn(`The model has only ${counted(found, "head")}, fewer than the ${top} requested: all are written`);
    const unrated = unratedNote(set);
    if (unrated !== undefined) warn(unrated);
    if (json) return printJson(set);
    print(describeDetected(set, output!));
    if (!flags.quiet) note(nextStep(flags));
  } catch (error) {
    if (signal.aborted && checkpoint !== undefined && existsSync(checkpoint) && !flags.quiet) {
      bar.stop();
      note(oneLine(`The scores so far are kept in ${checkpoint}: continue with --resume`));
    }
    throw reworded(error, flags.bootstrap !== undefined);
  } finally {
    bar.stop();
  }
}

/** Advice of the library for which this command has a switch. */
function reworded(error: unknown, bootstrap: boolean): unknown {
  if (!isQRHeadError(error) || error.advice === undefined) return error;
  const anew = error.advice.replace(BEGIN_ANEW, "start over with --force");
  const advice = bootstrap ? anew.replace(FEWER_DOCUMENTS, "fewer --documents") : anew;
  error.message = error.message.slice(0, -error.advice.length) + advice;
  return Object.assign(error, { advice });
}

function nextStep({ model, output }: DetectFlags): string {
  const named = model === undefined ? [] : ["--model", model];
  return `\nNext: qrhead rerank ${shellWords([...named, "--heads", output!])} "…" FILE`;
}
