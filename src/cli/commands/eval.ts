import path from "node:path";
import type { Command } from "commander";
import { InputError, QRHeadError } from "../../errors.ts";
import { GRANULARITIES, type Granularity } from "../../eval/data/longmemeval.ts";
import { FORMATS, type Format } from "../../eval/data/open.ts";
import { type EvalOptions, evaluate } from "../../eval/evaluate.ts";
import type { Method } from "../../eval/methods/method.ts";
import { parseMethods } from "../../eval/methods/spec.ts";
import { GAINS, type Gain, parseMeasure } from "../../eval/metrics/measures.ts";
import { renderHtml } from "../../eval/report/html.ts";
import type { EvalReport } from "../../eval/report/report.ts";
import { writeTrecFiles } from "../../eval/report/trec.ts";
import { DRAWS, type Draw } from "../../eval/run.ts";
import { findSetting, SETTINGS, type Setting } from "../../eval/settings.ts";
import { writeWhole } from "../../util/output-file.ts";
import { listOption, numbersOption } from "../eval/options.ts";
import { evalTables } from "../eval/table.ts";
import { formatTimeLeft } from "../example-bar.ts";
import { type FuseFlags, fusedMethod, fuseOption } from "../fuse-option.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addRankOptions,
  addWindowOptions,
  type CommonFlags,
  choiceOption,
  integerOption,
  type ModelFlags,
  type RankFlags,
  textOption,
  toLoadOptions,
  toRankLoadOptions,
  toWindowOptions,
  type WindowFlags,
} from "../options.ts";
import { print, printJson, warn } from "../output.ts";
import { type ProgressBar, progressBar } from "../progress.ts";

export type EvalFlags = CommonFlags &
  ModelFlags &
  RankFlags &
  FuseFlags &
  WindowFlags & {
    data?: string[];
    format?: Format;
    split?: string;
    granularity?: Granularity;
    run?: string;
    qrels?: string;
    setting?: string;
    method?: string[];
    heads?: string;
    candidates?: number;
    limit?: number;
    seed?: number;
    draw?: Draw;
    maxDocumentWords?: number;
    permutations?: number;
    measure?: string[];
    gain: Gain;
    baseline?: string;
    jobs: number;
    output?: string;
    resume?: boolean;
    lengths?: number[];
    depths?: number[];
    passageWords?: number;
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

Settings: ${Object.keys(SETTINGS).join(", ")}.`,
};

/** `qrhead eval`: how well methods retrieve, on labelled data. */
export function registerEval(program: Command): void {
  const command = program
    .command("eval")
    .description("measure retrieval and reranking on labelled data, against baselines");
  addMeasuringOptions(command)
    .addOption(integerOption("--jobs <N>", "rankers at once, each with a model of its own", 1, 64).default(1))
    .addOption(
      textOption("-o, --output <DIR>", "folder for results.jsonl, report.json, report.html and TREC runs", "a folder"),
    )
    .option("--resume", "continue the results of the folder");
  addWindowOptions(addRankOptions(addHeadsOption(addModelOptions(command))).addOption(fuseOption()));
  addHelp(addCommonOptions(command), HELP).action(run);
}

/** Options that say what is measured, on what, and how. */
export function addMeasuringOptions(command: Command): Command {
  return command
    .addOption(listOption("--data <PATH>", "folder or file with data; repeatable"))
    .addOption(choiceOption("--format <NAME>", "format of the data (default: recognised)", FORMATS))
    .addOption(textOption("--split <NAME>", "judgements of BEIR's folder qrels (default: test)", "a name"))
    .addOption(choiceOption("--granularity <UNIT>", "what LongMemEval and LoCoMo retrieve", GRANULARITIES))
    .addOption(textOption("--run <FILE>", "TREC run whose documents are the candidates", "a path"))
    .addOption(textOption("--qrels <FILE>", "judgements of a BEIR folder from elsewhere, BEIR's or TREC's", "a path"))
    .addOption(textOption("--setting <NAME>", `a published setting: ${Object.keys(SETTINGS).join(", ")}`, "a name"))
    .addOption(listOption("--method <METHOD>", "how to rank; repeatable (default: bm25 and qrhead)"))
    .addOption(
      integerOption(
        "--candidates <N>",
        "candidates per query; 0 for all of a pool (default: 100 of a corpus)",
        0,
        2 ** 31,
      ),
    )
    .addOption(integerOption("--limit <N>", "draw N queries of each set (default: all)", 1, 2 ** 31))
    .addOption(integerOption("--seed <N>", "seed of all random choices (default: 42)", 0, 2 ** 32 - 1))
    .addOption(choiceOption("--draw <NAME>", "whose generator draws the queries (default: qrhead)", DRAWS))
    .addOption(integerOption("--max-document-words <N>", "cut documents after this many words", 1, 2 ** 31))
    .addOption(integerOption("--permutations <N>", "also rank N permutations of the candidates", 0, 1000))
    .addOption(
      listOption("--measure <NAME>", "such as ndcg@10, recall@5, recall-all@5, p@1, success@1, map, mrr; repeatable"),
    )
    .addOption(choiceOption("--gain <KIND>", "gain of nDCG: grade or 2^grade - 1", GAINS).default("linear", "linear"))
    .addOption(textOption("--baseline <METHOD>", "what the others are tested against (default: the first)", "a method"))
    .addOption(
      numbersOption("--lengths <LIST>", "words of the haystacks, such as 500,1000", {
        min: 1,
        max: 10_000_000,
        whole: true,
      }),
    )
    .addOption(
      numbersOption("--depths <LIST>", "places of the needle from 0 to 1, such as 0,0.5,1", { min: 0, max: 1 }),
    )
    .addOption(integerOption("--passage-words <N>", "words of a haystack's passages (default: 100)", 1, 100_000))
    .option("--json", "print one JSON object");
}

async function run(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<EvalFlags>();
  const signal = interruptSignal();
  const { output, quiet = false } = flags;
  const options = toEvalOptions(flags);
  if (flags.resume && output === undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected the folder to continue: pass -o DIR with --resume");
  }
  const bar = await progressBar(quiet);
  try {
    const report = await evaluate({
      ...options,
      load: { ...toLoadOptions(flags), ...options.load },
      ...{ jobs: flags.jobs, output, resume: flags.resume ?? false, signal },
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
  const { data = [] } = flags;
  if (data.length === 0) throw new InputError("INVALID_ARGUMENT", "Expected data: pass --data FOLDER or --data FILE");
  const setting: Partial<Setting> = flags.setting === undefined ? {} : findSetting(flags.setting);
  const methods = methodsOf(flags);
  return {
    data,
    open: {
      format: flags.format,
      split: flags.split,
      granularity: flags.granularity ?? setting.granularity,
      run: flags.run,
      qrels: flags.qrels,
      depth: flags.candidates ?? setting.candidates ?? 0,
      lengths: flags.lengths,
      depths: flags.depths,
      passageWords: flags.passageWords,
    },
    methods,
    load: {
      ...{ ...toRankLoadOptions(flags), ...toWindowOptions(flags) },
      order: flags.order ?? setting.order ?? ("given" as const),
    },
    measures: (flags.measure ?? setting.measures ?? ["ndcg@10", "recall@10", "mrr"]).map(parseMeasure),
    gain: flags.gain,
    baseline: flags.baseline ?? methods[0]!.name,
    limit: flags.limit ?? setting.limit ?? 0,
    seed: flags.seed ?? setting.seed ?? 42,
    draw: flags.draw ?? setting.draw,
    maxDocumentWords: flags.maxDocumentWords ?? setting.maxDocumentWords ?? 0,
    permutations: flags.permutations ?? setting.permutations ?? 0,
    command: commandLine(),
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
  try {
    await writeWhole(path.join(folder, "report.html"), await renderHtml(report), { force: true });
  } catch (error) {
    // Plots need packages that ranking does not; the figures are in report.json all the same.
    if (!(error instanceof QRHeadError && error.code === "LIBRARY_NOT_FOUND")) throw error;
    warn(error.message);
  }
}

/** Says how many rankings failed, and why the first did. */
export function describeFailures({ failures }: EvalReport): void {
  const first = failures[0];
  if (!first) return;
  const what =
    failures.length === 1
      ? "a ranking failed and counts 0:"
      : `${failures.length} rankings failed and count 0; the first,`;
  warn(`${what} ${first.method} on ${first.query}: ${first.error}`);
}

function commandLine(): string {
  const quoted = process.argv
    .slice(2)
    .map((text) => (/^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`));
  return ["qrhead", ...quoted].join(" ");
}

/** `qrhead` by its heads alone, under its name. */
function alone(spec: string): string {
  return spec.replace(/^\s*([\w.-]+=\s*)?qrhead\s*$/, (_, name = "qrhead=") => `${name}heads`);
}

/** With `--fuse` every method that reads heads is measured fused, too; with `--fuse none` none is by itself. */
function methodsOf({ method: given = ["bm25", "qrhead"], fuse = {} }: EvalFlags): Method[] {
  const specs = fuse.fuse === "none" ? given.map(alone) : given;
  const byHeads = parseMethods(specs).filter(({ spec }) => /^(qrhead|heads|icr|random)\b/.test(spec));
  return parseMethods([...specs, ...byHeads.flatMap(({ name }) => fusedMethod(name, fuse) ?? [])]);
}
