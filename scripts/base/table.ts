// One table from the results folders of several runs of `qrhead eval` over the same candidates: nDCG@10 a set, differences
// to the first column with 95 % paired bootstrap intervals, and means over the sets. Runs that are not done count as far as
// they are: only queries that every column has.
//
//   npx tsx scripts/base/table.ts bm25=RUN/mini:bm25 base=RUN/base:qrhead base+bm25=0.6*base+bm25
//
// A run is a folder with one results folder a set. The last form is a sum of z-scores of two columns.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { sortAsTrec } from "../../src/bm25/order.ts";
import { measure } from "../../src/eval/metrics/measures.ts";
import { bootstrap, percentile } from "../../src/eval/metrics/statistics.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { fuseScores } from "../../src/ranking/fusion.ts";
import { mean } from "../../src/util/mean.ts";

type Ranking = { ids: string[]; scores: number[] };
/** Rankings by set and query. */
type Column = Map<string, Map<string, Ranking>>;
type Outcome = Ranking & { task: string; query: string; method: string; permutation: number; status: string };

const columns = new Map<string, Column>();
const grades = new Map<string, Record<string, Record<string, number>>>();
for (const text of process.argv.slice(2)) {
  const [, name, spec] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined)
    throw new Error(`Expected NAME=FOLDER:METHOD or NAME=WEIGHT*COLUMN+COLUMN but received ${text}`);
  const [, weight, first, second] = /^([\d.]+)\*(.+?)\+([^+]+)$/.exec(spec!) ?? [];
  const [, folder, method] = /^(.+):([^:]+)$/.exec(spec!) ?? [];
  columns.set(
    name,
    weight ? fused(columns.get(first!)!, columns.get(second!)!, Number(weight)) : read(folder!, method!),
  );
}

function read(folder: string, method: string): Column {
  const column: Column = new Map();
  for (const set of readdirSync(folder)) {
    const journal = path.join(folder, set, "results.jsonl");
    if (!existsSync(journal)) continue;
    const lines = readFileSync(journal, "utf8").split("\n").slice(1, -1);
    const outcomes = lines.map((line) => JSON.parse(line) as Outcome);
    const own = outcomes.filter((o) => o.method === method && o.permutation === 0 && o.status === "ok");
    if (own.length > 0) column.set(own[0]!.task, new Map(own.map((o) => [o.query, o])));
    const report = path.join(folder, set, "report.json");
    if (!existsSync(report)) continue;
    const { judgements } = JSON.parse(readFileSync(report, "utf8"));
    for (const [task, found] of Object.entries(judgements)) {
      grades.set(task, { ...grades.get(task), ...(found as Record<string, Record<string, number>>) });
    }
  }
  return column;
}

function fused(first: Column, second: Column, weight: number): Column {
  const joined: Column = new Map();
  for (const [set, rankings] of first) {
    const made = new Map<string, Ranking>();
    for (const [query, { ids, scores }] of rankings) {
      const other = second.get(set)?.get(query);
      if (!other) continue;
      const byId = new Map(other.ids.map((id, i) => [id, other.scores[i]!]));
      made.set(query, {
        ids,
        scores: fuseScores(
          scores,
          ids.map((id) => byId.get(id)!),
          { weight },
        ),
      });
    }
    joined.set(set, made);
  }
  return joined;
}

function value(set: string, query: string, { ids, scores }: Ranking): number {
  const order = sortAsTrec(ids, scores).map((i) => ids[i]!);
  const judged = new Map(Object.entries(grades.get(set)![query]!));
  return measure({ name: "ndcg", cutoff: 10 }, order, judged, "exponential");
}

const names = [...columns.keys()];
const baseline = names[0]!;
const sets = [...columns.get(baseline)!.keys()].filter((set) => grades.has(set));
/** By set and column, a value for every query that all columns have. */
const values = new Map(
  sets.flatMap((set): [string, Map<string, number[]>][] => {
    const all = names.map((name) => columns.get(name)!.get(set));
    const queries = [...(all[0]?.keys() ?? [])].filter((query) => all.every((column) => column?.has(query)));
    if (queries.length === 0) return [];
    return [[set, new Map(names.map((name, i) => [name, queries.map((q) => value(set, q, all[i]!.get(q)!))]))]];
  }),
);

const decimals = (number: number) =>
  number
    .toFixed(3)
    .replace(/^(-?)0\./, "$1.")
    .replace("-", "−");
const signed = (number: number) => (number < 0 ? "" : "+") + decimals(number);
console.log(`| set | queries | ${names.join(" | ")} |\n|${"---|".repeat(names.length + 2)}`);
for (const [set, byName] of values) {
  const base = byName.get(baseline)!;
  const cells = names.map((name) => {
    const own = byName.get(name)!;
    if (name === baseline) return decimals(mean(own));
    const { low, high } = bootstrap(
      own.map((x, i) => x - base[i]!),
      42,
    );
    return `${decimals(mean(own))} (${signed(low)} to ${signed(high)})`;
  });
  console.log(`| ${set} | ${base.length} | ${cells.join(" | ")} |`);
}
const macro = (name: string) => mean([...values.values()].map((byName) => mean(byName.get(name)!)));
console.log(`| mean | | ${names.map((name) => decimals(macro(name))).join(" | ")} |`);

/** The difference of two columns' means over sets, queries drawn anew within every set. */
function difference(first: string, second: string): string {
  const random = seededRandom(42);
  const perSet = [...values.values()].map((byName) => byName.get(first)!.map((x, i) => x - byName.get(second)![i]!));
  const samples = Array.from({ length: 10_000 }, () =>
    mean(perSet.map((own) => mean(own.map(() => own[Math.floor(random() * own.length)]!)))),
  );
  const ahead = perSet.filter((own) => mean(own) > 1e-9).length;
  const worst = Math.min(...perSet.map(mean));
  const bounds = `${signed(percentile(samples, 0.025))} to ${signed(percentile(samples, 0.975))}`;
  return `${signed(mean(perSet.map(mean)))} (${bounds}), ahead on ${ahead} of ${perSet.length}, worst ${signed(worst)}`;
}
for (const [i, first] of names.entries()) {
  for (const second of names.slice(0, i)) console.log(`\n${first} against ${second}: ${difference(first, second)}`);
}
