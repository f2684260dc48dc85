import path from "node:path";
import type { Command } from "commander";
import { removeCheckpoint } from "../../detect/checkpoint.ts";
import { detectWith } from "../../detect/detect.ts";
import { parseExamples } from "../../detect/examples.ts";
import { formatHeadSet } from "../../detect/format.ts";
import { type DetectOptions, parseDetectOptions } from "../../detect/options.ts";
import { InputError } from "../../errors.ts";
import { OUTPUTS } from "../../options/command-line.ts";
import { DETECTING } from "../../options/detecting.ts";
import { SUBMITTING } from "../../options/fleet.ts";
import { assertWritable, writeWhole } from "../../util/output-file.ts";
import { topOption } from "../commands/detect.ts";
import { describeDetected, unratedNote } from "../describe-detected.ts";
import { exampleBar } from "../example-bar.ts";
import { addHelp } from "../help.ts";
import { nameOf, readInput } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addOptions,
  addPassOptions,
  addPromptOptions,
  type PassFlags,
  type PromptFlags,
  toPassOptions,
} from "../options.ts";
import { print, printJson, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { remoteScorer } from "./detect.ts";
import { jobsAtOnce, openClient, type SubmitFlags } from "./options.ts";

type DetectFlags = SubmitFlags &
  PromptFlags &
  PassFlags &
  Pick<DetectOptions, "objective" | "temperature" | "rawMass" | "top" | "fitWeights" | "untilStable" | "skipLong"> &
  Pick<DetectOptions, "limit" | "shuffle" | "seed"> & { headSet?: string; json?: boolean };

const HELP = {
  everyday: ["--redis", "--output", "--head-set", "--top", "--limit", "--resume"],
  examples: [
    "qrhead submit detect --redis redis://127.0.0.1:6379 examples.jsonl -o scores.jsonl --head-set found.json",
  ],
  details: `
Like qrhead detect, with the workers' model. The results are the scores of every example, a --checkpoint of qrhead
detect; the head set is the one that it finds.`,
};

/** `qrhead submit detect`: finds heads with examples that workers read. */
export function registerSubmitDetect(parent: Command): void {
  const command = parent.command("detect").description("find the retrieval heads of the workers' model");
  command.argument("<examples>", "examples file, - for standard input");
  addOptions(command, [...Object.values(SUBMITTING), OUTPUTS.headSet]).addOption(topOption());
  const { objective, temperature, rawMass, fitWeights, untilStable, skipLong, limit, shuffle, seed } = DETECTING;
  addOptions(command, [limit, shuffle, seed, skipLong, objective, temperature, rawMass, fitWeights, untilStable]);
  addOptions(command, [{ ...OUTPUTS.json, says: "print the head set" }]);
  addPassOptions(addPromptOptions(command));
  addHelp(addCommonOptions(command), HELP).action(submit);
}

async function submit(file: string, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<DetectFlags>();
  const signal = interruptSignal();
  const { headSet, force = false, json, quiet = false } = flags;
  if (headSet === undefined && !json) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected an output: pass --head-set FILE, or --json to print the head set",
    );
  }
  if (headSet !== undefined) await assertWritable(path.resolve(headSet), force);
  const resume = (flags.resume ?? false) || (flags.retry ?? false);
  const checkpoint = path.resolve(flags.output);
  if (force && !resume) await removeCheckpoint(checkpoint);
  const { objective, temperature, rawMass, top, fitWeights, untilStable, skipLong, limit, shuffle, seed } = flags;
  const { prompt, nullQuery } = flags;
  const part = { objective, rawMass, prompt, nullQuery, ...toPassOptions(flags) };
  const examples = parseExamples(await readInput(file, "Examples file", signal), nameOf(file));
  const bar = await progressBar(quiet);
  try {
    await using client = await openClient({ ...flags, resume }, signal);
    const parsed = parseDetectOptions({
      ...{ ...part, examples, temperature, top, fitWeights, untilStable, skipLong, limit, shuffle, seed },
      ...{ checkpoint, resume, sourceName: path.basename(nameOf(file)), signal },
      ...exampleBar(bar),
    });
    await using scorer = await remoteScorer(client, part, jobsAtOnce(flags));
    const set = await detectWith(scorer, parsed);
    bar.stop();
    if (headSet !== undefined) {
      await writeWhole(path.resolve(headSet), formatHeadSet(set), { force, shared: true });
    }
    await client.forgetAll();
    const unrated = unratedNote(set);
    if (unrated !== undefined) warn(unrated);
    if (json) printJson(set);
    else print(describeDetected(set, headSet!));
  } finally {
    bar.stop();
  }
}
