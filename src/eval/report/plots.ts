import type { TaskSummary } from "../summary.ts";
import type { EvalReport, Ranking } from "./report.ts";
import type { Plotting } from "./svg.ts";

/** A plot and the sentence below it. */
export type Figure = { title: string; svg: string; caption: string };

const WIDTH = 640;
const BINS = 20;
const NEUTRAL = "#888";
/** Distinguishable without colour vision (Okabe and Ito). */
const RELEVANT = "#0072b2";
const NOT_RELEVANT = "#d55e00";
const STYLE = { fontSize: "12px", background: "white", color: "#222" };

/** Quality of every method with its interval, against how long a query takes. */
export function qualityAgainstLatency({ Plot, draw }: Plotting, task: TaskSummary, key: string): Figure {
  const points = task.methods.map(({ method, measures, latencyMs }) => ({
    ...{ method, ...measures[key]! },
    // A logarithmic axis has no 0.
    ms: Math.max(latencyMs.median || 0.01, 0.01),
  }));
  const byTime = [...points].sort((a, b) => a.ms - b.ms);
  const [even, odd] = [byTime.filter((_, i) => i % 2 === 0), byTime.filter((_, i) => i % 2 === 1)];
  const svg = draw({
    ...{
      width: WIDTH,
      ariaLabel: "Quality against latency",
      height: 340,
      marginRight: 120,
      marginLeft: 50,
      style: STYLE,
      grid: true,
    },
    x: { type: "log", label: "median ms a query", tickFormat: "~g" },
    y: { label: key },
    marks: [
      Plot.ruleX(points, { x: "ms", y1: "low", y2: "high", stroke: NEUTRAL }),
      Plot.dot(points, { x: "ms", y: "mean", fill: RELEVANT, r: 5 }),
      // Methods of one model lie close together: every second name stands above its point.
      Plot.text(even, { x: "ms", y: "mean", text: "method", dx: 8, dy: 8, textAnchor: "start" }),
      Plot.text(odd, { x: "ms", y: "mean", text: "method", dx: -8, dy: -8, textAnchor: "end" }),
    ],
  });
  const caption =
    "Higher and further left is better. Bars are 95 % bootstrap intervals over queries; a fusion takes as long as what it fuses.";
  return { title: "Quality against latency", svg, caption };
}

/** By how much a method beats the baseline on each query, sorted. */
export function perQueryDifferences({ Plot, draw }: Plotting, task: TaskSummary, key: string): Figure[] {
  const base = task.methods.find((method) =>
    task.methods.some(({ comparison }) => comparison?.baseline === method.method),
  );
  if (!base) return [];
  const others = task.methods.filter((method) => method.comparison !== null);
  const rows = others.flatMap(({ method, values }) => {
    const differences = values[key]!.map((value, i) => value - base.values[key]![i]!).sort((a, b) => b - a);
    return differences.map((difference, rank) => ({ method, difference, rank: rank + 1 }));
  });
  if (rows.length === 0) return [];
  const svg = draw({
    ...{
      width: WIDTH,
      ariaLabel: "Differences to the baseline by query",
      height: 60 + 110 * others.length,
      marginRight: 120,
      marginLeft: 50,
      style: STYLE,
    },
    x: { label: "queries, best first" },
    y: { label: `difference in ${key}`, grid: true, ticks: 5 },
    fy: { label: null, domain: others.map(({ method }) => method) },
    color: { domain: [true, false], range: [RELEVANT, NOT_RELEVANT] },
    marks: [
      Plot.ruleX(rows, {
        x: "rank",
        y: "difference",
        fy: "method",
        stroke: (row) => row.difference > 0,
        strokeWidth: 2,
      }),
      Plot.ruleY([0], { stroke: NEUTRAL }),
    ],
  });
  const caption = `Every bar is a query: above the line the method is better than ${base.method}, below it worse.`;
  return [{ title: `Query by query, against ${base.method}`, svg, caption }];
}

/** Share of needles ranked first, by length and depth. */
export function needleGrid({ Plot, draw }: Plotting, report: EvalReport, task: TaskSummary): Figure[] {
  const groups = report.groups[task.name] ?? {};
  const cells = new Map<string, { method: string; length: number; depth: number; found: number; count: number }>();
  for (const { method } of task.methods) {
    for (const [query, group] of Object.entries(groups)) {
      const match = /^(\d+) words, depth ([\d.]+)$/.exec(group);
      if (!match) return [];
      const cell = cells.get(`${method}|${group}`) ?? {
        method,
        length: Number(match[1]),
        depth: Number(match[2]),
        found: 0,
        count: 0,
      };
      cells.set(`${method}|${group}`, cell);
      cell.count++;
      const ranking = report.rankings[task.name]?.[method]?.[query];
      if (ranking && report.judgements[task.name]![query]![ranking.ids[0]!] !== undefined) cell.found++;
    }
  }
  const rows = [...cells.values()].map((cell) => ({ ...cell, share: cell.found / cell.count }));
  if (rows.length === 0) return [];
  const svg = draw({
    ...{
      width: WIDTH,
      ariaLabel: "Needles found first by length and depth",
      height: 80 + 130 * task.methods.length,
      marginRight: 120,
      marginLeft: 60,
      style: STYLE,
      padding: 0.05,
    },
    x: { label: "words of the haystack", type: "band" },
    y: { label: "depth", type: "band" },
    fy: { label: null, domain: task.methods.map(({ method }) => method) },
    color: { type: "linear", scheme: "Blues", domain: [0, 1], label: "needles found first" },
    marks: [
      Plot.cell(rows, { x: "length", y: "depth", fy: "method", fill: "share" }),
      Plot.text(rows, {
        ...{ x: "length", y: "depth", fy: "method" },
        text: (row) => `${Math.round(100 * row.share)} %`,
        fill: (row) => (row.share > 0.5 ? "white" : "black"),
      }),
    ],
  });
  return [{ title: "Needles by length and depth", svg, caption: "Share of needles whose passage is ranked first." }];
}

/** How the scores of relevant and of other documents lie, each query's scaled to 0 … 1 for the plot alone. */
export function scoreDistributions({ Plot, draw }: Plotting, report: EvalReport, task: TaskSummary): Figure[] {
  const rows = task.methods.flatMap(({ method }) => {
    return Object.entries(report.rankings[task.name]?.[method] ?? {}).flatMap(([query, ranking]) => {
      const grades = report.judgements[task.name]![query]!;
      return scaled(ranking).map((score, i) => ({
        method,
        score,
        relevant: grades[ranking.ids[i]!] === undefined ? "not relevant" : "relevant",
      }));
    });
  });
  if (rows.length === 0) return [];
  const svg = draw({
    ...{
      width: WIDTH,
      ariaLabel: "Scores of relevant and of other documents",
      height: 80 + 110 * task.methods.length,
      marginRight: 120,
      marginLeft: 50,
      style: STYLE,
    },
    x: { label: "score, 0 the lowest of its query and 1 the highest" },
    y: { label: "share, %", grid: true, ticks: 4 },
    fy: { label: null, domain: task.methods.map(({ method }) => method) },
    color: { legend: true, domain: ["relevant", "not relevant"], range: [RELEVANT, NOT_RELEVANT] },
    marks: [
      Plot.rect(bins(rows), {
        x1: "low",
        x2: "high",
        y1: 0,
        y2: "share",
        fy: "method",
        fill: "relevant",
        fillOpacity: 0.55,
      }),
      Plot.ruleY([0]),
    ],
  });
  const caption = "Scores are comparable within one query only; they are scaled query by query here, and nowhere else.";
  return [{ title: "Scores of relevant and of other documents", svg, caption }];
}

type Scored = { method: string; score: number; relevant: string };

/** Twenty bins of every method's relevant and other documents, as shares of their own class: there are far more others. */
function bins(rows: readonly Scored[]) {
  const counts = new Map<string, { method: string; relevant: string; bin: number; count: number }>();
  const totals = new Map<string, number>();
  for (const { method, score, relevant } of rows) {
    const bin = Math.min(BINS - 1, Math.floor(score * BINS));
    const key = JSON.stringify([method, relevant, bin]);
    const entry = counts.get(key) ?? { method, relevant, bin, count: 0 };
    counts.set(key, { ...entry, count: entry.count + 1 });
    const whole = JSON.stringify([method, relevant]);
    totals.set(whole, (totals.get(whole) ?? 0) + 1);
  }
  return [...counts.values()].map(({ method, relevant, bin, count }) => ({
    ...{ method, relevant, low: bin / BINS, high: (bin + 1) / BINS },
    share: (100 * count) / totals.get(JSON.stringify([method, relevant]))!,
  }));
}

function scaled({ scores }: Ranking): number[] {
  const [high, low] = [Math.max(...scores), Math.min(...scores)];
  return scores.map((score) => (high === low ? 0.5 : (score - low) / (high - low)));
}
