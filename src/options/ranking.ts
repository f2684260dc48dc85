import { valuesOfList } from "../util/kinds.ts";
import { LAYOUTS, MERGE_RULES, ORDERS } from "./choices.ts";
import { onProgress, signal } from "./model.ts";
import { choice, integer, number, type OptionSet, other, text, toggle } from "./spec.ts";

const PROMPT = "Prompt and scores";
const WINDOWING = "Windows";

/** How windows are made and merged. */
export const WINDOWS = {
  windowTokens: integer({
    ...{ min: 16, flag: "--window-size <N>", group: WINDOWING },
    says: "tokens of one window's prompt",
    ...{ default: "what the context holds", shortDefault: "what the context holds" },
  }),
  windowDocuments: integer({
    ...{ min: 2, flag: "--window-documents <N>", group: WINDOWING },
    says: "documents of one window",
    ...{ default: "as many as fit", shortDefault: "what fits" },
  }),
  merge: choice({
    ...{ choices: MERGE_RULES, flag: "--merge <RULE>", group: WINDOWING },
    says: "how windows become one ranking",
    default:
      '`"tournament"`, which ranked best in our measurements and reads 1.6 to 1.7 times the prompts of `"calibrated"`; with token scores `"calibrated"`, which reads every document once',
    shortDefault: "tournament",
  }),
  passageTokens: integer({
    min: 8,
    says: "tokens of the passages of a document that does not fit and is cut",
    default: "half a window, at most 512",
  }),
} as const satisfies OptionSet;

export const nullQuery = text({
  ...{ flag: "--null-query <TEXT>", group: PROMPT },
  says: "query whose attention is subtracted",
  ...{ default: 'the head set\'s, else `"N/A"`', shortDefault: "N/A" },
});

export const maxDocumentTokens = integer({
  ...{ min: 1, flag: "--max-document-tokens <N>", group: "Forward passes" },
  says: "cut each document's text after this many tokens",
  flagSays: "cut each document's text, and a longer title, after N tokens",
  more: "A title is cut to the same length, but not below 32. The result then has `truncated`.",
  ...{ default: "no limit", shortDefault: "no limit" },
});

/** How documents are scored; each may also be given per call. */
export const SCORING = {
  nullQuery,
  calibration: toggle({
    ...{ flag: "--no-calibration", flagSays: "do not subtract the null query's attention", group: PROMPT },
    says: "subtract the null query's attention",
    default: "`true`",
  }),
  mask: toggle({
    ...{ flag: "--no-mask", flagSays: "keep outlier tokens", group: PROMPT },
    says: "drop each document's tokens at or below mean − 2·std",
    default: "`true`",
  }),
  weights: toggle({
    ...{ flag: "--no-weights", flagSays: "weigh all heads equally, even if the set has weights", group: PROMPT },
    says: "use the head set's weights, if it has any",
    default: "`true`",
  }),
  order: choice({
    ...{ choices: ORDERS, flag: "--order <ORDER>", group: PROMPT },
    says: "order of the documents in the prompt",
    more: '`"reverse"` puts the first one next to the query.',
    ...{ default: '`"given"`', shortDefault: "given" },
  }),
  layout: choice({
    ...{ choices: LAYOUTS, flag: "--layout <NAME>", group: PROMPT },
    says: "documents in one prompt, or each by itself",
    more: '`"listwise"`, the published setting: documents are numbered in one prompt, and each sees those before it. `"independent"`: each is read by itself and the query attends to all, so their order has no effect and a cached document is not read again.',
    default:
      'the layout of the head set (`"independent"` for the built-in models); else, or with `windows` as an object, `"listwise"`',
    shortDefault: "the head set's, else listwise",
  }),
  maxDocumentTokens,
  windows: other({
    ...{ type: '"auto" | "never" | WindowOptions', choices: ["auto", "never"], inside: WINDOWS },
    expected: `"auto", "never" or an object with ${Object.keys(WINDOWS).join(", ")}`,
    says: "what to do when the documents do not fit one prompt",
    flagSays: "rank in windows what does not fit one prompt",
    more: '`"auto"` ranks them in windows, `"never"` fails. An object sets how; with a window size, windows are used even if one prompt would do.',
    ...{ default: '`"auto"`', shortDefault: "auto" },
    ...{ flag: "--windows <WHEN>", group: WINDOWING },
  }),
} as const satisfies OptionSet;

export const topK = integer({
  ...{ min: 1, flag: "-k, --top-k <N>" },
  says: "return only the best N results",
  flagSays: "only the best N",
  ...{ default: "all", shortDefault: "all" },
});

const threshold = number({
  ...{ min: 0, max: 1, flag: "--threshold <X>", group: "Output" },
  says: "leave out results whose `relevance` is below this",
  flagSays: "leave out results whose relevance (0 to 1) is below this",
  more: "`belowThreshold` counts them. If none reaches it, the result is empty and `abstained`.",
  ...{ default: "no threshold; `abstained` then uses 0.5", shortDefault: "none" },
});

/** What ranking takes beside the options of scoring. */
export const RANKING = {
  topK,
  threshold,
  prior: other({
    type: "Prior",
    accepts: (value) => value === "bm25" || (valuesOfList(value)?.every((one) => Number.isFinite(one)) ?? false),
    expected: '"bm25" or an array of finite numbers, one per document',
    says: "scores of a first stage that join the heads'",
    more: 'One number per document in an array or a typed array, higher is better; `"bm25"` computes BM25 over the documents themselves.',
    default: '`"bm25"` with `fuse`, or if the head set says so, as for the built-in models; else none',
  }),
  fuse: other({
    ...{ type: "Fuse", choices: ["none", "rrf"], flag: "--fuse <SPEC>", group: PROMPT },
    inside: { weight: number({ min: 0, max: 1, required: true, says: "what the heads' z-scores count for" }) },
    expected: '"none", "rrf" or { weight } with a number from 0 to 1',
    flagExpected: "none, bm25, bm25:rrf, or bm25:WEIGHT with the heads' weight from 0 to 1",
    says: "how a first stage's scores join the heads'",
    flagSays: "add BM25's scores to the heads', by rank or by z-score: none, bm25, bm25:rrf, or bm25:WEIGHT",
    more: '`"rrf"` fuses ranks; `{ weight }` is the sum of z-scores, `weight` for the heads and 1 − `weight` for the first stage.',
    ...{
      default:
        "the head set's (`{ weight: 0.5 }` for the built-in model); `{ weight: 0.5 }` if `prior` is a list, or if there is a `prior` and the head set has none; else none",
      shortDefault: "the head set's, else none",
    },
  }),
  headScores: toggle({
    ...{ flag: "--head-scores", group: "Output" },
    says: "add to every result what each head contributes to its score",
    flagSays: "what each head contributes; as a table, the heads that contribute most",
    default: "`false`",
  }),
  tokenScores: toggle({
    ...{ flag: "--token-scores", group: "Output" },
    says: "add to every result its tokens with their scores",
    flagSays: "the score of every token (with --json); as a table, mark the words that got most",
    more: 'Windows are then merged by `"calibrated"` by default.',
    default: "`false`",
  }),
  signal,
  onProgress,
} as const satisfies OptionSet;
