import { DEFAULT_NULL_QUERY, type RankOptions } from "../options.ts";
import type { PromptUse } from "../prompt/overflow.ts";
import type { Engine } from "../reading/engine.ts";
import type { Rows } from "../reading/query-passes.ts";
import { type Fusion, fusionOf } from "./fusion.ts";
import { type Calibration, calibrationOf } from "./scoring/relevance.ts";
import type { WindowOptions } from "./windows/options.ts";

/** All that a call decides, once: its own options, else those of loading, else the defaults. */
export type RankPlan = Pick<
  RankOptions,
  "maxDocumentTokens" | "topK" | "threshold" | "headScores" | "tokenScores" | "signal" | "onProgress"
> & {
  layout: "listwise" | "independent";
  windows: "auto" | "never" | WindowOptions;
  /** What happens if independent documents do not fit and the caller did not ask for that layout. */
  otherwise?: Pick<RankPlan, "layout" | "relevance"> | undefined;
  /** Whether the layout was asked for. */
  isChosen: boolean;
  order: "given" | "reverse";
  /** Null where scores are not calibrated. */
  nullQuery: string | null;
  mask: boolean;
  /** What each head counts for; null where all count alike. */
  weights: Float32Array | null;
  /** What attention becomes relevance with. */
  relevance: Calibration & { fitted: boolean };
  /** A first stage whose scores join the heads'. */
  fusion?: Fusion | undefined;
  /** What is kept of the attention. */
  how: Rows;
  /** What the prompt is for, if it is not ranking. */
  use?: PromptUse;
};

/**
 * The layout of a call that names none: that of loading, else the one that the heads rank best in, else the published one.
 * Windows are prompts of several documents, so a call that asks for windows gets the listwise layout.
 */
export function defaultLayout(
  { options: load, heads }: Pick<Engine, "options" | "heads">,
  { windows }: Pick<RankOptions, "windows"> = {},
): "listwise" | "independent" {
  if (load.layout) return load.layout;
  return typeof (windows ?? load.windows) === "object" ? "listwise" : (heads.layout ?? "listwise");
}

export function planRank(engine: Engine, options: RankOptions): RankPlan {
  const { options: load, heads } = engine;
  const {
    layout = defaultLayout(engine, options),
    windows = "auto",
    order = "given",
    calibration = true,
    nullQuery = heads.nullQuery ?? DEFAULT_NULL_QUERY,
    mask = true,
    weights: weighted = true,
    maxDocumentTokens,
  } = { ...load, ...options };
  const { topK, threshold, headScores, tokenScores, signal, onProgress } = options;
  const weights = weighted && heads.weights ? Float32Array.from(heads.weights) : null;
  const relevanceOf = (one: "listwise" | "independent") =>
    calibrationOf(heads.calibration?.[one], {
      layout: one,
      // Scores of another kind are not what the constants were fitted to.
      applies: calibration && mask && (weighted || !heads.weights),
    });
  const isChosen = (options.layout ?? load.layout) !== undefined;
  return {
    ...{ layout, isChosen, windows, order, mask, weights, maxDocumentTokens },
    nullQuery: calibration ? nullQuery : null,
    relevance: relevanceOf(layout),
    ...(layout === "independent" &&
      !isChosen &&
      windows === "auto" && {
        otherwise: { layout: "listwise", relevance: relevanceOf("listwise") },
      }),
    fusion: fusionOf(options, heads.fuse),
    how: headScores ? { rows: "heads" } : { rows: "sum", weights },
    ...{ topK, threshold, headScores, tokenScores, signal, onProgress },
  };
}
