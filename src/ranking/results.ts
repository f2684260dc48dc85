import type { DocumentInput } from "../documents/documents.ts";
import type { Trunk } from "../prompt/layout.ts";
import type { Head } from "../types.ts";
import { outlierMask } from "./scoring/documents.ts";
import type { Demoted } from "./scoring/placement.ts";
import type { Odds } from "./scoring/relevance.ts";
import type { WindowsUsed } from "./windows/options.ts";

/** A document's token, its text, and its share of the score. The texts concatenate to `[i] title`, line break, text. */
export type TokenScore = {
  /** Empty for a token that ends inside a character; the character is then with the token that completes it. */
  text: string;
  /** Attention summed over the heads, minus that of the null query. */
  score: number;
  /** False if the outlier mask left the token out of the document's score. */
  kept: boolean;
};

/** A passage of a document's text, half-open in UTF-16 units. */
export type PassageScore = { begin: number; end: number; score: number };

export type RankedDocument<T extends DocumentInput = DocumentInput> = {
  /** Position in the documents passed. */
  index: number;
  id: string;
  /** The document that was passed: the same object, with all its fields. */
  document: T;
  /**
   * Sorts the results; higher is better. Unbounded, may be negative, and comparable within one call only.
   *
   * By the heads alone it is calibrated attention mass, summed over heads and tokens: equation 5 of the paper times the number
   * of heads, less the same for the null query; the documents compete for the same attention. If a first stage was fused, it is
   * the fused number (see `Fuse`), and `attention` is the heads' score.
   */
  score: number;
  /**
   * Share of the attention that the query paid to all documents of the call, neither calibrated nor masked: from 0 to 1. The
   * shares of all documents sum to 1, including those that are not among the results. In windows each window's attention is
   * first divided by the attention that its documents did not get.
   */
  share: number;
  /**
   * From 0 to 1: 1 / (1 + e^−(a + b·odds + words·shared)). The odds are the heads' score over the attention that no document of
   * the prompt got; `shared` is the share of the query's words that the document has. Other documents of the list move it less
   * than the score. The constants depend on the model: `calibration` of the result has them. By the heads alone it is in the
   * order of the scores; if a first stage was fused it need not fall from rank to rank, and `relevanceByPlace` gives numbers
   * that do. See docs/relevance.md for its limits.
   */
  relevance: number;
  /** The heads' score, if a first stage was fused. */
  attention?: number;
  /** The first stage's score, if one was fused. */
  prior?: number;
  /**
   * Why it ranks lower than the heads' score says: `"blank"`, without a letter, digit or pictograph, behind all documents that have one;
   * `"short"`, a text without a title: of at most 4 tokens, with a score above a longer document's only because it has no other
   * tokens, or of at most 8 that only repeats words of the query, behind the longer documents with the same words. See
   * `placeDocuments`.
   */
  demoted?: Demoted;
  /** The text, or the title, was cut at `maxDocumentTokens`. */
  truncated?: true;
  /**
   * What each head contributes, in the order of the result's `heads`. They add up to `attention` if there is one, else to
   * `score`.
   */
  headScores?: number[];
  /** In windows: those of the last window that had the document. */
  tokenScores?: TokenScore[];
  /**
   * The best passages of a document that was too long for a window, best first, at most 5, with the heads' scores. The
   * document's score, head scores and token scores are then those of the first passage.
   */
  passages?: PassageScore[];
};

/** Milliseconds. */
export type Timings = {
  loadMs: number;
  /** How long the call waited for earlier ones; of a batch, until its first query began. */
  waitMs?: number;
  /** 0 when the documents were still in the cache. */
  prefillMs: number;
  nullMs: number;
  queryMs: number;
  /** The whole call, without loading and waiting. */
  totalMs: number;
  /**
   * Processor time of this process during the passes, and the threads that computed them; absent on a GPU. If it is far less
   * than `threads` times the passes, the processors are busy and fewer threads are faster. `--json` has both as
   * `processors`.
   */
  cpuMs?: number;
  threads?: number;
};

export type RankResult<T extends DocumentInput = DocumentInput> = {
  query: string;
  /** Heads that were read, as `[layer, head]`. */
  heads: Head[];
  /** The weight of each head, if the head set has weights; `score` and `headScores` are then weighted. */
  weights?: number[];
  /**
   * Highest score first, equal scores in the order of the documents; in windows too, whatever the merge rule. By the heads
   * alone, only `demoted` documents rank lower than their score.
   */
  results: RankedDocument<T>[];
  /** No document's relevance reaches the threshold (0.5 if none was given): nothing here seems to answer. */
  abstained: boolean;
  /** Documents that were left out because their relevance is below the threshold; 0 if none was given. */
  belowThreshold: number;
  /**
   * What relevance was computed with; without `words` the heads alone decide. `fitted`: the head set has constants for this layout.
   * Otherwise they are generic, and a threshold means little.
   */
  calibration: { a: number; b: number; words?: number; fitted: boolean };
  usage: {
    /** Tokens of the prompt with the query; in windows, of all prompts. */
    promptTokens: number;
    /** Tokens of the query span: instruction, query and the end of the template. */
    queryTokens: number;
    /** Tokens of each document passed, its number and title included, in the order passed. */
    documentTokens: number[];
  };
  timings: Timings;
  /** Sentences to show, for example that the head set belongs to a related model. */
  warnings: string[];
  /** Present if the documents were ranked in windows. */
  windows?: WindowsUsed;
  /** Present if a first stage was fused. */
  fusion?: { prior: "bm25" | "given"; fuse: "rrf" | { weight: number } };
};

/** A result without the caller's own document, which nothing below the surface knows. */
export type Ranked = Omit<RankedDocument, "document">;
export type Ranking = Omit<RankResult, "results"> & { results: Ranked[] };

/** What the heads say of all documents, before some of them are chosen. */
export type Standing = Omit<Ranking, "results" | "abstained" | "belowThreshold" | "calibration" | "fusion"> &
  Odds & {
    /** All documents, best first; `odds` and `rawOdds` are by index. */
    order: readonly number[];
    /** For documents that only repeat the query, those that they stand behind; by index. */
    behind?: ReadonlyMap<number, readonly number[]>;
    describe: (index: number) => Described;
  };
export type Described = Omit<Ranked, "share" | "relevance" | "attention" | "prior">;

/** The tokens of the document at `position` of the prompt, with their text and scores. */
export function describeTokens(
  { documentSpans, byteSpans, offsets, text }: Trunk,
  tokenScores: Float32Array,
  position: number,
  mask: boolean,
): TokenScore[] {
  const [begin, end] = documentSpans[position]!;
  const [textBegin, textEnd] = byteSpans[position]!;
  const values = tokenScores.subarray(begin, end);
  const kept = mask ? outlierMask(values) : undefined;
  const decoder = new TextDecoder();
  return Array.from(values, (score, i) => {
    // The first and last token may reach over the document's ends.
    const from = Math.max(offsets[2 * (begin + i)]!, textBegin);
    const to = Math.min(offsets[2 * (begin + i) + 1]!, textEnd);
    const shown = decoder.decode(text.subarray(from, to), { stream: begin + i + 1 < end });
    return { text: shown, score, kept: kept ? kept[i]! : true };
  });
}
