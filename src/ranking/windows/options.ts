import { z } from "zod";

/** How the scores of several windows become one ranking; see `rules.ts`. */
export const MERGE_RULES = ["calibrated", "final", "tournament", "sliding"] as const;
export type MergeRule = (typeof MERGE_RULES)[number];

export type WindowOptions = {
  /** Tokens of one window's prompt, at least 16. Defaults to what the context holds. */
  windowTokens?: number | undefined;
  /** Documents of one window, at least 2. Defaults to as many as fit. */
  windowDocuments?: number | undefined;
  /**
   * How windows become one ranking. Defaults to `"tournament"`, which ranked best where it was measured and reads
   * 1.6 to 1.7 times the prompts of `"calibrated"`; with token scores to `"calibrated"`, which reads every document once.
   */
  merge?: MergeRule | undefined;
  /** Tokens of the passages that a document is cut into when it does not fit, at least 8. Defaults to half a window, at most 512. */
  passageTokens?: number | undefined;
};

export const DEFAULT_MERGE: MergeRule = "tournament";

const integer = (min: number, max = 2 ** 31) => z.int().min(min).max(max).optional();

export const windowsSchema = z
  .union([
    z.enum(["auto", "never"]),
    z.strictObject({
      windowTokens: integer(16),
      windowDocuments: integer(2),
      merge: z.enum(MERGE_RULES).optional(),
      passageTokens: integer(8),
    }),
  ])
  .optional();

/** For messages about a wrong value: of a field, and of the whole. */
export const EXPECTED_IN_WINDOWS: Readonly<Record<string, string>> = {
  windowTokens: "an integer of at least 16",
  windowDocuments: "an integer of at least 2",
  merge: `one of ${MERGE_RULES.join(", ")}`,
  passageTokens: "an integer of at least 8",
};
export const EXPECTED_WINDOWS = `"auto", "never" or an object with ${Object.keys(EXPECTED_IN_WINDOWS).join(", ")}`;

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
