import { cpus } from "node:os";
import { readHeadFile } from "../heads/head-file.ts";
import { resolveHeads } from "../heads/spec.ts";
import { loadModel } from "../model/model.ts";
import { hasGpu } from "../native/library.ts";
import type { LoadOptions } from "../options.ts";
import type { Head } from "../types.ts";
import { defaultThreads } from "../util/threads.ts";
import { type BenchSize, benchHeads, Trial, type TrialName, type TrialTime } from "./passes.ts";
import { type BenchReport, medianTime, timeRows } from "./report.ts";

export type BenchOptions = Pick<LoadOptions, "model" | "gpu" | "gpuLayers" | "threads" | "libraryDirectory"> &
  BenchSize & {
    /** A head specification; without one the published set, else 16 heads up to six tenths of the depth. */
    heads?: string | undefined;
    trials: readonly TrialName[];
    /** Rounds that count; one more before them warms up. */
    rounds: number;
    onTrial?: (round: number, name: TrialName, time: TrialTime) => void;
  };

/** Runs the trials interleaved, each once per round, in this process. */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const model = await loadModel(options);
  const trials: Trial[] = [];
  try {
    const heads = chooseHeads(options.heads, model.identity);
    const gpu = options.gpu !== false && options.gpuLayers !== 0 && hasGpu(model.library.info);
    for (const name of options.trials) trials.push(await Trial.create(name, model, { ...options, heads, gpu }));
    const rounds: Partial<Record<TrialName, TrialTime>>[] = [];
    for (let round = 0; round <= options.rounds; round++) {
      const times: Partial<Record<TrialName, TrialTime>> = {};
      for (const trial of trials) {
        times[trial.name] = await trial.run();
        options.onTrial?.(round, trial.name, times[trial.name]!);
      }
      if (round > 0 || options.rounds === 0) rounds.push(times);
    }
    const { documentTokens, queryTokens, nullTokens } = options;
    return {
      model: { name: model.identity.name, layers: model.info.layers, heads: model.info.heads },
      machine: {
        cpu: cpus()[0]?.model.trim() ?? "unknown",
        threads: options.threads ?? defaultThreads(),
        library: model.library.info.version,
        gpu: gpu ? String(model.library.gpu) : false,
      },
      size: { documentTokens, queryTokens, nullTokens },
      rounds: rounds.length,
      medians: Object.fromEntries(
        trials.map(({ name }) => [name, medianTime(rounds.map((round) => round[name]!))]),
      ) as BenchReport["medians"],
      rows: timeRows(rounds),
    };
  } finally {
    for (const trial of trials) await trial.dispose();
    await model.native.dispose();
  }
}

/** The heads of a specification, else the published ones, else some of the usual depth. */
export function chooseHeads(
  spec: string | undefined,
  model: Awaited<ReturnType<typeof loadModel>>["identity"],
): Head[] {
  try {
    return resolveHeads(spec ?? "auto", model, readHeadFile).heads;
  } catch (error) {
    if (spec !== undefined) throw error;
    return benchHeads(model.layers, model.heads);
  }
}
