import { availableParallelism } from "node:os";
import { loadModel } from "../model/model.ts";
import { defaultThreads, watchProcessors } from "../util/threads.ts";
import { Trial } from "./passes.ts";
import { type BenchRow, median } from "./report.ts";
import { type BenchOptions, chooseHeads } from "./run.ts";

/**
 * The time of the default number of threads over that of the best number, at the current load of the processors. 1, 2, 4
 * and 8 threads and the default take turns, each once per round.
 */
export async function threadsRow(options: Omit<BenchOptions, "trials">): Promise<BenchRow> {
  watchProcessors();
  const model = await loadModel(options);
  const trials = new Map<number, Trial>();
  try {
    const heads = chooseHeads(options.heads, model.identity);
    const usual = defaultThreads();
    const counts = new Set([1, 2, 4, 8, usual].filter((count) => count <= Math.max(usual, availableParallelism())));
    for (const threads of counts)
      trials.set(threads, await Trial.create("rerank", model, { ...options, heads, threads, gpu: false }));
    const rounds: Map<number, number>[] = [];
    for (let round = 0; round <= options.rounds; round++) {
      const times = new Map<number, number>();
      for (const [threads, trial] of trials) times.set(threads, (await trial.run()).totalMs);
      if (round > 0 || options.rounds === 0) rounds.push(times);
    }
    const mid = (threads: number) => median(rounds.map((times) => times.get(threads)!));
    const best = [...counts].reduce((least, threads) => (mid(threads) < mid(least) ? threads : least));
    const value = median(rounds.map((times) => times.get(usual)! / times.get(best)!));
    return { name: `default threads (${usual}) / the best number (${best})`, value, limit: 1.2 };
  } finally {
    for (const trial of trials.values()) await trial.dispose();
    await model.native.dispose();
  }
}
