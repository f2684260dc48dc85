import type { ChunkOptions } from "../chunking/chunk.ts";
import { InputError, invalidArgument } from "../errors.ts";
import type { RankOptions } from "../options.ts";
import type { ProtectOptions } from "./protect.ts";
import { checkLimit, type PruneLimit } from "./select.ts";

/** Tokens of a text for the model that will read it. */
export type CountTokens = (text: string) => number | Promise<number>;

export type PruneUnit = "sentence" | "chunk";

export type PruneOptions = PruneLimit &
  Omit<RankOptions, "topK" | "headScores" | "tokenScores" | "maxDocumentTokens"> & {
    /**
     * What is kept or left out whole; of fenced code, tables and source a sentence is a line or a block. Defaults to `"auto"`:
     * chunks where the texts are many short ones already, such as the turns of a chat (16 or more, of at most 48 tokens in
     * the median), and sentences otherwise. The result's `unit` says which.
     */
    unit?: PruneUnit | "auto" | undefined;
    /**
     * How texts are cut for `"chunk"`, and into passages that the sentences are read in otherwise; with `by: "code"` the text
     * is source. Defaults to paragraphs of up to 128 tokens.
     */
    chunk?: ChunkOptions | undefined;
    protect?: ProtectOptions | undefined;
    /** Stands where text was left out; may be empty. Its tokens count. Defaults to `"[…] "`. */
    marker?: string | undefined;
    /** Counts the budget's tokens. Defaults to the retriever's own tokenizer. */
    countTokens?: CountTokens | undefined;
  };

export const DEFAULT_MARKER = "[…] ";
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
  const { unit = "auto", chunk = PASSAGE, protect = {}, marker = DEFAULT_MARKER, countTokens, ...rest } = options;
  const { budgetTokens, threshold, topK, relative, ...rankOptions } = rest;
  const limit: PruneLimit = { budgetTokens, threshold, topK, relative };
  checkLimit(limit);
  if (!["auto", "sentence", "chunk"].includes(unit)) {
    throw invalidArgument("unit", '"auto", "sentence" or "chunk"', unit);
  }
  if (typeof marker !== "string") throw invalidArgument("marker", "a text, which may be empty", marker);
  if (countTokens !== undefined && typeof countTokens !== "function") {
    throw invalidArgument("countTokens", "a function that counts a text's tokens", countTokens);
  }
  if (chunk.overlap) throw invalidArgument("chunk.overlap", "no overlap, or text would stand twice", chunk.overlap);
  for (const name of FOREIGN) {
    if ((rankOptions as Record<string, unknown>)[name] === undefined) continue;
    throw new InputError("INVALID_ARGUMENT", `Unknown option ${name}: pruning reads whole texts and has no use for it`);
  }
  return { limit, unit, chunk, protect, marker, countTokens, rankOptions };
}
