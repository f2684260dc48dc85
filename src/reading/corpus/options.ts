import { InputError } from "../../errors.ts";
import { KEEPING, RANKING_A_CORPUS } from "../../options/corpora.ts";
import { optionsOf, parseOptions, splitOptions, unknownOption } from "../../options/parse.ts";
import { RANKING, SCORING } from "../../options/ranking.ts";
import type { CorpusFileOptions, CorpusRankOptions, SaveOptions } from "../../options/types/corpora.ts";
import { parseRankOptions, type RankOptions, type ScoringOptions } from "../../options.ts";

/** Options of a corpus as a whole: its documents are read once with them. */
export type CorpusOptions = Pick<ScoringOptions, "order" | "maxDocumentTokens" | "nullQuery" | "layout">;

export type MakeCorpusOptions = CorpusOptions & Pick<RankOptions, "signal" | "onProgress"> & CorpusFileOptions;

export type { CorpusRankOptions, SaveOptions };

const OF_CORPUS = ["order", "maxDocumentTokens", "layout", "nullQuery"] as const;
const OF_RANK = ["topK", "threshold", "headScores", "tokenScores", "mask", "calibration"] as const;
const MAKING = [...OF_CORPUS, "signal", "onProgress", ...Object.keys(KEEPING)];
const ALL = [...Object.keys(SCORING), ...Object.keys(RANKING)];
const ASKING = [...ALL.filter((name) => !OF_CORPUS.some((one) => one === name)), "only"];

/** @throws InputError `INVALID_ARGUMENT` for an unknown option, a wrong value, or one that belongs to a query. */
export function parseCorpusOptions(options: unknown): CorpusOptions & Pick<RankOptions, "signal" | "onProgress"> {
  refuseUnknown(options, MAKING);
  const parsed = parseRankOptions(options);
  refuse(parsed, OF_RANK, "belongs to a query: pass it to corpus.rank");
  return parsed;
}

/** @throws InputError `INVALID_ARGUMENT` for an unknown option, a wrong value, or one that was fixed with the corpus. */
export function parseCorpusRankOptions(options: CorpusRankOptions): CorpusRankOptions {
  const [own, rest] = splitOptions(RANKING_A_CORPUS, options);
  refuseUnknown(rest, ASKING);
  const { only } = parseOptions(RANKING_A_CORPUS, own) as Pick<CorpusRankOptions, "only">;
  const parsed = parseRankOptions(rest);
  refuse(parsed, OF_CORPUS, "is fixed when the documents are read: pass it to retriever.corpus");
  return { ...parsed, only };
}

/** With those that there are here: what belongs elsewhere is refused with where. */
function refuseUnknown(options: unknown, known: readonly string[]): void {
  const unknown = Object.keys(optionsOf(options as object)).find((name) => !ALL.includes(name));
  if (unknown !== undefined) throw unknownOption(unknown, known);
}

function refuse(options: RankOptions, names: readonly (keyof RankOptions)[], why: string): void {
  const found = names.find((name) => options[name] !== undefined);
  if (found !== undefined) throw new InputError("INVALID_ARGUMENT", `Option ${found} ${why}`);
}
