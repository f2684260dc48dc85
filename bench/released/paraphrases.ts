import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { openTask } from "../../src/eval/data/open.ts";
import { bootstrap } from "../../src/eval/metrics/statistics.ts";
import { permute } from "../../src/eval/run.ts";
import { mean } from "../../src/util/mean.ts";
import type { Config } from "./config.ts";
import type { Method } from "./methods.ts";
import type { OpenTask } from "./reading.ts";
import { type Results, rowsOf, valuesOf } from "./table.ts";

const FILE = new URL("../paraphrases.jsonl", import.meta.url);

type Line = { id: string; docs: unknown[] };

/**
 * Questions that share no word with their answer, each as often as it has documents: every document is once at every place,
 * as the place of a document decides more than its words here.
 */
export async function openParaphrases({ seed }: Config, folder: string): Promise<OpenTask> {
  const lines = readFileSync(FILE, "utf8").trimEnd().split("\n");
  const turned = lines.flatMap((line) => {
    const pool = JSON.parse(line) as Line;
    const turn = (by: number) => [...pool.docs.slice(by), ...pool.docs.slice(0, by)];
    return pool.docs.map((_, by) => JSON.stringify({ ...pool, id: `${pool.id}-${by}`, docs: turn(by) }));
  });
  mkdirSync(folder, { recursive: true });
  const source = path.join(folder, "paraphrases.jsonl");
  writeFileSync(source, `${turned.join("\n")}\n`);
  const task = await openTask(source, { depth: 0, granularity: undefined });
  return { source, task, topics: permute(task.topics.length, seed).map((index) => task.topics[index]!) };
}

/** Per row and model: how many questions have the answer first, mean over the orders, and its interval over the questions. */
export function paraphraseTable(
  parts: readonly { title: string; methods: readonly Method[]; results: Results }[],
  seed: number,
): string {
  const names = [...new Set(parts.flatMap(({ methods }) => [...rowsOf(methods).keys()]))];
  const lines = names.map((name) => {
    const cells = parts.map(({ methods, results }) => {
      const [row, set] = [rowsOf(methods).get(name), results.sets[0]];
      if (!row || !set) return "";
      const byQuestion = new Map<string, number[]>();
      for (const [index, value] of valuesOf(set, row, "success@1").entries()) {
        const question = set.ids[index]!.replace(/-\d+$/, "");
        byQuestion.set(question, [...(byQuestion.get(question) ?? []), value]);
      }
      const values = [...byQuestion.values()].map(mean);
      const { low, high } = bootstrap(values, seed);
      const count = (share: number) => (share * values.length).toFixed(1);
      return `${count(mean(values))} (${count(low)} to ${count(high)})`;
    });
    return `| ${name} | ${cells.join(" | ")} |`;
  });
  return [`| | ${parts.map(({ title }) => title).join(" | ")} |`, `|---|${"---|".repeat(parts.length)}`, ...lines].join(
    "\n",
  );
}
