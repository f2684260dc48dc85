import { chooseByWords, DEFAULT_CANDIDATES } from "../answering/passages.ts";
import { NO_WORD } from "../answering/retrieve.ts";
import type { ChunkIndex, IndexedChunk } from "../index-store/chunk-index.ts";
import type { RankOptions } from "../options.ts";
import type { BatchResult } from "../ranking/batch.ts";
import type { FusionOptions } from "../ranking/fusion.ts";
import type { RankResult } from "../ranking/results.ts";
import type { QRRetriever } from "../retriever.ts";
import { type SourceDocument, toRankDocuments } from "./sources.ts";

/** What a first stage chooses from: documents that were read, or an index. */
export type Collection = readonly SourceDocument[] | ChunkIndex;

type Given = Omit<RankOptions, keyof FusionOptions> & {
  /** What each query fuses. */
  fusions: readonly FusionOptions[];
  /** Gets each result with the documents that its indexes are positions in. */
  onResult: (result: RankResult, index: number, documents: readonly SourceDocument[]) => void;
};

/**
 * Ranks for each query the candidates that BM25 chooses for it. Results of documents have their positions among all; those of
 * an index among its candidates, best by BM25 first.
 */
export async function rankCandidates(
  retriever: QRRetriever,
  queries: readonly string[],
  from: Collection,
  most = DEFAULT_CANDIDATES,
  { onResult, fusions, ...options }: Given,
): Promise<BatchResult> {
  return oneByOne(queries, async (query, index) => {
    const own = fusions[index];
    const isFused = (own?.fuse ?? (own?.prior ? undefined : retriever.fuse)) !== "none";
    const { documents, positions, fusion } = await candidatesFor(query, from, most, isFused, options.signal);
    const ranked = toRankDocuments(positions.map((position) => documents[position]!));
    const prior =
      typeof own?.prior === "object" ? positions.map((position) => Number(own.prior![position])) : own?.prior;
    const result = await retriever.rank(query, ranked, { ...options, ...own, prior, ...fusion });
    if (ranked.length === 0) result.warnings.push(NO_WORD);
    for (const one of result.results) one.index = positions[one.index]!;
    onResult(result, index, documents);
    return result;
  });
}

/** Ranks for one query after another, where they cannot share a forward pass. */
export async function oneByOne(
  queries: readonly string[],
  rank: (query: string, index: number) => Promise<RankResult>,
): Promise<BatchResult> {
  const began = performance.now();
  const results: RankResult[] = [];
  for (const [index, query] of queries.entries()) results.push(await rank(query, index));
  const totalMs = performance.now() - began;
  const times = results.map(({ timings }) => timings.totalMs).sort((a, b) => a - b);
  const medianMs = times[times.length >>> 1] ?? 0;
  const queriesPerSecond = (queries.length / totalMs) * 1000;
  return { results, throughput: { queries: queries.length, totalMs, queriesPerSecond, medianMs } };
}

type Candidates = { documents: readonly SourceDocument[]; positions: number[]; fusion: FusionOptions };

async function candidatesFor(
  query: string,
  from: Collection,
  most: number,
  isFused: boolean,
  signal: AbortSignal | undefined,
): Promise<Candidates> {
  if (Array.isArray(from)) {
    const documents = from as readonly SourceDocument[];
    return { documents, positions: await chooseByWords(query, documents, most, signal), fusion: {} };
  }
  const found = await (from as ChunkIndex).search(query, most);
  // Its words are as rare as they are in the whole index.
  const fusion = isFused ? { prior: found.map(({ score }) => score) } : {};
  return { documents: withPlaces(found), positions: [...found.keys()], fusion };
}

/** Chunks with `FILE:LINE` as their ids, as of files that are cut here. */
function withPlaces(found: readonly IndexedChunk[]): SourceDocument[] {
  const used = new Set<string>();
  return found.map(({ id, documentId, title, text, file, line }) => {
    const place = line === undefined ? id : `${documentId}:${line}`;
    const unique = used.has(place) ? id : place;
    used.add(unique);
    return { id: unique, text, ...(title && { title }), ...(file !== undefined && { file }), ...(line && { line }) };
  });
}
