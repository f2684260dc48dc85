import type { ChunkOptions } from "../chunking/chunk.ts";
import { InputError, invalidArgument } from "../errors.ts";
import { optionsOf, parseOptions, splitOptions } from "../options/parse.ts";
import { PRUNING } from "../options/texts.ts";
import type { PruningOptions } from "../options/types/texts.ts";
import type { RankOptions } from "../options.ts";
import { checkLimit, type PruneLimit } from "./select.ts";

/** Tokens of a text for the model that will read it. */
export type CountTokens = (text: string) => number | Promise<number>;

export type PruneUnit = "sentence" | "chunk";

export type PruneOptions = PruneLimit &
  PruningOptions &
  Omit<RankOptions, "topK" | "headScores" | "tokenScores" | "maxDocumentTokens">;

const DEFAULT_MARKER = "[…] ";
/** How texts are cut into passages where nothing else is said. */
export const PASSAGE: ChunkOptions = { by: "paragraphs", size: 128 };

/** From so many passages on, of so few tokens in the median, `unit: "auto"` keeps passages whole. */
const SHORT_TEXTS = { passages: 16, tokens: 48 };

/** The unit that `"auto"` stands for: a turn of a chat is a unit already, and markers between its sentences cost tokens. */
export function unitFor(unit: PruneUnit | "auto", passageTokens: readonly number[]): PruneUnit {
  if (unit !== "auto") return unit;
  if (passageTokens.length < SHORT_TEXTS.passages) return "sentence";
  const sorted = [...passageTokens].sort((a, b) => a - b);
  return sorted[sorted.length >>> 1]! <= SHORT_TEXTS.tokens ? "chunk" : "sentence";
}

/** Options of `rank` that have no sense here. */
const FOREIGN = ["maxDocumentTokens", "headScores", "tokenScores"];

/** @throws InputError `INVALID_ARGUMENT` for a wrong value. */
export function checkPruneOptions(options: PruneOptions) {
  const { budgetTokens, threshold, topK, relative, ...others } = optionsOf(options);
  const limit: PruneLimit = { budgetTokens, threshold, topK, relative };
  checkLimit(limit);
  const [own, rest] = splitOptions(PRUNING, others);
  const rankOptions = rest as RankOptions;
  const parsed = parseOptions(PRUNING, own) as PruningOptions;
  const { unit = "auto", chunk = PASSAGE, protect = {}, marker = DEFAULT_MARKER, countTokens } = parsed;
  if (chunk.overlap) throw invalidArgument("chunk.overlap", "no overlap, which would repeat text", chunk.overlap);
  for (const name of FOREIGN) {
    if (rest[name] === undefined) continue;
    throw new InputError("INVALID_ARGUMENT", `Unknown option ${name}: pruning reads whole texts and does not take it`);
  }
  return { limit, unit, chunk, protect, marker, countTokens, rankOptions };
}
