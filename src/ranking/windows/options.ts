import type { MERGE_RULES } from "../../options/choices.ts";

export { MERGE_RULES } from "../../options/choices.ts";
export type { WindowOptions } from "../../options/types/ranking.ts";

/** How the scores of several windows become one ranking; see `rules.ts`. */
export type MergeRule = (typeof MERGE_RULES)[number];

export const DEFAULT_MERGE: MergeRule = "tournament";

/** Where the ranking came from, when one prompt did not hold all documents. */
export type WindowsUsed = {
  /** Prompts that were read. */
  count: number;
  merge: MergeRule;
  /** Tokens that a window may have. */
  windowTokens: number;
  /** Documents that were cut into passages. */
  split: number;
};
