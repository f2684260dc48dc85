import { InputError, invalidArgument } from "../../errors.ts";
import { parseRankOptions, type RankOptions, type ScoringOptions } from "../../options.ts";

/** Options of a corpus as a whole: its documents are read once with them. */
export type CorpusOptions = Pick<ScoringOptions, "order" | "maxDocumentTokens" | "nullQuery" | "layout">;

export type MakeCorpusOptions = CorpusOptions &
  Pick<RankOptions, "signal" | "onProgress"> & {
    /** Save it to this file as it is read, as `Corpus.save` does. Independent documents are then held once. */
    saveTo?: string | undefined;
    /** Replace that file if it exists. Defaults to `false`. */
    force?: boolean | undefined;
  };

export type SaveOptions = Pick<RankOptions, "signal" | "onProgress"> & {
  /** Replace the file if it exists. Defaults to `false`. */
  force?: boolean | undefined;
};

/** Options of a query over a corpus. */
export type CorpusRankOptions = RankOptions & {
  /**
   * Ids of the documents to rank, at least one, of independent ones. The others are as if they were not there. Defaults to
   * all.
   */
  only?: readonly string[] | undefined;
};

const OF_CORPUS = ["order", "maxDocumentTokens", "layout", "nullQuery"] as const;
const OF_RANK = ["topK", "threshold", "headScores", "tokenScores", "mask", "calibration"] as const;

/** @throws InputError `INVALID_ARGUMENT` for an unknown option, a wrong value, or one that belongs to a query. */
export function parseCorpusOptions(options: unknown): CorpusOptions & Pick<RankOptions, "signal" | "onProgress"> {
  const parsed = parseRankOptions(options);
  refuse(parsed, OF_RANK, "belongs to a query: pass it to corpus.rank");
  return parsed;
}

/** @throws InputError `INVALID_ARGUMENT` for an unknown option, a wrong value, or one that was fixed with the corpus. */
export function parseCorpusRankOptions(options: CorpusRankOptions): CorpusRankOptions {
  const { only, ...rest } = options ?? {};
  const parsed = parseRankOptions(rest);
  refuse(parsed, OF_CORPUS, "is fixed when the documents are read: pass it to retriever.corpus");
  if (only !== undefined && !isIds(only)) throw invalidArgument("only", "a list of ids, at least one", only);
  return { ...parsed, only };
}

function isIds(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((id) => typeof id === "string");
}

function refuse(options: RankOptions, names: readonly (keyof RankOptions)[], why: string): void {
  const found = names.find((name) => options[name] !== undefined);
  if (found !== undefined) throw new InputError("INVALID_ARGUMENT", `Option ${found} ${why}`);
}
