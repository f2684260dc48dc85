import type { ChunkOptions } from "../chunking/chunk.ts";
import { Outline } from "../chunking/outline.ts";
import { type DocumentInput, normalizeDocuments } from "../documents/documents.ts";
import { InputError, invalidArgument } from "../errors.ts";
import type { RankOptions } from "../options.ts";
import type { RankedDocument, RankResult } from "../ranking/results.ts";
import type { WindowsUsed } from "../ranking/windows/options.ts";
import type { QRRetriever } from "../retriever.ts";
import type { RankDocument } from "../types.ts";
import { atOnce, collect } from "../util/in-slices.ts";
import { type ProtectOptions, protectedSpans } from "./protect.ts";
import { checkLimit, joinKept, type PruneLimit, type PruneUnit, selectUnits } from "./select.ts";

/** Tokens of a text for the model that will read it. */
export type CountTokens = (text: string) => number | Promise<number>;

export type PruneOptions = PruneLimit &
  Omit<RankOptions, "topK" | "headScores" | "tokenScores" | "maxDocumentTokens"> & {
    /** What is kept or left out whole. Defaults to `"sentence"`. */
    unit?: "sentence" | "chunk" | undefined;
    /** How texts are cut for `"chunk"`, and into passages that the sentences are read in otherwise. Defaults to paragraphs of up to 128 tokens. */
    chunk?: ChunkOptions | undefined;
    protect?: ProtectOptions | undefined;
    /** Stands where text was left out; may be empty. Its tokens count. Defaults to `"[…] "`. */
    marker?: string | undefined;
    /** Counts the budget's tokens. Defaults to the retriever's own tokenizer. */
    countTokens?: CountTokens | undefined;
  };

export type PrunedDocument = {
  index: number;
  id: string;
  /** What stays, with markers. */
  text: string;
  /** Sentences or chunks that stay, in the order of the text; half-open in UTF-16 units of the document's text. */
  kept: { begin: number; end: number; score: number; protected: boolean }[];
  /** How many were left out. */
  dropped: number;
};

export type PruneResult = {
  query: string;
  /** The texts of all documents, with an empty line between them; those of which nothing stays are left out. */
  text: string;
  documents: PrunedDocument[];
  /** `tokens` of `text`, and of the same without pruning, by `countTokens`. */
  usage: { tokens: number; originalTokens: number; promptTokens: number };
  timings: RankResult["timings"];
  warnings: string[];
  windows?: WindowsUsed;
};

const DEFAULT_MARKER = "[…] ";
const PASSAGE: ChunkOptions = { by: "paragraphs", size: 128 };
/** A sentence's mean is taken as if so many more tokens had had the mean of its passage: as measured, docs/long-context.md. */
const PRIOR_TOKENS = 64;
const SEPARATOR = "\n\n";
/** Selections tried so that the tokens of the joined text come close to the budget. */
const ATTEMPTS = 6;

/** Keeps of texts what a query attends to; see `QRRetriever.prune`. */
export async function prune(
  retriever: Pick<QRRetriever, "rank" | "chunk" | "tokenize">,
  query: string,
  input: string | readonly DocumentInput[],
  options: PruneOptions,
): Promise<PruneResult> {
  const { unit = "sentence", chunk = PASSAGE, protect, marker = DEFAULT_MARKER, countTokens, ...rest } = options;
  const { budgetTokens, threshold, topK, ...rankOptions } = rest;
  checkLimit({ budgetTokens, threshold, topK });
  if (unit !== "sentence" && unit !== "chunk") throw invalidArgument("unit", '"sentence" or "chunk"', unit);
  if (typeof marker !== "string") throw invalidArgument("marker", "a text, which may be empty", marker);
  if (chunk.overlap) throw invalidArgument("chunk.overlap", "no overlap, or text would stand twice", chunk.overlap);
  const documents = typeof input === "string" ? [{ id: "0", text: input }] : normalizeDocuments(input);
  if (documents.every(({ text }) => text.trim() === "")) {
    throw new InputError("INVALID_INPUT", "The text to prune is empty: pass a text with at least one character");
  }
  const count = countTokens ?? (async (text: string) => (await retriever.tokenize(text)).tokens.length);

  const passages: (RankDocument & { document: number; begin: number })[] = [];
  for (const [document, { title, text }] of documents.entries()) {
    for (const { begin, text: part } of await retriever.chunk(text, chunk)) {
      if (part.trim() === "" && passages.at(-1)?.document !== document) continue;
      passages.push({ id: String(passages.length), ...(title && { title }), text: part, document, begin });
    }
  }
  const ranking = await retriever.rank(
    query,
    passages.map(({ id, title, text }) => ({ id, title: title ?? null, text })),
    { ...rankOptions, tokenScores: unit === "sentence" },
  );
  if (unit === "sentence" && ranking.results.some((result) => result.passages)) {
    throw invalidArgument("chunk.size", "a size so that every chunk fits a window", chunk.size ?? "none");
  }
  const units = toUnits(documents, passages, ranking, protect);
  const original = documents.map(({ text }) => text).join(SEPARATOR);
  const originalTokens = await count(original);
  const own = units.flat().reduce((sum, { cost }) => sum + cost, 0);
  // The reader's tokens, estimated from ours; the joined text is counted with its own below.
  for (const one of units.flat()) one.cost *= originalTokens / Math.max(1, own);
  const markerCost = marker === "" ? 0 : await count(marker);

  const { kept, text, tokens } = await choose();
  return {
    query,
    text,
    documents: documents.map(({ id, text: whole }, index) => ({
      index,
      id,
      text: joinKept(whole, units[index]!, kept[index]!, marker).text,
      kept: units[index]!.filter((_, i) => kept[index]![i]).map(({ cost: _, ...shown }) => shown),
      dropped: kept[index]!.filter((stays) => !stays).length,
    })),
    usage: { tokens, originalTokens, promptTokens: ranking.usage.promptTokens },
    timings: ranking.timings,
    warnings: ranking.warnings,
    ...(ranking.windows && { windows: ranking.windows }),
  };

  function render(kept: readonly boolean[][]): string {
    return documents
      .map(({ text }, index) =>
        kept[index]!.includes(true) ? joinKept(text, units[index]!, kept[index]!, marker).text : "",
      )
      .filter((text) => text !== "")
      .join(SEPARATOR);
  }

  async function measure(kept: boolean[][]) {
    const text = render(kept);
    return { kept, text, tokens: text === "" ? 0 : await count(text) };
  }

  /** The best selection whose text fits; estimates of what it costs are mended by what it did cost. */
  async function choose() {
    if (budgetTokens === undefined) return measure(selectUnits(units, { threshold, topK }, markerCost));
    const least = await measure(units.map((row) => row.map((one) => one.protected)));
    if (least.tokens > budgetTokens) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `The protected text has ${least.tokens} tokens but the budget is ${budgetTokens}: ` +
          `use a budget of at least ${least.tokens}, or protect less`,
      );
    }
    let best = least;
    let allowance = budgetTokens;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const tried = await measure(selectUnits(units, { budgetTokens: allowance }, markerCost));
      if (tried.tokens <= budgetTokens && tried.tokens > best.tokens) best = tried;
      if (tried.tokens === budgetTokens || tried.kept.every((row) => !row.includes(false))) break;
      allowance += budgetTokens - tried.tokens;
      if (allowance < 0) break;
    }
    return best;
  }
}

/** Sentences with the mean score of their tokens, or chunks with their score for each token. */
function toUnits(
  documents: readonly RankDocument[],
  passages: readonly { document: number; begin: number; text: string }[],
  { results, usage }: RankResult,
  protect: ProtectOptions | undefined,
): PruneUnit[][] {
  const guarded = documents.map(({ text }) => protectedSpans(text, protect));
  const units: PruneUnit[][] = documents.map(() => []);
  const byPassage = new Map(results.map((result) => [result.index, result]));
  for (const [index, { document, begin, text }] of passages.entries()) {
    const result = byPassage.get(index)!;
    const parts = result.tokenScores
      ? sentenceScores(text, result)
      : [chunkScore(text, result, usage.documentTokens[index]!)];
    const row = units[document]!;
    for (const part of parts) {
      // Space before the first passage belongs to it.
      const from = row.length === 0 ? 0 : begin + part.begin;
      const to = begin + part.end;
      const isProtected = guarded[document]!.some(([left, right]) => left < to && right > from);
      row.push({ ...part, begin: from, end: to, protected: isProtected });
    }
  }
  return units;
}

function sentenceCuts(text: string): number[] {
  return atOnce(collect(atOnce(Outline.of(text)).sentences([0, text.length])));
}

type Part = Pick<PruneUnit, "begin" | "end" | "score" | "cost">;

function chunkScore(text: string, { score }: RankedDocument, tokens: number): Part {
  return { begin: 0, end: text.length, score: score / tokens, cost: tokens };
}

/**
 * Every sentence of a passage with what attention it gives for each token of a budget: the mean of its tokens' scores,
 * drawn to that of the passage. Attention falls on few tokens, so that a short sentence says little by itself.
 */
function sentenceScores(text: string, { tokenScores }: RankedDocument): Part[] {
  const edges = [0, ...sentenceCuts(text), text.length];
  const spans = edges.slice(1).map((end, index) => [edges[index]!, end] as const);
  const parts = spans.map(([begin, end]) => ({ begin, end, score: 0, cost: 0 }));
  const length = tokenScores!.reduce((sum, token) => sum + token.text.length, 0);
  let position = text.length - length;
  let current = 0;
  for (const token of tokenScores!) {
    // A token belongs to the sentence that its last character is in.
    const last = position + Math.max(1, token.text.length) - 1;
    position += token.text.length;
    if (last < 0) continue;
    while (current + 1 < parts.length && parts[current]!.end <= last) current++;
    const part = parts[current]!;
    part.cost++;
    if (token.kept) part.score += token.score;
  }
  const sum = (of: "score" | "cost") => parts.reduce((total, part) => total + part[of], 0);
  const prior = PRIOR_TOKENS * (sum("score") / Math.max(1, sum("cost")));
  for (const part of parts) part.score = (part.score + prior) / (part.cost + PRIOR_TOKENS);
  return parts;
}
