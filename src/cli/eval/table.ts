import type { EvalReport } from "../../eval/report/report.ts";
import type { MethodSummary, TaskSummary } from "../../eval/summary.ts";
import { bold, dim } from "../output.ts";
import { plainTable } from "../table.ts";

/** The figures of every task, one method a line. */
export function evalTables(report: EvalReport): string {
  return report.tasks.map((task) => taskTable(task, report.measures)).join("\n\n");
}

function taskTable(task: TaskSummary, measures: readonly string[]): string {
  const first = measures[0]!;
  const some = (pick: (method: MethodSummary) => boolean) => task.methods.some(pick);
  const columns: [string, (method: MethodSummary) => string][] = [
    ["Method", ({ method }) => method],
    ...measures.map((key): (typeof columns)[number] => [key, ({ measures: found }) => found[key]!.mean.toFixed(3)]),
    [
      `95 % of ${first}`,
      ({ measures: found }) => `${found[first]!.low.toFixed(3)} to ${found[first]!.high.toFixed(3)}`,
    ],
    ["p (Holm)", ({ comparison }) => (comparison ? formatP(comparison.pHolm) : "")],
    ["ms", ({ latencyMs }) => formatMs(latencyMs.median)],
    ["ms p95", ({ latencyMs }) => formatMs(latencyMs.p95)],
  ];
  if (some(({ tokensPerSecond }) => tokensPerSecond !== null)) {
    columns.push(["tokens/s", ({ tokensPerSecond }) => (tokensPerSecond === null ? "" : tokensPerSecond.toFixed(0))]);
  }
  columns.push(["MiB", ({ peakBytes }) => (peakBytes === null ? "" : (peakBytes / 2 ** 20).toFixed(0))]);
  if (some(({ order }) => order !== null)) {
    columns.push([
      "Kendall τ",
      ({ order }) => (order ? `${order.tau.toFixed(3)} ± ${order.deviation.toFixed(3)}` : ""),
    ]);
  }
  if (some(({ malformed, answers }) => answers > 0 || malformed > 0)) {
    columns.push(["malformed", ({ malformed, answers }) => (answers === 0 ? "" : `${malformed} of ${answers}`)]);
  }
  if (some(({ failed }) => failed > 0)) columns.push(["failed", ({ failed }) => (failed > 0 ? String(failed) : "")]);
  const rows = task.methods.map((method) => columns.map(([, show]) => show(method)));
  const head = columns.map(([name]) => name);
  const right = head.map((_, column) => column).slice(1);
  return [bold(heading(task)), ...notes(task, measures).map(dim), plainTable(head, rows, [], right)].join("\n");
}

function heading({ name, format, queries, documents, candidates, firstStage }: TaskSummary): string {
  const from = { bm25: "by BM25", run: "of a run", given: "as given" }[firstStage];
  const known = documents === null ? "" : `, ${documents} documents`;
  return `${name} (${format}): ${queries} queries${known}, ${candidates.mean.toFixed(1)} candidates a query ${from}`;
}

function notes(task: TaskSummary, measures: readonly string[]): string[] {
  const best = measures.map((key) => `${key} ${task.ceiling[key]!.toFixed(3)}`).join(", ");
  const dropped = task.dropped.map(({ reason, count, examples }) => `${count} ${reason} (such as ${examples[0]})`);
  const empty = Math.max(0, ...task.methods.map((method) => method.empty));
  return [
    `a perfect ranking of the candidates: ${best}`,
    ...(dropped.length > 0 ? [`left out: ${dropped.join("; ")}`] : []),
    ...(empty > 0 ? [`${empty} queries without a candidate, which count 0`] : []),
  ];
}

function formatP(p: number): string {
  return p < 0.001 ? "< .001" : p.toFixed(3);
}

function formatMs(ms: number): string {
  return Number.isNaN(ms) ? "" : ms < 10 ? ms.toFixed(1) : ms.toFixed(0);
}
