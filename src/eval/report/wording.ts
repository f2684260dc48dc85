import { counted } from "../../util/counted.ts";
import type { MethodSummary, TaskSummary } from "../summary.ts";

/** What a table says of a method in one column. */
export type Column = { name: string; show: (method: MethodSummary) => string };

/** `xquad_en (beir): 40 queries, 240 documents, 10.0 candidates a query by BM25`. */
export function taskHeading({ name, format, queries, documents, candidates, firstStage }: TaskSummary): string {
  const from = { bm25: "by BM25", run: "of a run", given: "as given" }[firstStage];
  const known = documents === null ? "" : `, ${counted(documents, "document")}`;
  const length = Number.isNaN(candidates.mean) ? "no" : candidates.mean.toFixed(1);
  return `${name} (${format}): ${counted(queries, "query", "queries")}${known}, ${length} candidates a query ${from}`;
}

/** What must be known to read a task's figures, one sentence each. */
export function taskNotes(task: TaskSummary, measures: readonly string[]): string[] {
  const best = measures.map((key) => `${key} ${decimals(task.ceiling[key]!, 3) || "unknown"}`).join(", ");
  const found = task.dropped.map(({ reason, count, examples }) => `${reason}: ${count} (such as ${examples[0]})`);
  const empty = Math.max(0, ...task.methods.map((method) => method.empty));
  return [
    `a perfect ranking of the candidates: ${best}`,
    ...(found.length > 0 ? [`left out, or worth knowing: ${found.join("; ")}`] : []),
    ...task.methods.flatMap(({ method, queries, doubts }) =>
      doubts ? [`warning: ${method}, ${doubts.queries} of ${queries} queries: ${doubts.example}`] : [],
    ),
    ...(empty > 0 ? [`queries without a candidate, which count 0: ${empty}`] : []),
  ];
}

/** The columns of a task's table, those without anything to say left out. */
export function taskColumns(task: TaskSummary, measures: readonly string[]): Column[] {
  const first = measures[0]!;
  const some = (pick: (method: MethodSummary) => boolean) => task.methods.some(pick);
  const columns: (Column | false)[] = [
    { name: "Method", show: ({ method }) => method },
    ...measures.map((key) => ({
      name: key,
      show: ({ measures: found }: MethodSummary) => decimals(found[key]!.mean, 3),
    })),
    {
      name: `95 % of ${first}`,
      show: ({ measures: found }) => `${decimals(found[first]!.low, 3)} to ${decimals(found[first]!.high, 3)}`,
    },
    some(({ comparison }) => comparison !== null) && {
      name: "difference",
      show: ({ comparison }) => (comparison ? signed(comparison.difference) : ""),
    },
    some(({ comparison }) => comparison !== null) && {
      name: "p (Holm)",
      show: ({ comparison }) => (comparison ? formatP(comparison.pHolm) : ""),
    },
    { name: "ms", show: ({ latencyMs }) => formatMs(latencyMs.median) },
    { name: "ms p95", show: ({ latencyMs }) => formatMs(latencyMs.p95) },
    some(({ tokensPerSecond }) => tokensPerSecond !== null) && {
      name: "tokens/s",
      show: ({ tokensPerSecond }) => decimals(tokensPerSecond, 0),
    },
    { name: "MiB", show: ({ peakBytes }) => decimals(peakBytes === null ? null : peakBytes / 2 ** 20, 0) },
    some(({ order }) => order !== null) && {
      name: "Kendall τ",
      show: ({ order }) => (order ? `${decimals(order.tau, 3)} ± ${decimals(order.deviation, 3)}` : ""),
    },
    some(({ answers }) => answers > 0) && {
      name: "malformed",
      show: ({ malformed, answers }) => (answers === 0 ? "" : `${malformed} of ${answers}`),
    },
    some(({ cut }) => cut > 0) && { name: "documents cut", show: ({ cut }) => (cut > 0 ? String(cut) : "") },
    some(({ failed }) => failed > 0) && {
      name: "failed",
      show: ({ failed, queries }) => (failed > 0 ? `${failed} of ${queries}` : ""),
    },
    some(({ order }) => (order?.failed ?? 0) > 0) && {
      name: "orders failed",
      show: ({ order }) => (order && order.failed > 0 ? String(order.failed) : ""),
    },
  ];
  return columns.filter((column): column is Column => column !== false);
}

function decimals(value: number | null, count: number): string {
  return value === null || Number.isNaN(value) ? "" : value.toFixed(count);
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${value.toFixed(3)}`;
}

function formatP(p: number): string {
  return p < 0.001 ? "< .001" : p.toFixed(3);
}

function formatMs(ms: number): string {
  return Number.isNaN(ms) ? "" : ms < 10 ? ms.toFixed(1) : ms.toFixed(0);
}
