import { invalidArgument } from "../errors.ts";
import type { Progress, RankOptions } from "../options.ts";
import { type PromptLayout, tokensNeeded } from "../prompt/layout.ts";
import { layOutDocuments } from "../reading/documents.ts";
import { canStandAlone, trainedFor } from "../reading/engine.ts";
import type { RankDocument } from "../types.ts";
import { largestOf } from "../util/extremes.ts";
import { isList } from "../util/kinds.ts";
import type { BatchResult } from "./batch.ts";
import { chooseResults, emptyRanking } from "./choose.ts";
import { checkFusion } from "./fusion.ts";
import type { RankPlan } from "./plan.ts";
import { type Asking, type Candidates, candidatesOf, promptsOf, rankCandidates } from "./rank.ts";
import type { Ranking, Standing } from "./results.ts";
import { rankInWindows } from "./windows/rank.ts";
import { indexWords } from "./words.ts";

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
  if (queries.length === 0) return;
  const { fusion } = plan;
  const texts = "trunk" in documents ? documents.documents : documents;
  if (texts.length === 0) {
    const { heads, model } = asking.engine;
    for (const query of queries) yield emptyRanking(query, heads.heads, plan, model.loadMs);
    return;
  }
  if (fusion) checkFusion(fusion, texts.length, queries.length);
  if (readsWords(plan)) await indexWords(texts, plan.signal);
  const settled = await settle(asking, documents, queries, plan);
  for await (const standing of rankByHeads(settled.asking, settled.documents, queries, settled.plan)) {
    if (standing.windows && queries.length > 1) {
      const isApart = canStandAlone(asking.engine, largestOf(standing.usage.documentTokens));
      standing.warnings.push(settled.plan === plan && isApart ? READ_AGAIN : READ_IN_WINDOWS);
    }
    yield chooseResults(standing, texts, settled.plan);
  }
}

/** Whether the words of the documents count, in whichever layout they come to stand. */
function readsWords({ fusion, relevance, otherwise }: RankPlan): boolean {
  return fusion?.prior === "bm25" || [relevance, otherwise?.relevance].some((one) => one?.words !== undefined);
}

type Asked = { asking: Asking; documents: readonly RankDocument[] | Candidates; plan: RankPlan };

/** Ranks in windows if the documents do not fit apart and the caller did not ask for independent documents. */
async function settle(
  asking: Asking,
  documents: readonly RankDocument[] | Candidates,
  queries: readonly string[],
  plan: RankPlan,
): Promise<Asked> {
  const { otherwise } = plan;
  const { engine, context, listwise } = asking;
  if (!otherwise || !listwise || "trunk" in documents) return { asking, documents, plan };
  const candidates = candidatesOf(await layOutDocuments(engine, context.layout, documents, plan));
  const prompts = await promptsOf(engine, candidates, queries, plan);
  if (prompts.every((prompt) => fitsApart(asking, prompt))) return { asking, documents: candidates, plan };
  const { promptTokens = Number.POSITIVE_INFINITY } = engine.heads;
  const { limit } = listwise.layout;
  // Windows as long as the heads are known to rank well in, if a long query leaves room for documents.
  const isRoomy = prompts.every((prompt) => 2 * (prompt.query.length + (prompt.nullQuery?.length ?? 0)) < promptTokens);
  const windows = { windowTokens: isRoomy ? Math.min(promptTokens, limit) : limit };
  return {
    asking: { engine, context: listwise },
    documents,
    plan: { ...plan, ...otherwise, windows, otherwise: undefined },
  };
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

/** Most cells of independent documents that the caller did not ask for: eight contexts, and no more than this. */
const [MOST_CONTEXTS, MOST_CELLS] = [8, 65_536];

function fitsApart({ engine, context }: Asking, prompt: PromptLayout): boolean {
  const longest = prompt.trunk.documentSpans.reduce((most, [begin, end]) => Math.max(most, end - begin), 0);
  if (!canStandAlone(engine, longest)) return false;
  if (context.layout.overflow(prompt)) return false;
  return tokensNeeded(prompt) <= Math.min(MOST_CELLS, MOST_CONTEXTS * trainedFor(engine));
}

/** A result with what the queue adds to it. */
type Waited = Pick<Ranking, "timings" | "warnings" | "windows">;

/** Ranks for one query, and adds to the timings how long the call waited. */
export async function rankOne<R extends Waited>(
  run: (work: () => Promise<R>) => Promise<R>,
  rank: () => AsyncIterable<R>,
): Promise<R> {
  const asked = performance.now();
  return run(async () => {
    const waitMs = performance.now() - asked;
    for await (const result of rank()) return { ...result, timings: { ...result.timings, waitMs } };
    throw new Error("A query without a result");
  });
}

/**
 * Ranks for many queries, hands over each result as there is one, and says how fast.
 *
 * @param asked When the call was made, which may have waited since.
 */
export async function rankEach<R extends Waited>(
  queries: readonly string[],
  rank: (onProgress: RankOptions["onProgress"]) => AsyncIterable<R>,
  { asked, onProgress }: { asked: number; onProgress: RankOptions["onProgress"] },
  onRanking: (ranking: R) => void,
): Promise<BatchResult["throughput"]> {
  const began = performance.now();
  const waitMs = began - asked;
  const times: number[] = [];
  for await (const ranking of rank(onProgress && batchProgress(onProgress, () => times.length, queries.length))) {
    times.push(ranking.timings.totalMs);
    onProgress?.({ phase: "query", done: times.length, total: queries.length });
    onRanking({ ...ranking, timings: { ...ranking.timings, waitMs } });
  }
  const totalMs = performance.now() - began;
  return {
    queries: queries.length,
    totalMs,
    queriesPerSecond: queries.length === 0 ? 0 : (queries.length / totalMs) * 1000,
    medianMs: times.sort((a, b) => a - b)[times.length >>> 1] ?? 0,
  };
}

const READ_IN_WINDOWS = "The documents do not fit together, and windows read them again for every query";
const READ_AGAIN =
  "The documents do not fit one prompt, and windows read them again for every query: each is read once with " +
  'layout: "independent"';

/** Progress: the prefill of the documents for the first query, then the number of queries done. */
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

/** @throws InputError `INVALID_ARGUMENT` when it is no list, or one of them is blank. */
export function assertQueries(queries: unknown): asserts queries is readonly string[] {
  if (!isList(queries)) throw invalidArgument("queries", "a list of queries", queries);
  for (const [index, query] of queries.entries()) assertQuery(query, `queries[${index}]`);
}
