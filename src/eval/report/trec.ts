import { mkdir } from "node:fs/promises";
import path from "node:path";
import { writeWhole } from "../../output-file.ts";
import { formatTrecRun } from "../data/trec-run.ts";
import type { EvalReport } from "./report.ts";

/**
 * Writes a TREC run of every task and method, `runs/TASK.METHOD.trec`, and the judgements, `runs/TASK.qrels`. A query that
 * failed is not in its run: trec_eval's `-c` then counts it as 0, as our own figures do.
 */
export async function writeTrecFiles(report: EvalReport, folder: string): Promise<void> {
  const target = path.join(folder, "runs");
  await mkdir(target, { recursive: true });
  for (const [task, methods] of Object.entries(report.rankings)) {
    for (const [method, queries] of Object.entries(methods)) {
      const parts = Object.entries(queries)
        .filter(([, { ids }]) => ids.length > 0)
        .map(([query, { ids, scores }]) => formatTrecRun(query, ids, scores, fileName(method)));
      await writeWhole(path.join(target, `${fileName(task)}.${fileName(method)}.trec`), `${parts.join("\n")}\n`, true);
    }
    const judged = Object.entries(report.judgements[task]!).flatMap(([query, grades]) => {
      return Object.entries(grades).map(([document, grade]) => `${query}\t0\t${document}\t${grade}`);
    });
    await writeWhole(path.join(target, `${fileName(task)}.qrels`), `${judged.join("\n")}\n`, true);
  }
}

/** A name that every file system and trec_eval take. */
export function fileName(name: string): string {
  return name.replace(/[^\w.-]+/g, "_").replace(/^_+|_+$/g, "");
}
