import path from "node:path";
import type { Command } from "commander";
import { InputError } from "../../errors.ts";
import { type Generator, openGenerator } from "../../eval/answer/generator.ts";
import { isRemote, openRemote } from "../../eval/answer/remote.ts";
import {
  type AnswerProgress,
  type AnswerSummary,
  answerTask,
  listSources,
  summarizeAnswers,
} from "../../eval/answer/run.ts";
import { openShortener } from "../../eval/answer/shorten.ts";
import type { Granularity } from "../../eval/data/longmemeval.ts";
import { type Format, openTask } from "../../eval/data/open.ts";
import { JOURNAL_NAME } from "../../eval/evaluate.ts";
import { Journal, readJournal } from "../../eval/journal.ts";
import { OUTPUTS } from "../../options/command-line.ts";
import { EVALUATING_ANSWERS } from "../../options/evaluating.ts";
import { withoutHeads } from "../../options/model.ts";
import { counted } from "../../util/counted.ts";
import { makeFolder } from "../../util/output-file.ts";
import { timeLeft } from "../example-bar.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addModelOptions,
  addOptions,
  type CommonFlags,
  type ModelFlags,
  toLoadOptions,
} from "../options.ts";
import { print, printJson, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { plainTable } from "../table.ts";

type AnswerFlags = CommonFlags &
  ModelFlags & {
    data?: string;
    results?: string;
    output?: string;
    topK?: number[];
    full?: boolean;
    prune?: number[];
    pruner?: string;
    contextSize?: number;
    withoutHeads?: string;
    judge?: string;
    json?: boolean;
  };

/** Documents that are shown. */
const DEFAULT_TOP_K = [5];

const HELP = {
  everyday: [
    "--data",
    "--results",
    "--model",
    "--top-k",
    "--full",
    "--prune",
    "--judge",
    "--without-heads",
    "--output",
    "--json",
  ],
  examples: [
    "qrhead eval --data clipper --setting clipper -m small.gguf --method bm25 --method qrhead -o results",
    "qrhead eval-answer --data clipper --results results -m large.gguf --top-k 3,5 --full",
    "qrhead eval-answer --data clipper --results results -m large.gguf --top-k 5 --prune 10,25,50 -o pruned",
    "qrhead eval-answer --data clipper --results results -m large.gguf --without-heads heads.json -o without",
  ],
  details: `
The generator gets the documents that a method ranked first, in their own order. A claim counts if the model calls it
true, a pair if it also calls the corrupted twin false. A judge says of each answer to a question whether it says what
the right one says; a server answers OpenAI's chat completions and gets OPENAI_API_KEY if it is set. answers.jsonl in
the results folder keeps the answers, and a stopped run continues. For another generator, context size, judge or
--without-heads, name another folder (-o).`,
};

/** `qrhead eval-answer`: how well a generator answers from what methods retrieved. */
export function registerEvalAnswer(program: Command): void {
  const command = program
    .command("eval-answer")
    .description("measure answers from retrieved documents (CLIPPER, LoCoMo)");
  addOptions(command, [...Object.values(EVALUATING_ANSWERS), withoutHeads, OUTPUTS.json]);
  addHelp(addCommonOptions(addModelOptions(command)), HELP).action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<AnswerFlags>();
  const signal = interruptSignal();
  const { data, results, topK = DEFAULT_TOP_K } = flags;
  if (data === undefined || results === undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected --data PATH and --results DIR of an earlier qrhead eval");
  }
  const { settings, outcomes } = await readJournal(path.join(results, JOURNAL_NAME));
  const methods = Object.keys(settings.methods as Record<string, string>);
  const sources = listSources(methods, topK, flags.full ?? false, flags.prune);
  const granularity = settings.granularity as Granularity | undefined;
  const format = settings.format as Format | undefined;
  await using task = await openTask(data, { depth: 0, granularity, format });
  const pruning = { load: toLoadOptions(flags), signal };
  const load = { ...pruning.load, contextSize: flags.contextSize };
  const bar = await progressBar(flags.quiet ?? false);
  const output = flags.output ?? results;
  await makeFolder(output);
  const journal = await Journal.resume(path.join(output, "answers.jsonl"), {
    ...{ generator: flags.model ?? "built-in", contextSize: flags.contextSize ?? "auto" },
    ...(flags.withoutHeads !== undefined && { withoutHeads: flags.withoutHeads }),
    ...(flags.judge !== undefined && { judge: flags.judge }),
    ...(flags.pruner !== undefined && { pruner: flags.pruner }),
    ...{ task: task.name, results: flags.output === undefined ? "." : path.resolve(results) },
  });
  const began = performance.now();
  try {
    await using generator = await openGenerator(flags.model, { load, signal }, flags.withoutHeads);
    await using other = await openJudge();
    await using shortener = flags.prune && (await openShortener(flags.pruner ?? flags.model, pruning));
    const judge = flags.judge === undefined ? undefined : (other ?? generator);
    const onProgress = ({ done, total, resumed }: AnswerProgress) => {
      const left = timeLeft(performance.now() - began, done - resumed, total - resumed);
      bar.onProgress({ phase: "answer", done, total, note: left });
    };
    await answerTask(task, outcomes, sources, generator, journal, { judge, shortener, signal, onProgress });
    bar.stop();
    const summary = summarizeAnswers(journal.outcomes, sources, 42);
    if (flags.json) printJson(summary);
    else print(answerTable(summary));
    const failed = journal.outcomes.filter(({ error }) => error !== undefined);
    if (failed[0] && !flags.json) {
      const { method, query, error } = failed[0];
      warn(`${counted(failed.length, "answer")} failed and count as wrong; the first, ${method} on ${query}: ${error}`);
    }
  } finally {
    bar.stop();
    journal.close();
  }

  /** Undefined where there is no judge, and where the generator judges itself. */
  async function openJudge(): Promise<Generator | undefined> {
    if (flags.judge === undefined || (flags.judge === flags.model && flags.withoutHeads === undefined))
      return undefined;
    return isRemote(flags.judge) ? openRemote(flags.judge, signal) : openGenerator(flags.judge, { load, signal });
  }
}

function answerTable(summaries: readonly AnswerSummary[]): string {
  const share = (value: { mean: number; low: number; high: number } | null) =>
    value ? `${value.mean.toFixed(3)} (${value.low.toFixed(3)} to ${value.high.toFixed(3)})` : "";
  const rows = summaries.map(({ source, count, accuracy, f1, pairs, judged, malformed, failed }) => {
    const shares = [accuracy, f1, pairs, judged].map(share);
    return [source, String(count), ...shares, String(malformed), String(failed)];
  });
  const columns = ["Source", "answers", "exact", "F1", "pairs", "judged", "malformed", "failed"];
  return plainTable(columns, rows, [], [1, 2, 3, 4, 5, 6, 7]);
}
