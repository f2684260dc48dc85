import { totalmem } from "node:os";
import { invalidArgument } from "./errors.ts";
import type { CACHE_TYPES } from "./options/choices.ts";
import { LOADING } from "./options/model.ts";
import { parseOptions } from "./options/parse.ts";
import { RANKING, SCORING } from "./options/ranking.ts";
import type { LoadOptions, RankOptions } from "./options/types/ranking.ts";

export type { Progress } from "./options/progress.ts";
export type { LoadOptions, RankOptions, ScoringOptions } from "./options/types/ranking.ts";
export type CacheType = (typeof CACHE_TYPES)[number];

/** The null query of the published code. */
export const DEFAULT_NULL_QUERY = "N/A";

const OF_LOAD = { ...SCORING, ...LOADING };
const OF_RANK = { ...SCORING, ...RANKING };

/** @throws InputError `INVALID_ARGUMENT` for an unknown option or a wrong value. */
export function parseLoadOptions(options: unknown): LoadOptions {
  const parsed = parseOptions(OF_LOAD, options) as LoadOptions;
  if (parsed.flashAttention === false && /^q/.test(parsed.cacheTypeV ?? "f16")) {
    throw invalidArgument("cacheTypeV", "f32, f16 or bf16 with flash attention off", parsed.cacheTypeV);
  }
  return parsed;
}

/** @throws InputError `INVALID_ARGUMENT` for an unknown option or a wrong value. */
export function parseRankOptions(options: unknown): RankOptions {
  return parseOptions(OF_RANK, options) as RankOptions;
}

/** Bytes that corpora may take where no limit is given. */
export function defaultCorpusMemory(): number {
  return Math.floor(totalmem() / 4);
}

/** Bytes that independent documents of `rank` may take between calls where no limit is given: 87,000 tokens of the built-in model. */
export function defaultRankMemory(): number {
  return Math.min(2 ** 29, defaultCorpusMemory());
}
