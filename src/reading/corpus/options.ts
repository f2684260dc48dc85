import { InputError } from "../../errors.ts";
import { parseRankOptions, type RankOptions, type ScoringOptions } from "../../options.ts";

/** Options of a corpus as a whole: its documents are read once with them. */
export type CorpusOptions = Pick<ScoringOptions, "order" | "maxDocumentTokens" | "nullQuery" | "layout">;

export type MakeCorpusOptions = CorpusOptions &
  Pick<RankOptions, "signal" | "onProgress"> & {
    /**
     * Save it to this file as it is read, as `Corpus.save` does. Independent documents then go through memory to the file
     * and from there into the cache, and are held once; with `save` afterwards they are held twice.
     */
    saveTo?: string | undefined;
    /** Replace that file if it exists. Defaults to `false`. */
    force?: boolean | undefined;
  };

export type SaveOptions = Pick<RankOptions, "signal" | "onProgress"> & {
  /** Replace the file if it exists. Defaults to `false`. */
  force?: boolean | undefined;
};

const OF_CORPUS = ["order", "maxDocumentTokens", "layout", "nullQuery"] as const;
const OF_RANK = ["topK", "headScores", "tokenScores", "mask", "calibration"] as const;

/** @throws InputError `INVALID_ARGUMENT` for an unknown option, a wrong value, or one that belongs to a query. */
export function parseCorpusOptions(options: unknown): CorpusOptions & Pick<RankOptions, "signal" | "onProgress"> {
  const parsed = parseRankOptions(options);
  refuse(parsed, OF_RANK, "belongs to a query: pass it to corpus.rank");
  return parsed;
}

/** @throws InputError `INVALID_ARGUMENT` for an unknown option, a wrong value, or one that was fixed with the corpus. */
export function parseCorpusRankOptions(options: unknown): RankOptions {
  const parsed = parseRankOptions(options);
  refuse(parsed, OF_CORPUS, "is fixed when the documents are read: pass it to retriever.corpus");
  return parsed;
}

function refuse(options: RankOptions, names: readonly (keyof RankOptions)[], why: string): void {
  const found = names.find((name) => options[name] !== undefined);
  if (found !== undefined) throw new InputError("INVALID_ARGUMENT", `Option ${found} ${why}`);
}
