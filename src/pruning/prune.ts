import type { Chunk, ChunkOptions } from "../chunking/chunk.ts";
import { type DocumentInput, normalizeDocuments } from "../documents/documents.ts";
import { InputError, invalidArgument } from "../errors.ts";
import type { RankOptions } from "../options.ts";
import type { RankResult } from "../ranking/results.ts";
import type { WindowsUsed } from "../ranking/windows/options.ts";
import type { RankDocument, Span } from "../types.ts";
import { orAborted } from "../util/abort-signal.ts";
import { fitBudget, type Measure, type PruneText, render, SEPARATOR } from "./fit.ts";
import { checkPruneOptions, PASSAGE, type PruneOptions, type PruneUnit, unitFor } from "./options.ts";
import { type PricedToken, type PruneRanking, passagePrice, type RankedPassage, readTokens } from "./price.ts";
import { protect } from "./protect.ts";
import { candidates, type PruneLimit, selectUnits } from "./select.ts";
import { toPruneText } from "./texts.ts";

export type PrunedDocument = {
  index: number;
  id: string;
  /** The text that stays, with markers; empty if nothing stays. */
  text: string;
  /**
   * Sentences or chunks that stay, in the order of the text, with the lines of a fence or table that they need; half-open in
   * UTF-16 units of the document's text.
   */
  kept: { begin: number; end: number; score: number; protected: boolean }[];
  /** How many were left out. */
  dropped: number;
};

export type PruneResult = {
  query: string;
  /** The unit that was kept or dropped whole. */
  unit: PruneUnit;
  /** The texts of all documents, with an empty line between them; those of which nothing stays are left out. */
  text: string;
  documents: PrunedDocument[];
  /** `tokens` of `text`, and of the texts before pruning, by `countTokens`. */
  usage: { tokens: number; originalTokens: number; promptTokens: number };
  timings: RankResult["timings"];
  /** Sentences to show, for example that the best sentence did not fit the budget. */
  warnings: string[];
  windows?: WindowsUsed;
};

/** What pruning needs of a retriever. `rank` reads texts whole, whatever the retriever was told to cut. */
export type PruneHost = {
  rank(query: string, documents: readonly RankDocument[], options: RankOptions): Promise<PruneRanking>;
  chunk(text: string, options: ChunkOptions & { signal?: AbortSignal | undefined }): Promise<Chunk[]>;
  tokenize(text: string, signal: AbortSignal | undefined): Promise<{ tokens: { length: number } }>;
};

type Passage = RankDocument & { document: number; begin: number; tokens: number };

/** Keeps the parts of texts that a query attends to; see `QRRetriever.prune`. */
export async function prune(
  host: PruneHost,
  query: string,
  input: string | readonly DocumentInput[],
  options: PruneOptions,
): Promise<PruneResult> {
  const { limit, unit: asked, chunk, protect: guard, marker, countTokens, rankOptions } = checkPruneOptions(options);
  const { signal } = rankOptions;
  const documents = typeof input === "string" ? [{ id: "0", text: input }] : normalizeDocuments(input);
  if (documents.length === 0) return nothingToPrune(query, asked);
  if (documents.every(({ text }) => text.trim() === "")) {
    throw new InputError("INVALID_INPUT", "The text to prune is empty: pass a text with at least one character");
  }
  const contents = documents.map(({ text }) => text);
  const turns = { turn: guard.turn ?? chunk.turn, speakers: guard.speakers };
  const guarded = protect(contents, { ...guard, ...turns });
  const count = countTokens
    ? (text: string) => orAborted(countTokens(text), signal)
    : async (text: string) => (await host.tokenize(text, signal)).tokens.length;

  const passages: Passage[] = [];
  for (const index of documents.keys())
    passages.push(...(await passagesOf(index, [0, contents[index]!.length], chunk)));
  const unit = unitFor(
    asked,
    passages.map(({ tokens }) => tokens),
  );
  const ranking = await read(passages, unit === "sentence");
  if (unit === "sentence" && ranking.results.some((result) => result.passages)) {
    throw invalidArgument("chunk.size", "a size so that every chunk fits a window", chunk.size ?? "none");
  }
  const texts = await toTexts();
  const originalUnits = texts.map(({ units }) => units.length);
  const measure = await toMeasure();
  const { budgetTokens } = limit;
  const chosen =
    budgetTokens === undefined
      ? await render(texts, selectUnits(unitsOf(texts), limit, 0), measure)
      : await fitBudget(texts, { ...limit, budgetTokens }, measure, unit);
  signal?.throwIfAborted();
  return {
    query,
    unit,
    text: chosen.text,
    documents: documents.map(({ id }, index) => {
      const kept = texts[index]!.units.filter((_, i) => chosen.kept[index]![i]);
      return {
        ...{ index, id, text: chosen.texts[index]! },
        kept: kept.map(({ begin, end, score, protected: isProtected }) => ({
          begin,
          end,
          score,
          protected: isProtected,
        })),
        dropped: originalUnits[index]! - kept.length,
      };
    }),
    usage: { tokens: chosen.tokens, originalTokens: measure.originalTokens, promptTokens: ranking.usage.promptTokens },
    timings: ranking.timings,
    warnings: [...ranking.warnings, ...guarded.warnings, ...chosen.warnings, ...unreached(texts, limit, unit)],
    ...(ranking.windows && { windows: ranking.windows }),
  };

  /** The passages of a stretch of a document; blank ones have nothing to say. */
  async function passagesOf(document: number, [from, to]: Span, cut: ChunkOptions): Promise<Passage[]> {
    const { title, text } = documents[document] as RankDocument;
    const chunks = await host.chunk(text.slice(from, to), { ...cut, signal });
    return chunks
      .filter((one) => one.text.trim() !== "")
      .map(({ begin, text: part, tokens }, index) => ({
        ...{ id: `${document}-${from}-${index}`, ...(title && { title }), text: part },
        ...{ document, begin: from + begin, tokens },
      }));
  }

  function read(of: readonly Passage[], tokenScores: boolean): Promise<PruneRanking> {
    const shown = of.map(({ id, title, text }) => ({ id, ...(title && { title }), text }));
    return host.rank(query, shown, { ...rankOptions, tokenScores, fuse: "none" });
  }

  async function toTexts(): Promise<PruneText[]> {
    const results = new Map(ranking.results.map((result) => [result.index, result]));
    const found = passages.map((passage, index) => {
      const result = results.get(index)!;
      const price = passagePrice(result, ranking.usage.documentTokens[index]!);
      return { ...passage, result, price, end: passage.begin + passage.text.length, cost: passage.tokens };
    });
    const settings = { isSource: chunk.by === "code", passageTokens: chunk.size, turns, signal };
    const made: PruneText[] = [];
    for (const [index, text] of contents.entries()) {
      const own = found.filter(({ document }) => document === index);
      const tokens =
        unit === "sentence" ? own.flatMap((one) => readTokens(one.text, one.begin, one.result, one.price)) : undefined;
      const readAgain = (span: Span) => readStretch(index, span);
      made.push(await toPruneText(text, own, tokens, guarded.spans[index]!, readAgain, settings));
    }
    return made;
  }

  /** The tokens of a chunk, which is read once more for them. */
  async function readStretch(document: number, span: Span): Promise<PricedToken[]> {
    const own = await passagesOf(document, span, PASSAGE);
    const { results, usage } = await read(own, true);
    const byIndex = new Map(results.map((result) => [result.index, result]));
    return own.flatMap(({ text, begin }, index) => {
      const result: RankedPassage = byIndex.get(index)!;
      return readTokens(text, begin, result, passagePrice(result, usage.documentTokens[index]!));
    });
  }

  /** Counts the reader's tokens; costs of units become estimates of them. */
  async function toMeasure(): Promise<Measure & { originalTokens: number }> {
    const originalTokens = await count(contents.join(SEPARATOR));
    const all = unitsOf(texts).flat();
    const scale =
      originalTokens /
      Math.max(
        1,
        all.reduce((sum, { cost }) => sum + cost, 0),
      );
    for (const one of all) one.cost *= scale;
    // A token that the tokenizer puts before every text counts once, not for every marker.
    const markerCost = marker === "" ? 0 : (await count(marker + marker)) - (await count(marker));
    return { marker, markerCost, scale, count, originalTokens };
  }
}

function unitsOf(texts: readonly PruneText[]) {
  return texts.map(({ units }) => units);
}

/** A warning where a threshold leaves nothing but what is protected. */
function unreached(texts: readonly PruneText[], { threshold }: PruneLimit, unit: string): string[] {
  if (threshold === undefined || candidates(unitsOf(texts), { threshold }).length > 0) return [];
  const [best] = candidates(unitsOf(texts), {});
  if (!best) return [];
  return [`No ${unit} reaches the threshold of ${threshold}: the best has ${Number(best.unit.score.toPrecision(3))}`];
}

/** Of no documents nothing stays, and nothing is read. */
function nothingToPrune(query: string, unit: PruneUnit | "auto"): PruneResult {
  return {
    ...{ query, unit: unit === "auto" ? "chunk" : unit, text: "", documents: [], warnings: [] },
    usage: { tokens: 0, originalTokens: 0, promptTokens: 0 },
    timings: { loadMs: 0, prefillMs: 0, nullMs: 0, queryMs: 0, totalMs: 0 },
  };
}
