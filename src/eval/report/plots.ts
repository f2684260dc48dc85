import { cell, dot, link, rect, ruleX, ruleY, text } from "@observablehq/plot";
import { largestOf, smallestOf } from "../../util/extremes.ts";
import { drawPlot } from "../../util/plotting.ts";
import type { TaskSummary } from "../summary.ts";
import type { EvalReport, Ranking } from "./report.ts";

/** A plot and the sentence below it. */
export type Figure = { title: string; svg: string; caption: string };

const WIDTH = 720;
const BINS = 20;
// The page defines these for light and dark; each pair is told apart without colour vision (Okabe and Ito).
const NEUTRAL = "var(--neutral)";
const GOOD = "var(--good)";
const BAD = "var(--bad)";
const STYLE = { fontSize: "12px", background: "none", color: "currentColor" };
/** Room for numbers, and for the label of the axis below its numbers. */
const MARGINS = { marginLeft: 55, marginBottom: 45 };
const X_LABEL = { labelOffset: 38, labelAnchor: "center" } as const;
/** Room for names right of the plot. */
const NAMES_WIDTH = 190;
/** Letters of a method's name that fit there. */
const LONGEST_NAME = 28;

/** A name that fits beside a plot: the middle of a long one is left out. */
function short(name: string): string {
  if (name.length <= LONGEST_NAME) return name;
  const end = Math.floor(LONGEST_NAME / 2);
  return `${name.slice(0, LONGEST_NAME - 1 - end)}…${name.slice(-end)}`;
}

/** One plot below the other, each with its method's name above it. */
function facets(domain: readonly string[]) {
  const names = text(domain, {
    ...{ fy: (name: string) => name, text: (name: string) => name },
    ...{ frameAnchor: "top-left", lineAnchor: "bottom", dy: -5, fontWeight: "bold", fill: "currentColor" },
  });
  return { fy: { label: null, domain, axis: null, padding: 0.3 }, names };
}

/** Quality of every method with its interval, against how long a query takes. */
export function qualityAgainstLatency(task: TaskSummary, key: string): Figure {
  const points = task.methods.map(({ method, measures, latencyMs }) => ({
    ...{ method: short(method), ...measures[key]! },
    // A logarithmic axis has no 0.
    ms: Math.max(latencyMs.median || 0.01, 0.01),
  }));
  const height = Math.max(340, 90 + 16 * points.length);
  const range = {
    low: smallestOf(points.map(({ low }) => low)) - 0.01,
    high: largestOf(points.map(({ high }) => high)) + 0.01,
  };
  const least = smallestOf(points.map(({ ms }) => ms)) / 1.5;
  const most = largestOf(points.map(({ ms }) => ms)) * 1.5;
  const labels = spread(points, range, (16 * (range.high - range.low)) / (height - 65));
  const svg = drawPlot({
    ...{
      width: WIDTH,
      height,
      ...MARGINS,
      marginRight: NAMES_WIDTH,
      style: STYLE,
      grid: true,
      ariaLabel: "Quality against latency",
    },
    x: {
      type: "log",
      label: "median ms a query",
      ...X_LABEL,
      tickFormat: "~g",
      domain: [least, most],
    },
    y: { label: key, domain: [range.low, range.high] },
    marks: [
      // Points of one model lie close together, so the names stand in a column, each with a line to its point.
      link(labels, {
        ...{ x1: "ms", x2: () => most, y1: "mean", y2: "at", clip: false },
        ...{ stroke: NEUTRAL, strokeOpacity: 0.6, strokeDasharray: "2,2" },
      }),
      ruleX(points, { x: "ms", y1: "low", y2: "high", stroke: NEUTRAL }),
      dot(points, { x: "ms", y: "mean", fill: GOOD, r: 5 }),
      text(labels, { x: () => most, y: "at", text: "method", dx: 5, textAnchor: "start", fill: "currentColor" }),
    ],
  });
  const caption =
    "Higher and further left is better. Bars are 95 % bootstrap intervals over queries; a fusion takes as long as what it fuses.";
  return { title: "Quality against latency", svg, caption };
}

/** Heights of the names, in order of the means: near the mean, at least `apart` from each other, and inside the plot. */
function spread<T extends { mean: number }>(points: readonly T[], { low, high }: Range, apart: number) {
  const labels = [...points].sort((a, b) => a.mean - b.mean).map((point) => ({ ...point, at: point.mean }));
  for (const [i, label] of labels.entries()) label.at = Math.max(label.at, (labels[i - 1]?.at ?? low) + apart);
  let above = high + apart / 2;
  for (const label of labels.reverse()) above = label.at = Math.min(label.at, above - apart);
  return labels;
}

type Range = { low: number; high: number };

/** By how much a method beats the baseline on each query, sorted. */
export function perQueryDifferences(task: TaskSummary, key: string): Figure[] {
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
  const facet = facets(others.map(({ method }) => method));
  const longest = largestOf(rows.map(({ rank }) => rank));
  const svg = drawPlot({
    ...{ width: WIDTH, height: 75 + 110 * others.length, ...MARGINS, style: STYLE },
    ariaLabel: "Differences to the baseline by query",
    x: {
      label: "queries, best first",
      ...X_LABEL,
      domain: [0.5, longest + 0.5],
      ticks: queryTicks(longest),
      tickFormat: "d",
    },
    y: { label: null, grid: true, ticks: 5 },
    fy: facet.fy,
    color: { domain: [true, false], range: [GOOD, BAD] },
    marks: [
      facet.names,
      ruleX(rows, {
        x: "rank",
        y: "difference",
        fy: "method",
        stroke: (row) => row.difference > 0,
        strokeWidth: Math.max(1, Math.min(6, 300 / longest)),
      }),
      ruleY([0], { stroke: NEUTRAL }),
    ],
  });
  const caption = `Every bar is a query: above the line the method is better than ${base.method}, below it worse.`;
  return [{ title: `Query by query: difference in ${key} to ${base.method}`, svg, caption }];
}

/** Whole numbers: there is no query 2.5. */
function queryTicks(count: number): number[] {
  const step = Math.ceil(count / 10);
  return Array.from({ length: Math.floor(count / step) }, (_, i) => (i + 1) * step);
}

/** Share of needles ranked first, by length and depth. */
export function needleGrid(report: EvalReport, task: TaskSummary): Figure[] {
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
  const facet = facets(task.methods.map(({ method }) => method));
  const svg = drawPlot({
    ...{ width: WIDTH, height: 80 + 130 * task.methods.length, ...MARGINS, style: STYLE, padding: 0.05 },
    ariaLabel: "Needles found first by length and depth",
    x: { label: "words of the haystack", type: "band", ...X_LABEL },
    y: { label: "depth", type: "band", labelAnchor: "top" },
    fy: facet.fy,
    color: { type: "linear", scheme: "Blues", domain: [0, 1], label: "needles found first" },
    marks: [
      facet.names,
      cell(rows, { x: "length", y: "depth", fy: "method", fill: "share" }),
      text(rows, {
        ...{ x: "length", y: "depth", fy: "method" },
        text: (row) => `${Math.round(100 * row.share)} %`,
        fill: (row) => (row.share > 0.5 ? "white" : "black"),
      }),
    ],
  });
  return [{ title: "Needles by length and depth", svg, caption: "Share of needles whose passage is ranked first." }];
}

/** How the scores of relevant and of other documents lie, each query's scaled to 0 … 1 for the plot alone. */
export function scoreDistributions(report: EvalReport, task: TaskSummary): Figure[] {
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
  const facet = facets(task.methods.map(({ method }) => method));
  const svg = drawPlot({
    ...{ width: WIDTH, height: 80 + 110 * task.methods.length, ...MARGINS, style: STYLE },
    ariaLabel: "Scores of relevant and of other documents",
    x: { label: "score, 0 the lowest of its query and 1 the highest", ...X_LABEL },
    y: { label: null, grid: true, ticks: 4 },
    fy: facet.fy,
    color: { legend: true, domain: ["relevant", "not relevant"], range: [GOOD, BAD] },
    marks: [
      facet.names,
      rect(bins(rows), {
        x1: "low",
        x2: "high",
        y1: 0,
        y2: "share",
        fy: "method",
        fill: "relevant",
        fillOpacity: 0.55,
      }),
      ruleY([0]),
    ],
  });
  const caption =
    "Percent of the relevant documents, and of the others, by score. Scores are comparable within one query only; they are scaled query by query here, and nowhere else.";
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
  const [high, low] = [largestOf(scores), smallestOf(scores)];
  return scores.map((score) => (high === low ? 0.5 : (score - low) / (high - low)));
}
