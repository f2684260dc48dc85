import { stat } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import path from "node:path";
import { InputError } from "../errors.ts";
import { findModelFile } from "../model/model-file.ts";
import { makeFolder } from "../util/output-file.ts";
import { openTask } from "./data/open.ts";
import { Estimate } from "./estimate.ts";
import { Journal, type RunSettings } from "./journal.ts";
import type { MethodContext } from "./methods/method.ts";
import { type EvalOptions, type EvalProgress, type Evaluation, parseEvalOptions } from "./options.ts";
import { type EvalReport, makeReport } from "./report/report.ts";
import { checkMethods, countOutcomes, drawTopics, type RunOptions, runTask } from "./run.ts";
import type { TaskFacts } from "./summary.ts";
import type { Task } from "./types.ts";

/** Name of the journal in a results folder. */
export const JOURNAL_NAME = "results.jsonl";

/**
 * Ranks every task by every method and reports. Several tasks are opened one after another, so that memory holds one index.
 * Before that each is opened once, to find mistakes and to count. A single task stays open.
 *
 * @throws InputError for wrong data, methods or models, and where the folder has results and `resume` is not set.
 * @example
 * const report = await evaluate({ data: ["pools.jsonl"], methods: ["bm25", "qrhead"], load: { model: "model.gguf" } });
 */
export async function evaluate(given: EvalOptions): Promise<EvalReport> {
  const options = parseEvalOptions(given);
  const { methods, load, signal } = options;
  const [only] = options.data.length === 1 ? options.data : [];
  await using kept = only === undefined ? null : await openTask(only, options.open);
  const withTask = async <T>(source: string, use: (task: Task) => T | Promise<T>): Promise<T> => {
    if (kept) return use(kept);
    await using task = await openTask(source, options.open);
    return await use(task);
  };
  const facts: TaskFacts[] = [];
  for (const source of options.data) {
    const found = await withTask(source, (task) => describeTask(task, options));
    if (facts.some(({ name }) => name === found.name)) {
      throw new InputError("INVALID_ARGUMENT", `Two sets of data are named ${found.name}: evaluate them in two runs`);
    }
    facts.push(found);
    signal?.throwIfAborted();
  }
  const settings = await describeRun(options);
  const file = options.journal ?? (options.output === undefined ? undefined : path.join(options.output, JOURNAL_NAME));
  if (options.output !== undefined) await makeFolder(options.output);
  if (file !== undefined && !options.resume && (await stat(file).catch(() => undefined))) {
    throw new InputError("INVALID_INPUT", `Results ${file} exist`, {
      advice: "continue with resume: true, or choose another folder",
    });
  }
  const context: MethodContext = { load, signal };
  await checkMethods(methods, context);
  const journal = await openJournal(file, options.resume, settings);
  try {
    const run = { ...options, context, journal, onOutcome: countProgress(facts, options) };
    for (const source of options.data) await withTask(source, (task) => runTask(task, run));
    const names = methods.map(({ name }) => name);
    return makeReport(
      { command: options.command, settings, machine: machine() },
      facts,
      journal.outcomes,
      names,
      options,
    );
  } finally {
    journal.close();
  }
}

function openJournal(file: string | undefined, resume: boolean, settings: RunSettings): Promise<Journal> | Journal {
  if (file === undefined) return Journal.inMemory();
  return resume ? Journal.resume(file, settings) : Journal.create(file, settings);
}

function describeTask(task: Task, { limit, seed, draw }: Evaluation): TaskFacts {
  const { name, format, firstStage, documents, dropped } = task;
  return { name, format, firstStage, documents, dropped, topics: drawTopics(task.topics, limit, seed, draw) };
}

function countProgress(facts: readonly TaskFacts[], options: Evaluation): RunOptions["onOutcome"] {
  const topics = facts.reduce((sum, task) => sum + task.topics.length, 0);
  const totals = options.methods.map((method) => ({ method, count: countOutcomes(topics, method, options) }));
  const total = totals.reduce((sum, { count }) => sum + count, 0);
  const slow = totals.filter(({ method }) => !method.fuses);
  const estimate = new Estimate(new Map(slow.map(({ method, count }) => [method.name, count])), options.jobs);
  const progress: EvalProgress = { done: 0, total, resumed: 0, left: estimate.left };
  return (outcome, resumed) => {
    progress.done++;
    if (resumed) progress.resumed++;
    estimate.add(outcome);
    progress.left = estimate.left;
    options.onOutcome?.(outcome, progress);
  };
}

/** What a resumed run must have in common with the earlier one. */
async function describeRun({ data, open, methods, load, ...rest }: Evaluation): Promise<RunSettings> {
  const { signal: _, onProgress: __, threads: ___, ...model } = load;
  const { limit, seed, draw, maxDocumentWords, permutations } = rest;
  const file = rest.model ?? { bytes: await sizeOf(await findModelFile(load.model, load)) };
  return {
    data: await Promise.all(
      data.map(async (source) => ({ source: path.resolve(source), bytes: await sizeOf(source) })),
    ),
    ...open,
    methods: Object.fromEntries(methods.map(({ name, spec }) => [name, spec])),
    model: { ...model, ...file },
    ...{ limit, seed, maxDocumentWords, permutations, ...(draw === "numpy" && { draw }) },
  };
}

/** Bytes of a file; of a folder those of its documents and queries: others are another run. */
async function sizeOf(source: string): Promise<number> {
  const found = await stat(source);
  if (!found.isDirectory()) return found.size;
  let bytes = 0;
  for (const name of ["corpus", "queries", "claims", "questions", "needles"]) {
    for (const file of ["jsonl", "tsv", "jsonl.gz", "tsv.gz"].map((ending) => `${name}.${ending}`)) {
      bytes += (await stat(path.join(source, file)).catch(() => undefined))?.size ?? 0;
    }
  }
  return bytes;
}

function machine(): EvalReport["machine"] {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}
