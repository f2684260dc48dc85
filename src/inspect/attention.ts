import { headKey } from "../heads/heads.ts";
import type { PromptLayout } from "../prompt/layout.ts";
import { findDegenerate } from "../ranking/degenerate.ts";
import type { RankPlan } from "../ranking/plan.ts";
import { describeTokens } from "../ranking/results.ts";
import { scoreDocuments } from "../ranking/scoring/documents.ts";
import { tokenScores } from "../ranking/token-scores.ts";
import type { LaidDocuments } from "../reading/documents.ts";
import type { Engine } from "../reading/engine.ts";
import type { Observed } from "../reading/kv-context.ts";

/** Attention of one head, or of all together: a value per token of every document, by document. */
export type HeadAttention = {
  /** `layer-head`, or `all`. */
  name: string;
  /** Less the null query's; the same as `raw` where there is none. */
  calibrated: number[][];
  /** As the query alone attends. */
  raw: number[][];
};

export type Inspection = {
  query: string;
  documents: {
    id: string;
    /**
     * Of the calibrated attention, with outliers masked; and of the raw one, alike. What `rank` gives by the heads alone, and
     * calls `attention` where a first stage is fused.
     */
    score: number;
    rawScore: number;
    /** Texts of the tokens; they join to `[i] title`, line break, text. */
    tokens: string[];
  }[];
  /** The sum over all heads first, then single heads, those that contribute most first, at most 32. */
  heads: HeadAttention[];
  calibrated: boolean;
  /** Why the scores mean nothing, if they do. */
  warnings: string[];
};

const SHOWN_HEADS = 32;

/** Attention of the query's tokens on every token of the documents, averaged over the query's tokens. */
export async function describeAttention(
  engine: Engine,
  query: string,
  { documents, positions }: LaidDocuments,
  layout: PromptLayout,
  observed: Observed<{ rows: "heads" }>,
  { mask, weights, nullQuery, signal }: RankPlan,
): Promise<Inspection> {
  const { trunk } = layout;
  const end = trunk.tokens.length;
  const spans = trunk.documentSpans;
  const byDocument = (row: Float32Array) => spans.map((span) => Array.from(row.subarray(...span)));
  const calibrated = await tokenScores(engine, observed.query, observed.null, { end, weights, signal });
  const raw = await tokenScores(engine, observed.query, null, { end, weights, signal });
  const scores = scoreDocuments(calibrated, spans, { mask });
  const rawScores = scoreDocuments(raw, spans, { mask });
  const { error, warning } = findDegenerate(layout, { query, nullQuery }, calibrated, raw, scores);
  // In the order of the prompt.
  const shown = positions.map((_, position) => documents[positions.indexOf(position)]!);

  const single = engine.heads.heads.map((head, index): HeadAttention & { mass: number } => {
    const row = observed.query.row(index).subarray(0, end);
    const base = observed.null?.row(index);
    const difference = base ? row.map((value, token) => value - base[token]!) : row;
    const mass = spans
      .flatMap((span) => Array.from(difference.subarray(...span)))
      .reduce((sum, value) => sum + Math.abs(value), 0);
    return { name: headKey(head), calibrated: byDocument(difference), raw: byDocument(row), mass };
  });
  return {
    query,
    documents: shown.map(({ id }, index) => ({
      id,
      score: scores[index]!,
      rawScore: rawScores[index]!,
      tokens: describeTokens(trunk, calibrated, index, mask).map(({ text }) => text),
    })),
    heads: [
      { name: "all", calibrated: byDocument(calibrated), raw: byDocument(raw) },
      ...single
        .sort((a, b) => b.mass - a.mass)
        .slice(0, SHOWN_HEADS)
        .map(({ mass: _, ...head }) => head),
    ],
    calibrated: observed.null !== null,
    warnings: [error ?? warning ?? []].flat(),
  };
}
