import { InputError } from "../../errors.ts";
import type { GAINS } from "../../options/choices.ts";
import { assertText } from "../../util/given.ts";
import type { Grades } from "../types.ts";

/** What a document of grade g adds: `linear` g, as trec_eval's `ndcg_cut`; `exponential` 2^g − 1 (Burges et al. 2005). */
export type Gain = (typeof GAINS)[number];

export type MeasureName = "ndcg" | "recall" | "recall-all" | "p" | "map" | "mrr" | "success";

/** A measure, at a cut-off or over the whole ranking. */
export type Measure = { name: MeasureName; cutoff: number | null };

/** Names by which a measure may be asked for: ours, and trec_eval's. */
const NAMES: Readonly<Record<string, MeasureName>> = {
  ndcg: "ndcg",
  ndcg_cut: "ndcg",
  recall: "recall",
  "recall-all": "recall-all",
  p: "p",
  precision: "p",
  map: "map",
  map_cut: "map",
  mrr: "mrr",
  recip_rank: "mrr",
  success: "success",
};

const NEEDS_CUTOFF: readonly MeasureName[] = ["recall", "recall-all", "p", "success"];

/**
 * Reads `ndcg@10`, `recall@5`, `recall-all@5`, `p@1`, `success@1`, `map`, `mrr`, `mrr@10`, or trec_eval's `ndcg_cut.10` and the like.
 *
 * @throws InputError `INVALID_ARGUMENT` for anything else.
 * @example
 * const { name, cutoff } = parseMeasure("ndcg@10");
 */
export function parseMeasure(text: string): Measure {
  assertText(text, "measure");
  const match = /^([a-z_-]+?)(?:[@._](\d{1,6}))?$/i.exec(text.trim());
  const name = match && NAMES[match[1]!.toLowerCase()];
  const cutoff = match?.[2] === undefined ? null : Number(match[2]);
  if (!name || cutoff === 0 || (cutoff === null && NEEDS_CUTOFF.includes(name))) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `Expected a measure such as ndcg@10, recall@10, recall-all@10, p@5, success@1, map, mrr or mrr@10 but received ${JSON.stringify(text)}`,
    );
  }
  return { name, cutoff };
}

/** `ndcg@10`: how a measure is written everywhere. */
export function measureKey({ name, cutoff }: Measure): string {
  return cutoff === null ? name : `${name}@${cutoff}`;
}

/**
 * The value of a measure for one ranking, as trec_eval 9 defines it; 0 where nothing is relevant.
 *
 * - `ndcg`: Σ gain(grade) / log2(rank + 1), over the same for the best possible ranking of every judged document. Grades
 *   of 0 and below gain nothing.
 * - `recall`, `p`, `success`: relevant documents among the first k, as a share of all relevant ones, of k, or any at all.
 *   A ranking shorter than k still counts k.
 * - `recall-all`: 1 where every relevant document is among the first k, as multi-hop questions need, else 0.
 * - `map`: precision at every relevant document found, summed, over all relevant ones.
 * - `mrr`: one over the rank of the first relevant document.
 *
 * @param ranking Ids in order, from `sortAsTrec`.
 */
export function measure({ name, cutoff }: Measure, ranking: readonly string[], grades: Grades, gain: Gain): number {
  const shown = cutoff === null ? ranking : ranking.slice(0, cutoff);
  const ranks = shown.flatMap((id, rank) => ((grades.get(id) ?? 0) > 0 ? [rank + 1] : []));
  if (name === "success") return ranks.length > 0 ? 1 : 0;
  if (name === "mrr") return ranks.length > 0 ? 1 / ranks[0]! : 0;
  if (name === "p") return ranks.length / cutoff!;
  if (name === "ndcg") return ndcg(shown, cutoff, grades, gain);
  const relevant = [...grades.values()].filter((grade) => grade > 0).length;
  if (relevant === 0) return 0;
  if (name === "recall") return ranks.length / relevant;
  if (name === "recall-all") return ranks.length === relevant ? 1 : 0;
  return ranks.reduce((sum, rank, found) => sum + (found + 1) / rank, 0) / relevant;
}

function ndcg(shown: readonly string[], cutoff: number | null, grades: Grades, gain: Gain): number {
  const ideal = [...grades.values()].sort((a, b) => b - a).slice(0, cutoff ?? grades.size);
  const best = discounted(ideal, gain);
  return best === 0
    ? 0
    : discounted(
        shown.map((id) => grades.get(id) ?? 0),
        gain,
      ) / best;
}

function discounted(grades: readonly number[], gain: Gain): number {
  return grades.reduce((sum, grade, rank) => {
    if (grade <= 0) return sum;
    return sum + (gain === "linear" ? grade : 2 ** grade - 1) / Math.log2(rank + 2);
  }, 0);
}
