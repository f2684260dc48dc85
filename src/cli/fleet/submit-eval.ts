import { rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import { InputError } from "../../errors.ts";
import { evaluate } from "../../eval/evaluate.ts";
import { OneSetup } from "../../fleet/setup.ts";
import { OUTPUTS } from "../../options/command-line.ts";
import { SUBMITTING } from "../../options/fleet.ts";
import { assertWritable, makeFolder } from "../../util/output-file.ts";
import {
  addMeasuringOptions,
  type EvalFlags,
  showOutcomes,
  showReport,
  toEvalOptions,
  writeReport,
} from "../commands/eval.ts";
import { fuseOption } from "../fuse-option.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, addHeadsOption, addOptions, addRankOptions, addWindowOptions } from "../options.ts";
import { progressBar } from "../progress.ts";
import { describeWorker, remoteMethod } from "./eval.ts";
import { jobsAtOnce, openClient, type SubmitFlags } from "./options.ts";

type Flags = EvalFlags & SubmitFlags & { report?: string };

const HELP = {
  everyday: ["--redis", "--output", "--data", "--method", "--setting", "--limit", "--report", "--resume"],
  examples: [
    "qrhead submit eval --redis redis://127.0.0.1:6379 --data beir/scifact --method bm25 --method qrhead -o results.jsonl",
  ],
  details: `
Like qrhead eval, with the model on the workers: candidates, first-stage methods and measures are computed here. The figures
are those of one process, to the last digit if the workers have the same kind of processor and number of threads.`,
};

/** `qrhead submit eval`: an evaluation whose model is on workers. */
export function registerSubmitEval(parent: Command): void {
  const command = parent.command("eval").description("measure retrieval and reranking on labelled data");
  addOptions(addMeasuringOptions(addOptions(command, Object.values(SUBMITTING))), [OUTPUTS.report]);
  addWindowOptions(addRankOptions(addHeadsOption(command)).addOption(fuseOption()));
  addHelp(addCommonOptions(command), HELP).action(submit);
}

async function submit(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<Flags>();
  const signal = interruptSignal();
  const { report: folder, force = false, quiet = false } = flags;
  const resume = (flags.resume ?? false) || (flags.retry ?? false);
  const { methods, ...options } = toEvalOptions(flags);
  const journal = path.resolve(flags.output);
  await prepare(journal, { resume, force });
  await using client = await openClient({ ...flags, resume }, signal);
  const bar = await progressBar(quiet);
  try {
    const { heads } = flags;
    const setup = await describeWorker(client);
    const setups = new OneSetup();
    const report = await evaluate({
      ...options,
      methods: methods.map((method) => remoteMethod(method, client, setups)),
      load: { ...options.load, ...(heads !== undefined && { heads }) },
      model: { ...setup },
      ...{ jobs: jobsAtOnce(flags), inOrder: true, journal, resume, signal },
      onOutcome: showOutcomes(bar),
    });
    bar.stop();
    await client.forgetAll();
    if (folder !== undefined) {
      await makeFolder(folder);
      await writeReport(report, folder);
    }
    showReport(report, flags);
  } finally {
    bar.stop();
  }
}

async function prepare(journal: string, { resume, force }: { resume: boolean; force: boolean }): Promise<void> {
  if (resume || !(await stat(journal).catch(() => undefined))) return;
  if (!force) {
    throw new InputError("INVALID_INPUT", `Results ${journal} exist`, {
      advice: "continue with --resume, start over with --force, or choose another name",
    });
  }
  await assertWritable(journal, true);
  await rm(journal);
}
