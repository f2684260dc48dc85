import type { HeadSet, HeadSetModel } from "./head-set.ts";
import { parseHeadKey } from "./heads.ts";
import { PUBLISHED_ENTRIES, PUBLISHED_MODELS, PUBLISHED_SOURCES, type PublishedEntry } from "./published-data.ts";

/** A head set that ships with qrhead, under a name such as `qrhead-llama-3.1-8b-lme` that `--heads` accepts. */
export type PublishedHeadSet = {
  name: string;
  /** Key of the model that it was found on; several sets may share one. */
  modelKey: PublishedModelKey;
  set: HeadSet & { model: HeadSetModel };
};

export type PublishedModelKey = keyof typeof PUBLISHED_MODELS;

/** Every published head set. For each model in order of preference, the reference code's default first. */
export const PUBLISHED_HEAD_SETS: readonly PublishedHeadSet[] = PUBLISHED_ENTRIES.map(toHeadSet);

/** The published set of that name; case does not matter. */
export function findPublished(name: string): PublishedHeadSet | undefined {
  const wanted = name.toLowerCase();
  return PUBLISHED_HEAD_SETS.find((published) => published.name === wanted);
}

function toHeadSet(entry: PublishedEntry): PublishedHeadSet {
  const {
    name,
    model,
    source,
    data,
    examples,
    objective,
    prompt,
    nullQuery,
    promptTokens,
    layout,
    calibration,
    fuse,
    quality,
    heads,
  } = entry;
  return {
    name,
    modelKey: model,
    set: {
      format: "qrhead-heads",
      version: 1,
      model: { ...PUBLISHED_MODELS[model] },
      ...(prompt && { prompt }),
      ...(nullQuery && { nullQuery }),
      ...(promptTokens && { promptTokens }),
      ...(layout && { layout }),
      ...(calibration && { calibration }),
      ...(fuse !== undefined && { fuse }),
      ...(objective && { objective }),
      source: { ...PUBLISHED_SOURCES[source], ...(data && { data }), ...(examples && { examples }) },
      ...(quality && {
        quality: {
          folds: 5,
          byHeads: quality.map(([count, ndcg, rPrecision]) => ({ heads: count, ndcg, rPrecision })),
        },
      }),
      heads: heads.split(",").map((key) => [...parseHeadKey(key)!]),
    },
  };
}
