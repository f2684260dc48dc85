import path from "node:path";
import { makeFolder, writeWhole } from "../../util/output-file.ts";
import { formatTrecRun, trecId } from "../data/trec-run.ts";
import { assertReport, type EvalReport } from "./report.ts";

/** Letters of a task's or a method's name in the name of a file, which may have 255 bytes. */
const LONGEST_NAME = 100;

/**
 * Writes a TREC run of every task and method, `runs/TASK.METHOD.trec`, and the judgements, `runs/TASK.qrels`. A query that
 * failed is not in its run: trec_eval's `-c` then counts it as 0, as our own figures do.
 * @example
 * await writeTrecFiles(report, "runs/");
 */
export async function writeTrecFiles(report: EvalReport, folder: string): Promise<void> {
  assertReport(report);
  const target = path.join(folder, "runs");
  await makeFolder(target);
  const taskFiles = fileNames(Object.keys(report.judgements));
  for (const [task, methods] of Object.entries(report.rankings)) {
    const methodFiles = fileNames(report.tasks.find(({ name }) => name === task)!.methods.map(({ method }) => method));
    const prefix = taskFiles.get(task)!;
    for (const [method, queries] of Object.entries(methods)) {
      const name = methodFiles.get(method)!;
      const parts = Object.entries(queries)
        .filter(([, { ids }]) => ids.length > 0)
        .map(([query, { ids, scores }]) => formatTrecRun(query, ids, scores, name));
      await writeWhole(path.join(target, `${prefix}.${name}.trec`), `${parts.join("\n")}\n`, { force: true });
    }
    const judged = Object.entries(report.judgements[task]!).flatMap(([query, grades]) => {
      return Object.entries(grades).map(([document, grade]) => `${trecId(query)}\t0\t${trecId(document)}\t${grade}`);
    });
    await writeWhole(path.join(target, `${prefix}.qrels`), `${judged.join("\n")}\n`, { force: true });
  }
}

/** A name for each that every file system and trec_eval take: short, of plain letters, and no two the same. */
export function fileNames(names: readonly string[]): Map<string, string> {
  const taken = new Set<string>();
  return new Map(
    names.map((name) => {
      const plain = name.replace(/[^\w.-]+/g, "_").replace(/^_+|_+$/g, "") || "_";
      // The end of a path says more than its beginning.
      const short = plain.slice(-LONGEST_NAME);
      let free = short;
      for (let copy = 2; taken.has(free.toLowerCase()); copy++) free = `${short}-${copy}`;
      taken.add(free.toLowerCase());
      return [name, free];
    }),
  );
}
