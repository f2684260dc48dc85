import { type PromptLayout, sameTokens, type Trunk } from "../prompt/layout.ts";

/** Why a ranking means nothing: a `warning` if this query is the reason, an `error` if no query would rank. */
export type Degenerate = { warning?: string; error?: string };

/**
 * Finds rankings that mean nothing.
 *
 * @param asked The texts of query and null query.
 * @param tokenScores Per token of the prompt, as documents are scored by.
 * @param rawScores The same without the null query's.
 * @param scores One per document.
 */
export function findDegenerate(
  { trunk, query, nullQuery }: PromptLayout,
  asked: { query: string; nullQuery: string | null },
  tokenScores: Float32Array,
  rawScores: Float32Array,
  scores: ArrayLike<number>,
): Degenerate {
  const { sources } = trunk;
  if (nullQuery && sameTokens(query, nullQuery)) {
    return {
      warning:
        "The query is the null query, so calibration removes all of its attention and the documents keep their order: " +
        "ask another query, or rank with calibration: false",
    };
  }
  if (countTokens(trunk) > 1 && allEqual(trunk, tokenScores)) {
    const isBlind = allEqual(trunk, rawScores) && rawScores[trunk.documentSpans[0]![0]] === 0;
    return isBlind
      ? {
          error:
            "The heads see none of the documents, which are all outside their sliding window: use heads of other layers, " +
            "or shorter prompts by windowTokens",
        }
      : {
          warning:
            "Every token of the documents gets the same attention whatever the query, so nothing is ranked: the weights of " +
            "these heads may be zeros, as in a download that was cut short; get the GGUF again, or use other heads",
        };
  }
  if (asked.nullQuery !== null && plain(asked.query) === plain(asked.nullQuery)) {
    return {
      warning:
        "The query says the same as the null query, so calibration removes nearly all of its attention and the order means " +
        "little: ask another query, or rank with calibration: false",
    };
  }
  const isSame = (source: { title?: string; text: string }) =>
    source.text === sources[0]!.text && source.title === sources[0]!.title;
  if (scores.length > 1 && Array.from(scores).every((score) => score === scores[0]) && !sources.every(isSame)) {
    return {
      warning: `All ${scores.length} documents have the score ${scores[0]} and keep their order: this query does not tell them apart`,
    };
  }
  return {};
}

/** What a text says, whatever its case and the white space around it. */
function plain(text: string): string {
  return text.trim().toLowerCase();
}

function countTokens({ documentSpans }: Trunk): number {
  return documentSpans.reduce((sum, [begin, end]) => sum + end - begin, 0);
}

function allEqual({ documentSpans }: Trunk, values: Float32Array): boolean {
  const first = values[documentSpans[0]![0]];
  return documentSpans.every(([begin, end]) => values.subarray(begin, end).every((value) => value === first));
}
