// Where two methods of an evaluation differ most, and what those queries have in common: counts, and no text.
//   npx tsx scripts/eval-errors.ts REPORT.json METHOD BASELINE COUNT DATA...
import { readFileSync } from "node:fs";
import { textOf } from "../src/bm25/bm25.ts";
import { termsOf } from "../src/bm25/words.ts";
import { openTask } from "../src/eval/data/open.ts";
import { mean } from "../src/eval/metrics/statistics.ts";
import type { EvalReport } from "../src/eval/report/report.ts";

const [file, method, baseline, count, ...data] = process.argv.slice(2) as [string, string, string, string, ...string[]];
const report = JSON.parse(readFileSync(file, "utf8")) as EvalReport;
const key = report.measures[0]!;

type Row = { task: string; query: string; difference: number } & Record<(typeof FEATURES)[number], number>;

const FEATURES = [
  "queryTerms",
  "relevantCandidates",
  "relevantOverlap",
  "bestOtherOverlap",
  "relevantWords",
  "otherWords",
  "rankByBaseline",
  "rankByMethod",
  "winnerWords",
] as const;

const rows: Row[] = [];
for (const source of data) {
  await using task = await openTask(source, { depth: Number((report.settings as { depth: number }).depth) });
  const summary = report.tasks.find(({ name }) => name === task.name);
  const a = summary?.methods.find((found) => found.method === method);
  const b = summary?.methods.find((found) => found.method === baseline);
  if (!a || !b) continue;
  const drawn = Object.keys(report.judgements[task.name]!);
  for (const [i, query] of drawn.entries()) {
    const difference = a.values[key]![i]! - b.values[key]![i]!;
    const topic = task.topics.find(({ id }) => id === query)!;
    const { documents } = await task.candidates(topic);
    const isRelevant = (id: string) => (topic.grades.get(id) ?? 0) > 0;
    const terms = new Set(termsOf(topic.query, "lucene"));
    const overlap = (text: string) => {
      const found = new Set(termsOf(text, "lucene"));
      return [...terms].filter((term) => found.has(term)).length / Math.max(1, terms.size);
    };
    const relevant = documents.filter(({ id }) => isRelevant(id));
    const others = documents.filter(({ id }) => !isRelevant(id));
    const words = (text: string) => text.split(/\s+/).length;
    const rank = (name: string) => report.rankings[task.name]![name]![query]!.ids.findIndex(isRelevant) + 1;
    const first = documents.find(({ id }) => id === report.rankings[task.name]![method]![query]!.ids[0])!;
    rows.push({
      ...{ task: task.name, query, difference, queryTerms: terms.size, relevantCandidates: relevant.length },
      relevantOverlap: Math.max(0, ...relevant.map((document) => overlap(textOf(document)))),
      bestOtherOverlap: Math.max(0, ...others.map((document) => overlap(textOf(document)))),
      relevantWords: mean(relevant.map(({ text }) => words(text))),
      otherWords: mean(others.map(({ text }) => words(text))),
      rankByBaseline: rank(baseline),
      rankByMethod: rank(method),
      winnerWords: words(first.text),
    });
  }
}

const sorted = rows.filter(({ difference }) => difference !== 0).sort((x, y) => y.difference - x.difference);
const show = (title: string, some: Row[]) => {
  console.log(`${title}: ${some.length}`);
  for (const row of some) {
    const features = FEATURES.map((name) => row[name].toFixed(2)).join(" ");
    console.log(`  ${row.task} ${row.query} ${row.difference.toFixed(3)} ${features}`);
  }
  const means = FEATURES.map(
    (name) => `${name} ${mean(some.map((row) => row[name]).filter(Number.isFinite)).toFixed(2)}`,
  );
  console.log(`  mean: ${means.join(", ")}`);
};
const n = Number(count);
const tied = rows.length - sorted.length;
console.log(
  `${rows.length} queries, ${tied} equal, ${sorted.filter(({ difference }) => difference > 0).length} better; features: ${FEATURES.join(" ")}`,
);
show(`${method} wins`, sorted.slice(0, n));
show(`${baseline} wins`, sorted.slice(-n).reverse());
const all = FEATURES.map((name) => `${name} ${mean(rows.map((row) => row[name]).filter(Number.isFinite)).toFixed(2)}`);
console.log(`every query: ${all.join(", ")}`);
