import { QRHeadError } from "../errors.ts";
import { callNative } from "../native/call.ts";
import { contentTokens, type PromptLayout } from "../prompt/layout.ts";
import { type LaidDocuments, layOutPrompt } from "../reading/documents.ts";
import type { Engine } from "../reading/engine.ts";
import type { KvContext, Observed, Prompts } from "../reading/kv-context.ts";
import type { SavedCells } from "../reading/layout.ts";
import { findDegenerate } from "./degenerate.ts";
import type { RankPlan } from "./plan.ts";
import { type Described, describeTokens, type Standing } from "./results.ts";
import { scoreDocuments } from "./scoring/documents.ts";
import { isBlank, isTerse, type Placed, placeDocuments } from "./scoring/placement.ts";
import { oddsOf } from "./scoring/relevance.ts";
import { tokenScores } from "./token-scores.ts";
import { warningsOf } from "./warnings.ts";
import { echoesOf } from "./words.ts";

/** Documents that are ready for queries, with what places them whatever the query. */
export type Candidates = LaidDocuments & { placed: readonly Omit<Placed, "score">[] };

/** What queries over the same documents are asked of. */
export type Asking = {
  engine: Engine;
  context: KvContext;
  /** For documents that do not fit apart. */
  listwise?: KvContext;
  saved?: SavedCells | undefined;
};

export function candidatesOf(laid: LaidDocuments): Candidates {
  const { documents, positions, trunk } = laid;
  const placed = documents.map((document, index) => ({
    span: trunk.documentSpans[positions[index]!]!,
    contentTokens: contentTokens(trunk, positions[index]!),
    blank: isBlank(document),
    titled: (document.title ?? "").trim() !== "",
  }));
  return { ...laid, placed };
}

/** The prompts of queries after the same documents. */
export async function promptsOf(
  engine: Engine,
  { trunk }: Candidates,
  queries: readonly string[],
  { nullQuery, signal }: RankPlan,
): Promise<Prompts> {
  const [first, ...others] = queries;
  const prompt = await layOutPrompt(engine, trunk, first!, nullQuery, signal);
  const prompts: [PromptLayout, ...PromptLayout[]] = [prompt];
  for (const query of others) {
    prompts.push({ ...(await layOutPrompt(engine, trunk, query, null, signal)), nullQuery: prompt.nullQuery });
  }
  return prompts;
}

/**
 * Ranks documents for queries, several in one pass where that is possible: sections 2 and 3 of the paper.
 *
 * @param began When the call began.
 * @throws ContextOverflowError when a prompt does not fit.
 * @throws QRHeadError `ATTENTION_INVALID` rather than a ranking that cannot be trusted.
 */
export async function* rankCandidates(
  { engine, context, saved }: Asking,
  candidates: Candidates,
  queries: readonly string[],
  prompts: Prompts,
  plan: RankPlan,
  began: number,
): AsyncGenerator<Standing> {
  let at = 0;
  let before = performance.now() - began;
  for await (const observed of context.observe(prompts, plan.how, plan, saved)) {
    const scoring = performance.now();
    const [query, prompt] = [queries[at]!, prompts[at]!];
    const result = await standingOf(engine, candidates, query, prompt, observed, plan);
    const { prefillMs, nullMs, queryMs } = observed.timings;
    const now = performance.now();
    const totalMs = queries.length === 1 ? now - began : before + prefillMs + nullMs + queryMs + now - scoring;
    yield { ...result, timings: { ...result.timings, totalMs } };
    before = 0;
    at++;
  }
}

async function standingOf(
  engine: Engine,
  { documents, positions, placed, trunk }: Candidates,
  query: string,
  prompt: PromptLayout,
  observed: Observed,
  plan: RankPlan,
): Promise<Standing> {
  const { heads, model } = engine;
  const { mask, weights, signal } = plan;
  const end = trunk.tokens.length;
  const values = await tokenScores(engine, observed.query, observed.null, { end, weights, signal });
  const scores = scoreDocuments(values, trunk.documentSpans, { mask });
  const raw = await tokenScores(engine, observed.query, null, { end, weights, signal });
  const { error, warning } = findDegenerate(prompt, { query, nullQuery: plan.nullQuery }, values, raw, scores);
  if (error !== undefined) throw new QRHeadError("ATTENTION_INVALID", error);
  const terse = placed.flatMap((one, index) => (isTerse(one) ? [index] : []));
  const echoes = await echoesOf(query, documents, terse, signal);
  const { order, demoted, behind } = placeDocuments(
    placed.map((place, index) => ({ ...place, score: scores[positions[index]!]! })),
    values,
    { mask, echoes },
  );
  const headScores = await scoreHeads();
  const masses = scoreDocuments(raw, trunk.documentSpans, { mask: false });
  const weight = weights ? weights.reduce((sum, one) => sum + one, 0) : heads.heads.length;
  const { odds, rawOdds } = oddsOf(scores, masses, weight);

  const describe = (index: number): Described => {
    const position = positions[index]!;
    return {
      index,
      id: documents[index]!.id,
      score: scores[position]!,
      ...(demoted[index] && { demoted: demoted[index] }),
      ...(documents[index]!.truncated && { truncated: true }),
      ...(headScores && { headScores: heads.heads.map((_, row) => headScores[row * documents.length + position]!) }),
      ...(plan.tokenScores && { tokenScores: describeTokens(trunk, values, position, mask) }),
    };
  };
  return {
    query,
    heads: [...heads.heads],
    ...(weights && { weights: [...heads.weights!] }),
    ...{ order, behind, describe },
    odds: positions.map((position) => odds[position]!),
    rawOdds: positions.map((position) => rawOdds[position]!),
    usage: {
      promptTokens: end + prompt.query.length,
      queryTokens: prompt.query.length,
      documentTokens: placed.map(({ span: [from, to] }) => to - from),
    },
    timings: { loadMs: model.loadMs, ...observed.timings, totalMs: 0 },
    warnings: [
      // The positions of independent documents are bounded by the longest of them.
      ...warningsOf(
        engine,
        plan.isChosen ? plan.layout : undefined,
        plan.layout === "listwise" ? end + prompt.query.length : undefined,
      ),
      ...(warning === undefined ? [] : [warning]),
    ],
  };

  async function scoreHeads(): Promise<Float32Array | undefined> {
    const [seen, baseline] = [observed.query, observed.null];
    if (!plan.headScores || seen instanceof Float32Array || baseline instanceof Float32Array) return undefined;
    const spans = Uint32Array.from(trunk.documentSpans.flat());
    return callNative(model.library.addon, signal, () =>
      seen.documentScores({ baseline, spans, mask: mask ? "shared" : "none", weights }),
    );
  }
}
