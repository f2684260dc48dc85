import { headKey } from "../heads/heads.ts";
import type { PromptLayout } from "../prompt/layout.ts";
import { findDegenerate } from "../ranking/degenerate.ts";
import { describeTokens } from "../ranking/results.ts";
import { scoreDocuments } from "../ranking/scoring/documents.ts";
import type { Observed } from "../reading/session.ts";
import type { Head, RankDocument } from "../types.ts";

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
    /** Of the calibrated attention, with outliers masked; and of the raw one, alike. */
    score: number;
    rawScore: number;
    /** Texts of the tokens; they join to `[i] title`, line break, text. */
    tokens: string[];
  }[];
  /** The sum over all heads first, then single heads, those that contribute most first, at most 32. */
  heads: HeadAttention[];
  calibrated: boolean;
  /** Why the scores say nothing, where they do not. */
  warnings: string[];
};

const SHOWN_HEADS = 32;

/** Attention of the query's tokens on every token of the documents, averaged over the query's tokens. */
export async function describeAttention(
  query: string,
  documents: readonly RankDocument[],
  layout: PromptLayout,
  observed: Observed,
  heads: readonly Head[],
  mask: boolean,
  weights: Float32Array | null,
): Promise<Inspection> {
  const end = layout.querySpan[0];
  const spans = layout.documentSpans;
  const byDocument = (row: Float32Array) => spans.map((span) => Array.from(row.subarray(...span)));
  const calibrated = await observed.query.sumOverHeads(observed.null, end, weights);
  const raw = await observed.query.sumOverHeads(null, end, weights);
  const scores = scoreDocuments(calibrated, spans, { mask });
  const rawScores = scoreDocuments(raw, spans, { mask });
  const { error, warning } = await findDegenerate(layout, calibrated, async () => raw, scores);
  const bytes = Buffer.from(layout.prompt.text, "utf8");

  const single = heads.map((head, index): HeadAttention & { mass: number } => {
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
    documents: documents.map(({ id }, index) => ({
      id,
      score: scores[index]!,
      rawScore: rawScores[index]!,
      tokens: describeTokens(layout, bytes, calibrated, index, mask).map(({ text }) => text),
    })),
    heads: [
      { name: "all", calibrated: byDocument(calibrated), raw: byDocument(raw) },
      ...single
        .sort((a, b) => b.mass - a.mass)
        .slice(0, SHOWN_HEADS)
        .map(({ mass: _, ...shown }) => shown),
    ],
    calibrated: observed.null !== null,
    warnings: [error ?? warning ?? []].flat(),
  };
}
