import { invalidArgument } from "../errors.ts";
import type { Progress, RankOptions } from "../options.ts";
import { layOutDocuments } from "../reading/documents.ts";
import type { RankDocument } from "../types.ts";
import { chooseResults, emptyRanking } from "./choose.ts";
import { checkFusion } from "./fusion.ts";
import type { RankPlan } from "./plan.ts";
import { type Asking, type Candidates, candidatesOf, promptsOf, rankCandidates } from "./rank.ts";
import type { RankResult } from "./results.ts";
import { rankInWindows } from "./windows/rank.ts";

export type BatchOptions = RankOptions & {
  /** Called with each result as soon as there is one, in the order of the queries. What it throws ends the batch. */
  onResult?: ((result: RankResult, index: number) => void) | undefined;
};

export type BatchResult = {
  /** One per query, in their order. */
  results: RankResult[];
  throughput: {
    queries: number;
    /** Milliseconds of the whole batch, reading the documents included. */
    totalMs: number;
    /** Queries a second over the whole batch. */
    queriesPerSecond: number;
    /** Milliseconds of the median query. The first one reads the documents, unless they were read. */
    medianMs: number;
  };
};

/**
 * Ranks documents for queries, by the heads and, where the plan says so, by a first stage's scores as well.
 *
 * @throws ContextOverflowError when a prompt does not fit and there may be no windows.
 */
export async function* rankAll(
  asking: Asking,
  documents: readonly RankDocument[] | Candidates,
  queries: readonly string[],
  plan: RankPlan,
): AsyncGenerator<Ranking> {
  const { fusion } = plan;
  const texts = "trunk" in documents ? documents.documents : documents;
  if (texts.length === 0) {
    const { heads, model } = asking.engine;
    for (const query of queries) yield emptyRanking(query, heads.heads, plan, model.loadMs);
    return;
  }
  if (fusion) checkFusion(fusion, texts.length, queries.length);
  for await (const standing of rankByHeads(asking, documents, queries, plan)) {
    yield chooseResults(standing, texts, plan);
  }
}

/** In one prompt where that is possible, since scores of one prompt need no merging, else in windows. */
async function* rankByHeads(
  asking: Asking,
  documents: readonly RankDocument[] | Candidates,
  queries: readonly string[],
  plan: RankPlan,
): AsyncGenerator<Standing> {
  const began = performance.now();
  const { engine, context } = asking;
  const candidates =
    "trunk" in documents ? documents : candidatesOf(await layOutDocuments(engine, context.layout, documents, plan));
  const prompts = await promptsOf(engine, candidates, queries, plan);
  const mayWindow = plan.layout === "listwise" && plan.windows !== "never";
  const must = typeof plan.windows === "object";
  if (!mayWindow || !(must || prompts.some((prompt) => context.layout.overflow(prompt)))) {
    yield* rankCandidates(asking, candidates, queries, prompts, plan, began);
    return;
  }
  const single = { ...plan, maxDocumentTokens: undefined, windows: "never" as const };
  for (const [index, query] of queries.entries()) {
    const prompt = prompts[index]!;
    const rank = async (members: readonly RankDocument[], signalled: RankPlan): Promise<Standing> => {
      for await (const result of rankByHeads(asking, members, [query], signalled)) return result;
      throw new Error("A query without a result");
    };
    if (!must && !context.layout.overflow(prompt)) {
      yield* rankCandidates(asking, candidates, [query], [prompt], plan, began);
      continue;
    }
    yield await rankInWindows(
      { limit: context.layout.limit, rank: (members, onProgress) => rank(members, { ...single, onProgress }) },
      candidates,
      prompt,
      typeof plan.windows === "object" ? plan.windows : {},
      plan,
    );
  }
}

/** Ranks for one query, and adds to the timings how long the call waited. */
export async function rankOne(
  run: (work: () => Promise<RankResult>) => Promise<RankResult>,
  rank: () => AsyncIterable<RankResult>,
): Promise<RankResult> {
  const asked = performance.now();
  return run(async () => {
    const waitMs = performance.now() - asked;
    for await (const result of rank()) return { ...result, timings: { ...result.timings, waitMs } };
    throw new Error("A query without a result");
  });
}

/** @throws InputError `INVALID_ARGUMENT` before any query is asked when one is blank, or there are none. */
export async function rankMany(
  queries: readonly string[],
  rank: (onProgress: RankOptions["onProgress"]) => AsyncIterable<RankResult>,
  { onResult, onProgress }: Pick<BatchOptions, "onResult" | "onProgress">,
): Promise<BatchResult> {
  if (!Array.isArray(queries) || queries.length === 0) throw invalidArgument("queries", "a list of queries", queries);
  if (onResult !== undefined && typeof onResult !== "function")
    throw invalidArgument("onResult", "a function", onResult);
  for (const [index, query] of queries.entries()) assertQuery(query, `queries[${index}]`);
  const began = performance.now();
  const results: RankResult[] = [];
  for await (const result of rank(onProgress && batchProgress(onProgress, () => results.length, queries.length))) {
    if (result.windows && queries.length > 1) result.warnings.push(READ_AGAIN);
    results.push(result);
    onProgress?.({ phase: "query", done: results.length, total: queries.length });
    onResult?.(result, results.length - 1);
  }
  const totalMs = performance.now() - began;
  const sorted = results.map(({ timings }) => timings.totalMs).sort((a, b) => a - b);
  return {
    results,
    throughput: {
      queries: queries.length,
      totalMs,
      queriesPerSecond: (queries.length / totalMs) * 1000,
      medianMs: sorted[sorted.length >>> 1]!,
    },
  };
}

const READ_AGAIN =
  "The documents do not fit one prompt, and windows read them again for every query: each is read once with " +
  'layout: "independent"';

/** The reading of the documents as it is for the first query; from then on how many queries have been asked. */
function batchProgress(onProgress: (progress: Progress) => void, answered: () => number, queries: number) {
  return (progress: Progress) => {
    const index = answered();
    if (index === 0 && progress.phase !== "query") return onProgress(progress);
    const share = progress.phase === "prefill" ? progress.done / Math.max(1, progress.total) : 0;
    if (progress.phase === "prefill" || (index === 0 && progress.done === 0)) {
      onProgress({ phase: "query", done: index + Math.min(share, 0.99), total: queries });
    }
  };
}

/** @throws InputError `INVALID_ARGUMENT` for a query that is no text or blank. */
export function assertQuery(query: unknown, name = "query"): asserts query is string {
  if (typeof query !== "string" || query.trim() === "") throw invalidArgument(name, "a text that is not blank", query);
}
