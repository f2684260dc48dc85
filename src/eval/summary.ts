import { sortAsTrec } from "../bm25/order.ts";
import { mean } from "../util/mean.ts";
import { kendallTau } from "./metrics/correlation.ts";
import { type Gain, type Measure, measure, measureKey } from "./metrics/measures.ts";
import { bootstrap, holm, type Interval, percentile, randomizationTest } from "./metrics/statistics.ts";
import type { Outcome } from "./outcome.ts";
import type { Dropped, Grades } from "./types.ts";

/** What a summary needs to know of a task, without its documents. */
export type TaskFacts = {
  name: string;
  format: string;
  firstStage: "bm25" | "run" | "given";
  documents: number | null;
  dropped: readonly Dropped[];
  /** Topics that were drawn, in order. */
  topics: { id: string; grades: Grades; group?: string }[];
};

export type SummaryOptions = {
  measures: readonly Measure[];
  gain: Gain;
  /** Method that the others are tested against. */
  baseline: string;
  seed: number;
  /** Bootstrap samples and randomizations. Defaults to `10000`. */
  samples?: number;
};

/** One method on one task. */
export type MethodSummary = {
  method: string;
  /** Queries that count: ranked, failed ones (which count 0) and those without candidates (0 too). */
  queries: number;
  failed: number;
  empty: number;
  /** Queries with a warning, and the first warning; null if there are none. */
  doubts: { queries: number; example: string } | null;
  /** Documents whose end a model with a short context did not read, over all queries. */
  cut: number;
  /** Answers of a generating model, and those that were no permutation; over all orders of the candidates. */
  answers: number;
  malformed: number;
  measures: Record<string, Interval>;
  /** Values by query, in the order of the task's topics. */
  values: Record<string, number[]>;
  /** Of queries that were ranked. */
  latencyMs: { median: number; p95: number };
  tokensPerSecond: number | null;
  peakBytes: number | null;
  /** Difference to the baseline on the first measure, with p by the randomization test, alone and after Holm. */
  comparison: { baseline: string; measure: string; difference: number; p: number; pHolm: number } | null;
  /** Agreement of the rankings of every two orders of the same candidates. */
  order: {
    permutations: number;
    /** Queries with a τ: two rankings at least, none of which ties everything. */
    queries: number;
    /** Permuted rankings that failed. */
    failed: number;
    tau: number;
    deviation: number;
  } | null;
};

export type TaskSummary = Omit<TaskFacts, "topics"> & {
  queries: number;
  candidates: { mean: number; max: number };
  /** What a perfect ranking of the same candidates would reach. */
  ceiling: Record<string, number>;
  methods: MethodSummary[];
};

/** Sums up the outcomes of one task, methods in the order given. A method without any outcome is left out. */
export function summarizeTask(
  facts: TaskFacts,
  outcomes: readonly Outcome[],
  methods: readonly string[],
  options: SummaryOptions,
): TaskSummary {
  const byMethod = new Map<string, Outcome[]>(methods.map((name) => [name, []]));
  for (const outcome of outcomes) if (outcome.task === facts.name) byMethod.get(outcome.method)?.push(outcome);
  const summaries = [...byMethod]
    .filter(([, found]) => found.length > 0)
    .map(([name, found]) => summarizeMethod(facts, name, found, options));
  compare(summaries, options);
  const { topics, ...rest } = facts;
  const someone = [...byMethod.values()].find((found) => found.some(({ status }) => status === "ok")) ?? [];
  const lists = someone.filter(({ permutation, status }) => permutation === 0 && status === "ok");
  const lengths = lists.map(({ ids }) => ids.length);
  return {
    ...rest,
    queries: topics.length,
    candidates: { mean: mean(lengths), max: Math.max(0, ...lengths) },
    ceiling: ceiling(facts, lists, options),
    methods: summaries,
  };
}

function summarizeMethod(
  facts: TaskFacts,
  method: string,
  found: readonly Outcome[],
  options: SummaryOptions,
): MethodSummary {
  const first = new Map(
    found.filter(({ permutation }) => permutation === 0).map((outcome) => [outcome.query, outcome]),
  );
  const topics = facts.topics.filter(({ id }) => first.has(id));
  const outcomes = topics.map(({ id }) => first.get(id)!);
  const ranked = outcomes.filter(({ status, ids }) => status === "ok" && ids.length > 0);
  const values: Record<string, number[]> = {};
  const measures: Record<string, Interval> = {};
  const rankings = outcomes.map(rankingOf);
  for (const wanted of options.measures) {
    const key = measureKey(wanted);
    values[key] = topics.map(({ grades }, i) => measure(wanted, rankings[i]!, grades, options.gain));
    measures[key] = bootstrap(values[key], options.seed, options.samples);
  }
  const times = ranked.map(({ ms }) => ms);
  const tokens = ranked.reduce((sum, outcome) => sum + (outcome.tokens ?? 0), 0);
  const seconds = times.reduce((sum, ms) => sum + ms, 0) / 1000;
  const count = (pick: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + pick(outcome), 0);
  const peak = Math.max(0, ...outcomes.map(({ peakBytes }) => peakBytes ?? 0));
  return {
    method,
    queries: outcomes.length,
    failed: count(({ status }) => (status === "failed" ? 1 : 0)),
    empty: count(({ status, ids }) => (status === "ok" && ids.length === 0 ? 1 : 0)),
    doubts: findDoubts(outcomes),
    cut: count(({ cut }) => cut ?? 0),
    answers: found.reduce((sum, { answers = 0 }) => sum + answers, 0),
    malformed: found.reduce((sum, { malformed = 0 }) => sum + malformed, 0),
    measures,
    values,
    latencyMs: { median: percentile(times, 0.5), p95: percentile(times, 0.95) },
    tokensPerSecond: tokens > 0 && seconds > 0 ? tokens / seconds : null,
    peakBytes: peak > 0 ? peak : null,
    comparison: null,
    order: orderSensitivity(found),
  };
}

function findDoubts(outcomes: readonly Outcome[]): MethodSummary["doubts"] {
  const doubted = outcomes.filter(({ warnings = [] }) => warnings.length > 0);
  return doubted[0] ? { queries: doubted.length, example: doubted[0].warnings!.join("; ") } : null;
}

/** The ids of an outcome in trec_eval's order; none where the method failed. */
export function rankingOf({ ids, scores }: Pick<Outcome, "ids" | "scores">): string[] {
  return sortAsTrec(ids, scores).map((i) => ids[i]!);
}

/** Fills in `comparison` of every method but the baseline, on the queries that both have. */
function compare(summaries: MethodSummary[], { measures, baseline, seed, samples }: SummaryOptions): void {
  const base = summaries.find(({ method }) => method === baseline);
  const first = measures[0];
  if (!base || !first) return;
  const key = measureKey(first);
  const others = summaries.filter((summary) => summary !== base && summary.queries === base.queries);
  const p = others.map(({ values }) => randomizationTest(values[key]!, base.values[key]!, seed, samples));
  const corrected = holm(p);
  for (const [i, summary] of others.entries()) {
    const difference = summary.measures[key]!.mean - base.measures[key]!.mean;
    summary.comparison = { baseline, measure: key, difference, p: p[i]!, pHolm: corrected[i]! };
  }
}

function ceiling(
  { topics }: TaskFacts,
  lists: readonly Outcome[],
  { measures, gain }: SummaryOptions,
): Record<string, number> {
  const byQuery = new Map(lists.map((outcome) => [outcome.query, outcome.ids]));
  const known = topics.filter(({ id }) => byQuery.has(id));
  const best = known.map(({ id, grades }) => {
    return [...byQuery.get(id)!].sort((a, b) => (grades.get(b) ?? 0) - (grades.get(a) ?? 0));
  });
  return Object.fromEntries(
    measures.map((wanted) => {
      const values = known.map(({ grades }, i) => measure(wanted, best[i]!, grades, gain));
      return [measureKey(wanted), mean(values)];
    }),
  );
}

/** Kendall's τ of every two orders of a query's candidates, averaged by query; mean and deviation over queries. */
function orderSensitivity(found: readonly Outcome[]): MethodSummary["order"] {
  const byQuery = new Map<string, Outcome[]>();
  const permuted = found.filter(({ permutation }) => permutation > 0);
  if (permuted.length === 0) return null;
  const failed = permuted.filter(({ status }) => status === "failed").length;
  for (const outcome of found) {
    if (outcome.status !== "ok" || outcome.ids.length < 2) continue;
    byQuery.set(outcome.query, [...(byQuery.get(outcome.query) ?? []), outcome]);
  }
  const taus: number[] = [];
  let permutations = 0;
  for (const orders of byQuery.values()) {
    if (orders.length < 2) continue;
    permutations = Math.max(permutations, orders.length - 1);
    const pairs = orders.flatMap((a, i) => orders.slice(0, i).map((b) => kendallTau(a.scores, b.scores)));
    const defined = pairs.filter(Number.isFinite);
    if (defined.length > 0) taus.push(mean(defined));
  }
  const tau = mean(taus);
  const deviation = Math.sqrt(taus.reduce((sum, value) => sum + (value - tau) ** 2, 0) / Math.max(1, taus.length - 1));
  return { permutations, queries: taus.length, failed, tau, deviation };
}
