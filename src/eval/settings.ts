import { invalidArgument } from "../errors.ts";
import { SETTING_NAMES } from "../options/choices.ts";
import type { Draw } from "./run.ts";

/** What a named setting fixes; what is given beside it wins. */
export type Setting = {
  /** Where it comes from, and what of it cannot be had. */
  note: string;
  candidates?: number;
  limit?: number;
  seed?: number;
  draw?: Draw;
  order?: "given" | "reverse";
  maxDocumentWords?: number;
  permutations?: number;
  granularity?: "round" | "session" | "turn";
  measures?: string[];
};

/** Settings of QRHead (arXiv 2506.09944) and, for the order, of QRRanker (arXiv 2602.12192). */
export const SETTINGS: Readonly<Record<(typeof SETTING_NAMES)[number], Setting>> = {
  beir: {
    note:
      "BM25's best 200, 512 sampled queries, the best document last, 400 words a document. The queries are drawn " +
      "by NumPy's generator, seed 42, from the judged ones in the order of their file; in which order the authors had " +
      "them is not published.",
    candidates: 200,
    limit: 512,
    seed: 42,
    draw: "numpy",
    order: "reverse",
    maxDocumentWords: 400,
    measures: ["ndcg@10"],
  },
  longmemeval: {
    note: "Rounds of every question's haystack in their order, all of them candidates; recall@5 and @10.",
    candidates: 0,
    order: "given",
    granularity: "round",
    measures: ["recall@5", "recall@10"],
  },
  clipper: {
    note: "Chapters of the claim's book in their order, all of them candidates; recall@3 and @5.",
    candidates: 0,
    order: "given",
    measures: ["recall@3", "recall@5"],
  },
  "order-sensitivity": {
    note: "Five seeded permutations of the candidates beside their own order; Kendall's tau between every two rankings.",
    permutations: 5,
  },
};

/**
 * @throws InputError `INVALID_ARGUMENT` for a name that is none of them.
 * @example
 * const { measures, candidates } = findSetting("beir");
 */
export function findSetting(name: string): Setting {
  const found = SETTING_NAMES.find((one) => one === name);
  if (found) return SETTINGS[found];
  throw invalidArgument("setting", `one of ${SETTING_NAMES.join(", ")}`, name);
}
