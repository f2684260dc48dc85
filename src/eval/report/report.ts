import { sortAsTrec } from "../../bm25/order.ts";
import { assertList, assertObject } from "../../util/given.ts";
import { type Gain, type Measure, measureKey } from "../metrics/measures.ts";
import type { Outcome } from "../outcome.ts";
import { type SummaryOptions, summarizeTask, type TaskFacts, type TaskSummary } from "../summary.ts";

export const REPORT_FORMAT = "qrhead-eval";
export const REPORT_VERSION = 1;

/** Best first; scores with every digit. */
export type Ranking = { ids: string[]; scores: number[] };

/** Everything that a run found, without any text of documents or queries: enough to compute every figure again. */
export type EvalReport = {
  format: typeof REPORT_FORMAT;
  version: typeof REPORT_VERSION;
  created: string;
  /** The command line that made it. */
  command: string;
  settings: Record<string, unknown>;
  machine: { cpu: string; cores: number; memoryBytes: number; node: string; platform: string };
  measures: string[];
  gain: Gain;
  tasks: TaskSummary[];
  /** Grades by task, query and document: of every judged document above 0. */
  judgements: Record<string, Record<string, Record<string, number>>>;
  /** Classes of queries by task, where it has any. */
  groups: Record<string, Record<string, string>>;
  /** Rankings by task, method and query. Absent queries failed. */
  rankings: Record<string, Record<string, Record<string, Ranking>>>;
  /** Permutation 0 is the candidates' own order; such a failure counts 0. */
  failures: { task: string; query: string; method: string; permutation: number; error: string }[];
};

export type ReportFacts = Pick<EvalReport, "command" | "settings" | "machine">;

export function makeReport(
  facts: ReportFacts,
  tasks: readonly TaskFacts[],
  outcomes: readonly Outcome[],
  methods: readonly string[],
  options: SummaryOptions & { measures: readonly Measure[] },
): EvalReport {
  const report: EvalReport = {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    created: new Date().toISOString(),
    ...facts,
    measures: options.measures.map(measureKey),
    gain: options.gain,
    tasks: tasks.map((task) => summarizeTask(task, outcomes, methods, options)),
    judgements: {},
    groups: {},
    rankings: {},
    failures: [],
  };
  for (const { name, topics } of tasks) {
    const positive = topics.map(({ id, grades }) => [
      id,
      Object.fromEntries([...grades].filter(([, grade]) => grade > 0)),
    ]);
    report.judgements[name] = Object.fromEntries(positive);
    const grouped = topics.flatMap(({ id, group }) => (group === undefined ? [] : [[id, group] as const]));
    if (grouped.length > 0) report.groups[name] = Object.fromEntries(grouped);
  }
  for (const { task, query, method, permutation, status, ids, scores, error } of outcomes) {
    if (status === "failed") report.failures.push({ task, query, method, permutation, error: error ?? "" });
    else if (permutation === 0) {
      const order = sortAsTrec(ids, scores);
      // Ids are anything, `__proto__` too.
      report.rankings[task] ??= Object.create(null) as EvalReport["rankings"][string];
      report.rankings[task][method] ??= Object.create(null) as Record<string, Ranking>;
      report.rankings[task][method][query] = { ids: order.map((i) => ids[i]!), scores: order.map((i) => scores[i]!) };
    }
  }
  return report;
}

/** @throws InputError `INVALID_ARGUMENT` for what is no report. */
export function assertReport(report: EvalReport): void {
  assertObject(report, "report", "what evaluate gives");
  assertList(report.tasks, "report.tasks");
}
