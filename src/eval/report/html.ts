import { pagePolicy } from "../../util/page-policy.ts";
import type { TaskSummary } from "../summary.ts";
import { type Figure, needleGrid, perQueryDifferences, qualityAgainstLatency, scoreDistributions } from "./plots.ts";
import { assertReport, type EvalReport } from "./report.ts";
import { loadPlotting } from "./svg.ts";
import { taskColumns, taskHeading, taskNotes } from "./wording.ts";

/** Failed rankings that the page lists of a task; report.json has all. */
const FAILURES_SHOWN = 10;

const CSS = `
:root { color-scheme: light dark; --text: #222; --quiet: #555; --page: #fff; --panel: #f4f4f4; --line: #ddd;
  --neutral: #888; --good: #0072b2; --bad: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e4e4; --quiet: #aaa; --page: #16181b; --panel: #26292e;
  --line: #3a3e44; --neutral: #8a8f96; --good: #56b4e9; --bad: #e69f00; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.3rem; margin-top: 3rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin-bottom: .3rem; } a { color: var(--good); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .2rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.scroll, .plot { overflow-x: auto; } figure { margin: 1.5rem 0; } .plot figure { margin: 0; }
figcaption, .note { color: var(--quiet); font-size: .9rem; margin: .2rem 0; }
.note::first-letter { text-transform: uppercase; }
code { background: var(--panel); padding: .1rem .3rem; overflow-wrap: anywhere; }
svg { min-width: 640px; height: auto; background: none; color: var(--text); }
.plot [class*="swatches"] { color: var(--text); } .plot [class*="swatches"] svg { min-width: 0; }`;

/**
 * One page with every table and plot, without scripts and without anything to fetch.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` where the plotting packages are not installed.
 * @example
 * const html = await renderHtml(report);
 */
export async function renderHtml(report: EvalReport): Promise<string> {
  assertReport(report);
  const plotting = await loadPlotting();
  const key = report.measures[0]!;
  const sections = report.tasks.map((task, index) => {
    const figures = task.methods.length > 0 && [
      qualityAgainstLatency(plotting, task, key),
      ...perQueryDifferences(plotting, task, key),
      ...(task.format === "niah" ? needleGrid(plotting, report, task) : []),
      ...scoreDistributions(plotting, report, task),
    ];
    const notes = taskNotes(task, report.measures).map((text) => `<p class="note">${escapeHtml(text)}.</p>`);
    const head = `<h2 id="set${index + 1}">${escapeHtml(taskHeading(task))}</h2>${notes.join("")}`;
    return `<section>${head}${taskTable(task, report.measures)}${failures(report, task)}${(figures || []).map(figure).join("\n")}</section>`;
  });
  const { machine, created, command } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
${pagePolicy()}
<title>qrhead eval</title><style>${CSS}</style></head><body>
<h1>qrhead eval</h1>
<p class="note">${escapeHtml(created.slice(0, 16).replace("T", " "))} UTC · ${escapeHtml(machine.cpu)}, ${machine.cores} cores · Node ${escapeHtml(machine.node)} · nDCG with ${report.gain} gain · failed queries count 0</p>
<p><code>${escapeHtml(command)}</code></p>
${report.tasks.length > 1 ? overview(report.tasks, key) : ""}
${sections.join("\n")}
</body></html>
`;
}

/** Every set by every method on the first measure. */
function overview(tasks: readonly TaskSummary[], key: string): string {
  const methods = [...new Set(tasks.flatMap((task) => task.methods.map(({ method }) => method)))];
  const rows = tasks.map((task, index) => {
    const cells = methods.map((name) => {
      const found = task.methods.find(({ method }) => method === name);
      const sure = (found?.comparison?.pHolm ?? 1) < 0.05 ? "*" : "";
      return found ? found.measures[key]!.mean.toFixed(3) + sure : "";
    });
    return [`<a href="#set${index + 1}">${escapeHtml(task.name)}</a>`, ...cells];
  });
  const baseline = tasks.flatMap((task) => task.methods).find(({ comparison }) => comparison)?.comparison?.baseline;
  const note =
    baseline === undefined ? "" : ` * differs from ${baseline}: p below .05 after Holm's correction in its set.`;
  const mended = methods.map((name) => malformed(tasks, name)).join("");
  return `<h2>Overview</h2><p class="note">${escapeHtml(`Mean ${key}.${note}${mended}`)}</p>${table([key, ...methods].map(escapeHtml), rows)}`;
}

/** What a reader must know before a mean that may be the first stage's. */
function malformed(tasks: readonly TaskSummary[], name: string): string {
  const found = tasks.flatMap(({ methods }) => methods.filter(({ method }) => method === name));
  const count = (of: "malformed" | "answers") => found.reduce((sum, method) => sum + method[of], 0);
  if (count("malformed") === 0) return "";
  return ` ${name}: ${count("malformed")} of ${count("answers")} answers malformed; what they left out stays in the order given.`;
}

function taskTable(task: TaskSummary, measures: readonly string[]): string {
  const columns = taskColumns(task, measures);
  const rows = task.methods.map((method) => columns.map(({ show }) => escapeHtml(show(method))));
  const head = columns.map(({ name }) => escapeHtml(name));
  return table(head, rows);
}

/** @param head and `rows`, HTML. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  return `<div class="scroll"><table><thead>${line(head, "th")}</thead><tbody>${rows.map((row) => line(row, "td")).join("")}</tbody></table></div>`;
}

function failures({ failures: all }: EvalReport, { name }: TaskSummary): string {
  const found = all.filter(({ task }) => task === name);
  if (found.length === 0) return "";
  const items = found.slice(0, FAILURES_SHOWN).map(({ method, query, permutation, error }) => {
    const order = permutation === 0 ? "" : `, order ${permutation}`;
    return `<li>${escapeHtml(`${method} on ${query}${order}: ${error}`)}</li>`;
  });
  const rest = found.length > FAILURES_SHOWN ? `<li>and ${found.length - FAILURES_SHOWN} more</li>` : "";
  return `<h3>Failed</h3><ul class="note">${items.join("")}${rest}</ul>`;
}

function figure({ title, svg, caption }: Figure): string {
  return `<figure><h3>${escapeHtml(title)}</h3><div class="plot">${svg}</div><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}
