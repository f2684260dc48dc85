import { sortAsTrec } from "../../src/bm25/order.ts";
import { measure, parseMeasure } from "../../src/eval/metrics/measures.ts";
import { bootstrap, randomizationTest } from "../../src/eval/metrics/statistics.ts";
import { mean } from "../../src/util/mean.ts";
import type { Config } from "./config.ts";
import type { Method } from "./methods.ts";
import type { OpenTask, Reading } from "./reading.ts";

export const MEASURES = ["ndcg@10", "recall@5", "recall-all@5", "success@1"] as const;
export type MeasureKey = (typeof MEASURES)[number];

/** Values of every query of a set that was read, by measure and method, and those of the best order of the candidates. */
export type SetResults = {
  name: string;
  queries: number;
  /** The ids of the queries, in the order of their values. */
  ids: string[];
  values: Record<MeasureKey, Map<string, number[]>>;
  ceiling: Record<MeasureKey, number>;
};

export type Results = { sets: SetResults[]; promptTokens: number; cpuMs: number };

const forMeasures = <T>(make: (key: MeasureKey) => T) =>
  Object.fromEntries(MEASURES.map((key) => [key, make(key)])) as Record<MeasureKey, T>;

/**
 * Scores every query that was read by every method. A query that some method cannot rank is left out for all.
 *
 * @param open What was read of a query of a task; null where nothing was.
 */
export function evaluate<Of extends { reading: Reading }>(
  tasks: readonly OpenTask[],
  methods: readonly Method<Of>[],
  open: (task: string, query: string) => Of | null,
): Results {
  const all: Reading[] = [];
  const sets = tasks.map(({ task, topics }): SetResults => {
    const values = forMeasures(() => new Map<string, number[]>(methods.map(({ name }) => [name, []])));
    const ceilings = forMeasures((): number[] => []);
    const ids: string[] = [];
    for (const topic of topics) {
      const read = open(task.name, topic.id);
      if (!read) continue;
      const { reading } = read;
      const scored = methods.map(({ rank }) => rank(read));
      if (scored.includes(undefined)) continue;
      all.push(reading);
      ids.push(topic.id);
      const grades = new Map(reading.grades);
      const best = [...reading.ids].sort((a, b) => (grades.get(b) ?? 0) - (grades.get(a) ?? 0));
      const rankings = scored.map((scores) => sortAsTrec(reading.ids, scores!).map((i) => reading.ids[i]!));
      for (const key of MEASURES) {
        const value = (ranking: readonly string[]) => measure(parseMeasure(key), ranking, grades, "linear");
        for (const [index, { name }] of methods.entries()) values[key].get(name)!.push(value(rankings[index]!));
        ceilings[key].push(value(best));
      }
    }
    return { name: task.name, queries: ids.length, ids, values, ceiling: forMeasures((key) => mean(ceilings[key])) };
  });
  return {
    sets: sets.filter(({ queries }) => queries > 0),
    promptTokens: median(all.map(({ promptTokens }) => promptTokens)),
    cpuMs: median(all.map(({ cpuMs }) => cpuMs)),
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Methods of one row: random draws share one, and count by their mean. */
export function rowsOf(methods: readonly Pick<Method, "name">[]): Map<string, string[]> {
  const rows = new Map<string, string[]>();
  for (const { name } of methods) {
    const row = /^random, \d+$/.test(name) ? "random heads" : name;
    rows.set(row, [...(rows.get(row) ?? []), name]);
  }
  return rows;
}

/** A row's value of each query of a set. */
export function valuesOf(set: SetResults, names: readonly string[], key: MeasureKey): number[] {
  const columns = names.map((name) => set.values[key].get(name)!);
  return Array.from({ length: set.queries }, (_, query) => mean(columns.map((column) => column[query]!)));
}

export type Difference = { mean: number; low: number; high: number; p: number };

/** One row against another over the queries of all sets: bootstrap interval and paired randomization test. */
export function difference(
  { sets }: Results,
  [a, b]: readonly [readonly string[], readonly string[]],
  { seed }: Config,
  key: MeasureKey = "ndcg@10",
): Difference {
  const [left, right] = [a, b].map((names) => sets.flatMap((set) => valuesOf(set, names, key))) as [number[], number[]];
  const interval = bootstrap(
    left.map((value, index) => value - right[index]!),
    seed,
  );
  return { ...interval, p: randomizationTest(left, right, seed) };
}
