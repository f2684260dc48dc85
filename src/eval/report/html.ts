import type { MethodSummary, TaskSummary } from "../summary.ts";
import { type Figure, needleGrid, perQueryDifferences, qualityAgainstLatency, scoreDistributions } from "./plots.ts";
import type { EvalReport } from "./report.ts";
import { loadPlotting } from "./svg.ts";

const CSS = `
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 3rem; border-bottom: 1px solid #ccc; } h3 { font-size: 1rem; margin-bottom: .3rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
.scroll { overflow-x: auto; } th, td { padding: .2rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #eee; }
th:first-child, td:first-child { text-align: left; } figure { margin: 1.5rem 0; overflow-x: auto; }
figcaption, .note { color: #555; font-size: .9rem; } code { background: #f4f4f4; padding: .1rem .3rem; overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }`;

/**
 * One page with every table and plot, without scripts and without anything to fetch.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` where the plotting packages are not installed.
 */
export async function renderHtml(report: EvalReport): Promise<string> {
  const plotting = await loadPlotting();
  const key = report.measures[0]!;
  const sections = report.tasks.map((task) => {
    const figures = [
      qualityAgainstLatency(plotting, task, key),
      ...perQueryDifferences(plotting, task, key),
      ...(task.format === "niah" ? needleGrid(plotting, report, task) : []),
      ...scoreDistributions(plotting, report, task),
    ];
    return `<section>${heading(task)}${table(task, report.measures)}${figures.map(figure).join("\n")}</section>`;
  });
  const { machine, created, command } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>qrhead eval</title><style>${CSS}</style></head><body>
<h1>qrhead eval</h1>
<p class="note">${escapeHtml(created.slice(0, 16).replace("T", " "))} UTC · ${escapeHtml(machine.cpu)}, ${machine.cores} cores · Node ${escapeHtml(machine.node)} · nDCG with ${report.gain} gain · failed queries count 0</p>
<p><code>${escapeHtml(command)}</code></p>
${sections.join("\n")}
</body></html>
`;
}

function heading({ name, format, queries, candidates, dropped, ceiling }: TaskSummary): string {
  const best = Object.entries(ceiling).map(([key, value]) => `${key} ${value.toFixed(3)}`);
  const left = dropped.map(({ reason, count }) => `${count} ${reason}`);
  const notes = [
    `${queries} queries, ${candidates.mean.toFixed(1)} candidates a query; a perfect ranking of them: ${best.join(", ")}.`,
    ...(left.length > 0 ? [`Left out: ${left.join("; ")}.`] : []),
  ];
  return `<h2>${escapeHtml(name)} <small>(${escapeHtml(format)})</small></h2>${notes.map((text) => `<p class="note">${escapeHtml(text)}</p>`).join("")}`;
}

function table(task: TaskSummary, measures: readonly string[]): string {
  const first = measures[0]!;
  const columns: [string, (method: MethodSummary) => string][] = [
    ["Method", ({ method }) => method],
    ...measures.map((key): (typeof columns)[number] => [key, ({ measures: found }) => found[key]!.mean.toFixed(3)]),
    [
      `95 % of ${first}`,
      ({ measures: found }) => `${found[first]!.low.toFixed(3)} to ${found[first]!.high.toFixed(3)}`,
    ],
    ["difference", ({ comparison }) => (comparison ? signed(comparison.difference) : "")],
    ["p", ({ comparison }) => (comparison ? comparison.p.toFixed(4) : "")],
    ["p, Holm", ({ comparison }) => (comparison ? comparison.pHolm.toFixed(4) : "")],
    ["ms median", ({ latencyMs }) => format(latencyMs.median, 1)],
    ["ms p95", ({ latencyMs }) => format(latencyMs.p95, 1)],
    ["tokens/s", ({ tokensPerSecond }) => format(tokensPerSecond, 0)],
    ["peak MiB", ({ peakBytes }) => format(peakBytes === null ? null : peakBytes / 2 ** 20, 0)],
    ["malformed", ({ malformed, answers }) => (answers > 0 ? `${malformed} of ${answers}` : "")],
    ["failed", ({ failed }) => String(failed)],
  ];
  const head = columns.map(([name]) => `<th>${escapeHtml(name)}</th>`).join("");
  const rows = task.methods.map(
    (method) => `<tr>${columns.map(([, show]) => `<td>${escapeHtml(show(method))}</td>`).join("")}</tr>`,
  );
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function figure({ title, svg, caption }: Figure): string {
  return `<figure><h3>${escapeHtml(title)}</h3>${svg}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${value.toFixed(3)}`;
}

function format(value: number | null, decimals: number): string {
  return value === null || Number.isNaN(value) ? "" : value.toFixed(decimals);
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}
