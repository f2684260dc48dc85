import type { EvalReport } from "../../eval/report/report.ts";
import { taskColumns, taskHeading, taskNotes } from "../../eval/report/wording.ts";
import type { TaskSummary } from "../../eval/summary.ts";
import { bold, dim } from "../output.ts";
import { plainTable } from "../table.ts";

/** The figures of every task, one method a line. */
export function evalTables(report: EvalReport): string {
  return report.tasks.map((task) => taskTable(task, report.measures)).join("\n\n");
}

function taskTable(task: TaskSummary, measures: readonly string[]): string {
  const columns = taskColumns(task, measures);
  const rows = task.methods.map((method) => columns.map(({ show }) => show(method)));
  const head = columns.map(({ name }) => name);
  const right = head.map((_, column) => column).slice(1);
  const notes = taskNotes(task, measures).map(dim);
  return [bold(taskHeading(task)), ...notes, plainTable(head, rows, [], right)].join("\n");
}
