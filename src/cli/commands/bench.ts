import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { commandRatio, runSelf } from "../../bench/child.ts";
import { TRIALS, type TrialName } from "../../bench/passes.ts";
import type { BenchReport, BenchRow } from "../../bench/report.ts";
import { type BenchOptions, runBench } from "../../bench/run.ts";
import { threadsRow } from "../../bench/threads.ts";
import { OUTPUTS } from "../../options/command-line.ts";
import { BENCHING } from "../../options/evaluating.ts";
import { type FlagsOf, valuesOf } from "../../options/spec.ts";
import { counted } from "../../util/counted.ts";
import { append } from "../../util/extremes.ts";
import { defaultThreads } from "../../util/threads.ts";
import { addHelp } from "../help.ts";
import { heard, interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addOptions,
  type CommonFlags,
  type ModelFlags,
  toLoadOptions,
} from "../options.ts";
import { note, oneLine, print, printJson } from "../output.ts";
import { plainTable } from "../table.ts";

type BenchFlags = CommonFlags &
  ModelFlags &
  FlagsOf<typeof BENCHING, "documentTokens" | "queryTokens" | "rounds"> & { heads?: string; json?: boolean };

/** One trial in a process of its own: what the parent reads back. */
type ChildReport = { report: BenchReport; peakBytes: number };

const NULL_TOKENS = 28;
const ALL_TRIALS = Object.keys(TRIALS) as TrialName[];

const HELP = {
  everyday: ["--model", "--heads", "--document-tokens", "--query-tokens", "--rounds", "--growth", "--json"],
  examples: [
    "qrhead bench",
    "qrhead bench -m Llama-3.2-3B-Instruct-Q4_K_M.gguf --document-tokens 8192 --rounds 3",
    "qrhead bench -m my.gguf --growth --json",
  ],
  details: "Every row is a ratio of two interleaved measurements of one run, the median over the rounds.",
};

/** `qrhead bench`: what reranking costs on this machine, against a plain forward pass of the same tokens. */
export function registerBench(program: Command): void {
  const command = program.command("bench").description("measure speed and memory on this machine");
  addOptions(addHeadsOption(addModelOptions(command)), [...Object.values(BENCHING), OUTPUTS.json]);
  addHelp(addCommonOptions(command), HELP).action(bench);
}

async function bench(_: unknown, command: Command): Promise<void> {
  const flags: BenchFlags = { ...valuesOf(BENCHING), ...command.optsWithGlobals<BenchFlags>() };
  if (flags.trial) {
    const report = await runBench({ ...benchOptions(flags), trials: [flags.trial], rounds: 0 });
    return printJson({ report, peakBytes: peakBytes() } satisfies ChildReport);
  }
  const signal = interruptSignal();
  const report = await heard(
    runBench({ ...benchOptions(flags, signal), trials: ALL_TRIALS, rounds: flags.rounds }),
    signal,
  );
  if (flags.memory) report.rows.push(await memoryRow(flags, signal));
  report.rows.push(await commandRow(flags, signal));
  if (flags.threads === undefined && report.machine.gpu === false) {
    report.rows.push(await heard(threadsRow({ ...benchOptions(flags, signal), rounds: flags.rounds }), signal));
  }
  if (flags.growth) append(report.rows, await heard(growthRows(flags, signal), signal));
  if (flags.json) return printJson(report);
  const { model, machine, size } = report;
  print(
    `${oneLine(model.name)}, ${counted(model.layers, "layer")} of ${counted(model.heads, "head")}; ${size.documentTokens} + ${size.queryTokens} tokens`,
  );
  print(
    `${machine.cpu}, ${counted(machine.threads, "thread")}, llama.cpp ${machine.library}, GPU: ${machine.gpu || "none"}`,
  );
  print(`\n${timesTable(report)}\n\n${ratiosTable(report.rows)}`);
}

function timesTable({ medians }: BenchReport): string {
  const rows = ALL_TRIALS.filter((name) => medians[name]).map((name) => {
    const { prefillMs, nullMs, queryMs, totalMs } = medians[name]!;
    return [name, ...[prefillMs, nullMs, queryMs, totalMs].map((ms) => ms.toFixed(0)), TRIALS[name]];
  });
  return plainTable(["ms", "documents", "null", "query", "total", ""], rows, [], [1, 2, 3, 4]);
}

function ratiosTable(rows: readonly BenchRow[]): string {
  const shown = rows.map(({ name, value, limit }) => {
    const verdict = limit === null ? "" : value <= limit ? `at most ${limit}: yes` : `at most ${limit}: NO`;
    return [name, value.toFixed(3), verdict];
  });
  return plainTable(["ratio", "", "goal"], shown, [], [1]);
}

function benchOptions(flags: BenchFlags, signal?: AbortSignal): Omit<BenchOptions, "trials" | "rounds"> {
  const { model, gpu, gpuLayers, threads, libraryDirectory } = toLoadOptions(flags);
  return {
    ...{ model, gpu, gpuLayers, threads, libraryDirectory },
    heads: flags.heads,
    documentTokens: flags.documentTokens,
    queryTokens: flags.queryTokens,
    nullTokens: NULL_TOKENS,
    onTrial: (round, name, time) => {
      // A trial that was running at Ctrl+C may end after it.
      if (!flags.quiet && !signal?.aborted)
        note(`${round === 0 ? "warm-up" : `round ${round}`} ${name}: ${Math.round(time.totalMs)} ms`);
    },
  };
}

async function memoryRow(flags: BenchFlags, signal: AbortSignal): Promise<BenchRow> {
  const peak = async (trial: TrialName) => (await runSelf<ChildReport>(childArgs(flags, trial), signal)).peakBytes;
  const plain = await peak("plain");
  return { name: "peak memory of rerank / plain decode", value: (await peak("rerank")) / plain, limit: 1.05 };
}

async function commandRow(flags: BenchFlags, signal: AbortSignal): Promise<BenchRow> {
  const value = await commandRatio({
    model: flags.model,
    gpu: flags.gpu ?? "auto",
    heads: flags.heads ?? "random:16:1",
    threads: flags.threads ?? defaultThreads(),
    words: Math.round(flags.documentTokens * 0.7),
    signal,
  });
  return { name: "the command / its engine calls", value, limit: 1.02 };
}

async function growthRows(flags: BenchFlags, signal: AbortSignal): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const factor of [0.25, 1, 4]) {
    const documentTokens = Math.round(flags.documentTokens * factor);
    const { medians } = await runBench({
      ...benchOptions({ ...flags, documentTokens }, signal),
      trials: ["plain", "rerank"],
      rounds: 1,
    });
    const { plain, rerank } = medians;
    rows.push({
      name: `rerank / plain decode, ${documentTokens} tokens`,
      value: rerank!.totalMs / plain!.totalMs,
      limit: null,
    });
    rows.push({
      name: `rerank, ms per 1000 tokens of ${documentTokens}`,
      value: (rerank!.totalMs / documentTokens) * 1000,
      limit: null,
    });
  }
  return rows;
}

function childArgs(flags: BenchFlags, trial: TrialName): string[] {
  const optional = (name: string, value: string | number | undefined) =>
    value === undefined ? [] : [name, String(value)];
  return [
    "bench",
    ...optional("--trial", trial),
    ...optional("--model", flags.model),
    ...optional("--gpu", flags.gpu),
    ...optional("--gpu-layers", flags.gpuLayers),
    ...optional("--threads", flags.threads),
    ...optional("--library", flags.library),
    ...optional("--heads", flags.heads),
    ...optional("--document-tokens", flags.documentTokens),
    ...optional("--query-tokens", flags.queryTokens),
    "--quiet",
  ];
}

/** Peak resident memory of this process. Linux counts from exec there; elsewhere Node's own figure serves. */
function peakBytes(): number {
  if (process.platform === "linux") {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (match) return Number(match[1]) * 1024;
  }
  return process.resourceUsage().maxRSS * 1024;
}
