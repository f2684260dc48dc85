import { counted } from "../../util/counted.ts";
import { escapeHtml, htmlPage } from "../../util/page.ts";
import type { TaskSummary } from "../summary.ts";
import type { Figure } from "./plots.ts";
import { assertReport, type EvalReport } from "./report.ts";
import { taskColumns, taskHeading, taskNotes } from "./wording.ts";

/** Failed rankings that the page lists of a task; report.json has all. */
const FAILURES_SHOWN = 10;

const CSS = `
:root { --panel: #f4f4f4; --neutral: #888; --good: #0072b2; --bad: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --panel: #26292e; --neutral: #8a8f96; --good: #56b4e9; --bad: #e69f00; } }
body { max-width: 70rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.3rem; margin-top: 3rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin-bottom: .3rem; } a { color: var(--good); }
table { font-size: .9rem; }
th, td { padding: .2rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.scroll, .plot { overflow-x: auto; } figure { margin: 1.5rem 0; } .plot figure { margin: 0; }
figcaption, .note { color: var(--dim); font-size: .9rem; margin: .2rem 0; }
.note::first-letter { text-transform: uppercase; }
code { background: var(--panel); padding: .1rem .3rem; overflow-wrap: anywhere; }
svg { min-width: 640px; height: auto; background: none; color: var(--ink); }
.plot [class*="swatches"] { color: var(--ink); } .plot [class*="swatches"] svg { min-width: 0; }`;

/**
 * One page with every table and plot, without scripts and without anything to fetch.
 *
 * @throws InputError `INVALID_ARGUMENT` for what is no report.
 * @example
 * const html = await renderHtml(report);
 */
export async function renderHtml(report: EvalReport): Promise<string> {
  assertReport(report);
  const plots = await import("./plots.ts");
  const key = report.measures[0]!;
  const sections = report.tasks.map((task, index) => {
    const figures = task.methods.length > 0 && [
      plots.qualityAgainstLatency(task, key),
      ...plots.perQueryDifferences(task, key),
      ...(task.format === "niah" ? plots.needleGrid(report, task) : []),
      ...plots.scoreDistributions(report, task),
    ];
    const notes = taskNotes(task, report.measures).map((text) => `<p class="note">${escapeHtml(text)}.</p>`);
    const head = `<h2 id="set${index + 1}">${escapeHtml(taskHeading(task))}</h2>${notes.join("")}`;
    return `<section>${head}${taskTable(task, report.measures)}${failures(report, task)}${(figures || []).map(figure).join("\n")}</section>`;
  });
  const { machine, created, command } = report;
  const body = `<h1>qrhead eval</h1>
<p class="note">${escapeHtml(created.slice(0, 16).replace("T", " "))} UTC · ${escapeHtml(machine.cpu)}, ${machine.cores} cores · Node ${escapeHtml(machine.node)} · nDCG with ${report.gain} gain · failed queries count 0</p>
<p><code>${escapeHtml(command)}</code></p>
${report.tasks.length > 1 ? overview(report.tasks, key) : ""}
${sections.join("\n")}`;
  return htmlPage({ title: "qrhead eval", style: CSS, body });
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

/** A note for means of malformed answers, which may be those of the first stage. */
function malformed(tasks: readonly TaskSummary[], name: string): string {
  const found = tasks.flatMap(({ methods }) => methods.filter(({ method }) => method === name));
  const count = (of: "malformed" | "answers") => found.reduce((sum, method) => sum + method[of], 0);
  if (count("malformed") === 0) return "";
  return ` ${name}: ${count("malformed")} of ${counted(count("answers"), "answer")} malformed; what they left out stays in the order given.`;
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
