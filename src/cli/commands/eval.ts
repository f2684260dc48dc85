import path from "node:path";
import type { Command } from "commander";
import { InputError } from "../../errors.ts";
import { evaluate } from "../../eval/evaluate.ts";
import type { Method } from "../../eval/methods/method.ts";
import { parseMethods } from "../../eval/methods/spec.ts";
import type { EvalOptions } from "../../eval/options.ts";
import { renderHtml } from "../../eval/report/html.ts";
import type { EvalReport } from "../../eval/report/report.ts";
import { writeTrecFiles } from "../../eval/report/trec.ts";
import { SETTING_NAMES } from "../../options/choices.ts";
import { OUTPUTS } from "../../options/command-line.ts";
import { EVALUATING } from "../../options/evaluating.ts";
import { writeWhole } from "../../util/output-file.ts";
import { evalTables } from "../eval/table.ts";
import { formatTimeLeft } from "../example-bar.ts";
import { type FuseFlags, fusedMethod, fuseOption } from "../fuse-option.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addOptions,
  addRankOptions,
  addWindowOptions,
  type CommonFlags,
  type ModelFlags,
  type RankFlags,
  toLoadOptions,
  toRankLoadOptions,
  toWindowOptions,
  type WindowFlags,
  withFlag,
} from "../options.ts";
import { print, printJson, warn } from "../output.ts";
import { type ProgressBar, progressBar } from "../progress.ts";
import { shellWords } from "../shell-words.ts";

export type EvalFlags = CommonFlags &
  ModelFlags &
  RankFlags &
  FuseFlags &
  WindowFlags &
  // As commander gives them: an option that was left out is undefined or missing.
  Partial<Omit<EvalOptions, "data" | "methods" | "measures" | "load" | "signal" | "onOutcome">> & {
    data: string[];
    method?: string[];
    heads?: string;
    measure?: string[];
    json?: boolean;
  };

const HELP = {
  everyday: [
    "--data",
    "--method",
    "--model",
    "--setting",
    "--candidates",
    "--limit",
    "--measure",
    "--output",
    "--json",
  ],
  examples: [
    "qrhead eval --data beir/scifact --candidates 10 --limit 40 --max-document-tokens 160 --method bm25 --method qrhead",
    "qrhead eval --data beir/nfcorpus --setting beir -m M.gguf --method bm25 --method qrhead --method icr -o results",
    "qrhead eval --data beir/nfcorpus --setting beir -m M.gguf --method bm25 --method qrhead --method icr -o results --resume",
    "qrhead eval --data longmemeval_s.json --setting longmemeval -m M.gguf --method qrhead",
  ],
  details: `
Data: BEIR folders (corpus and queries, .jsonl or .tsv, and qrels), pools (JSON Lines of query, docs and gold, or QRHead's
own files), LongMemEval, LoCoMo, CLIPPER, folders of needles and essays; .gz is read. Every method ranks the same
candidates: BM25's best, those of a TREC run (--run), or all documents of a pool.

Methods: first-stage, bm25, bm25:light, qrhead, heads, qrhead:HEADS, icr, random:N:SEED, rankgpt, cross-encoder:MODEL, dense:MODEL,
rrf(A,B), NAME=METHOD.

Settings: ${SETTING_NAMES.join(", ")}.`,
};

/** `qrhead eval`: how well methods retrieve, on labelled data. */
export function registerEval(program: Command): void {
  const command = program
    .command("eval")
    .description("measure retrieval and reranking on labelled data, against baselines");
  const { jobs, output, resume } = EVALUATING;
  addOptions(addMeasuringOptions(command), [jobs, output, resume]);
  addWindowOptions(addRankOptions(addHeadsOption(addModelOptions(command))).addOption(fuseOption()));
  addHelp(addCommonOptions(command), HELP).action(run);
}

/** Options that say what is measured, on what, and how. */
export function addMeasuringOptions(command: Command): Command {
  const { load: _, inOrder: __, journal: ___, jobs, output, resume, ...measuring } = EVALUATING;
  return addOptions(command, [...withFlag(measuring), OUTPUTS.json]);
}

async function run(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<EvalFlags>();
  const signal = interruptSignal();
  const { output, quiet = false } = flags;
  const options = toEvalOptions(flags);
  if (flags.resume && output === undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected a folder to resume: pass -o DIR with --resume");
  }
  const bar = await progressBar(quiet);
  try {
    const report = await evaluate({
      ...options,
      load: { ...toLoadOptions(flags), ...options.load },
      ...{ jobs: flags.jobs, output, resume: flags.resume, signal },
      onOutcome: showOutcomes(bar),
    });
    bar.stop();
    if (output !== undefined) await writeReport(report, output);
    showReport(report, flags);
  } finally {
    bar.stop();
  }
}

/** What the flags say of an evaluation, but for what runs it and where its results go. */
export function toEvalOptions(flags: EvalFlags) {
  const { data, method: _, measure: measures, order } = flags;
  const { format, split, granularity, run, qrels, setting, candidates, limit, seed, draw, maxDocumentWords } = flags;
  const { permutations, gain, baseline, lengths, depths, passageWords } = flags;
  return {
    ...{ data, format, split, granularity, run, qrels, setting, candidates, limit, seed, draw, maxDocumentWords },
    ...{ permutations, measures, gain, baseline, lengths, depths, passageWords },
    methods: methodsOf(flags),
    load: { ...toRankLoadOptions(flags), ...toWindowOptions(flags), order },
    command: shellWords(["qrhead", ...process.argv.slice(2)]),
  };
}

/** Shows on the bar what is done and how long the rest takes. */
export function showOutcomes(bar: ProgressBar): NonNullable<EvalOptions["onOutcome"]> {
  return ({ task, method }, { done, total, left }) => {
    const time = `${left.atLeast ? "more than " : ""}${formatTimeLeft(left.ms)}`;
    bar.onProgress({ phase: "rank", done, total, note: `${task} ${method} ${time}` });
  };
}

/** Prints a report: the tables, or one JSON object. */
export function showReport(report: EvalReport, { json }: Pick<EvalFlags, "json">): void {
  if (json) {
    printJson(report);
    return;
  }
  print(evalTables(report));
  describeFailures(report);
}

/** Writes a report into a folder: its figures, a page, and TREC runs. */
export async function writeReport(report: EvalReport, folder: string): Promise<void> {
  await writeWhole(path.join(folder, "report.json"), `${JSON.stringify(report)}\n`, { force: true });
  await writeTrecFiles(report, folder);
  await writeWhole(path.join(folder, "report.html"), await renderHtml(report), { force: true });
}

export function describeFailures({ failures }: EvalReport): void {
  const first = failures[0];
  if (!first) return;
  const what =
    failures.length === 1
      ? "a ranking failed and counts 0:"
      : `${failures.length} rankings failed and count 0; the first,`;
  warn(`${what} ${first.method} on ${first.query}: ${first.error}`);
}

/** `qrhead` by its heads alone, under its name. */
function alone(spec: string): string {
  return spec.replace(/^\s*([\w.-]+=\s*)?qrhead\s*$/, (_, name = "qrhead=") => `${name}heads`);
}

/** With `--fuse` every method that reads heads is also measured fused; with `--fuse none` no method fuses on its own. */
function methodsOf({ method: given = ["bm25", "qrhead"], fuse = {} }: EvalFlags): Method[] {
  const specs = fuse.fuse === "none" ? given.map(alone) : given;
  const byHeads = parseMethods(specs).filter(({ spec }) => /^(qrhead|heads|icr|random)\b/.test(spec));
  return parseMethods([...specs, ...byHeads.flatMap(({ name }) => fusedMethod(name, fuse) ?? [])]);
}
