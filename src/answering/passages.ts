import { Bm25Index, textOf } from "../bm25/bm25.ts";
import { loadEnglish } from "../bm25/english.ts";
import { chunkDocuments } from "../documents/chunk-documents.ts";
import { type DocumentInput, normalizeDocuments } from "../documents/documents.ts";
import { type ChunkPlace, placesOf } from "../documents/places.ts";
import { type ReadText, readTexts } from "../documents/read-files.ts";
import { InputError, invalidArgument } from "../errors.ts";
import { ChunkIndex } from "../index-store/chunk-index.ts";
import type { RetrieveOptions } from "../options/types/texts.ts";
import type { RankResult } from "../ranking/results.ts";
import type { Ranker } from "../ranking/retriever.ts";
import type { CorpusRankOptions } from "../reading/corpus/options.ts";
import type { RankDocument } from "../types.ts";
import { inSlices, type Steps } from "../util/in-slices.ts";
import { fieldsOf, isList, isRevoked } from "../util/kinds.ts";

/** What retrieving asks of a retriever, in this process or another. */
export type RetrieveHost = Pick<Ranker, "rank" | "chunk" | "tokenize" | "fuse">;

/** What it asks of a corpus. */
export type RetrieveCorpus = {
  readonly documents: readonly RankDocument[];
  readonly layout: "listwise" | "independent";
  rank(query: string, options?: CorpusRankOptions): Promise<RankResult>;
};

/** What a question is answered from: documents, a corpus of chunks, an index, or files and folders. */
export type RetrieveFrom =
  | readonly (DocumentInput | ReadText)[]
  | RetrieveCorpus
  | ChunkIndex
  | { paths: readonly string[] };

/** A chunk and where it stands. */
type Passage = RankDocument & ChunkPlace;

/** Chunks in their own order, and those of them that the heads rank. */
export type Passages = {
  all: readonly Passage[];
  /** Positions in `all`, ascending. */
  candidates: readonly number[];
  /** How many chunks there were to choose from. */
  count: number;
  /** Ranks the candidates; `index` of a result is a position in `candidates`. */
  rank(query: string): Promise<RankResult>;
};

/** Chunks that BM25 chooses where there are more: the candidates of the paper's BEIR setting. */
export const DEFAULT_CANDIDATES = 200;
const CHUNKING = ["chunkTokens", "chunk"] as const;

/**
 * Opens the source of an answer. If it has more chunks than the heads are to read, BM25 chooses the candidates.
 *
 * @param host Not used for a corpus.
 * @throws InputError for what is none of these, options that have no use with it, and what reading and cutting throws.
 */
export async function openPassages(
  host: RetrieveHost,
  query: string,
  from: RetrieveFrom,
  options: RetrieveOptions,
): Promise<Passages> {
  if (!isRevoked(from) && from instanceof ChunkIndex) return ofIndex(host, query, from, options);
  if (isCorpus(from)) return ofCorpus(query, from, options);
  if (isList(from)) return ofDocuments(host, query, from, options);
  const { paths } = fieldsOf<{ paths: unknown }>(from);
  if (!isList(paths) || !paths.every((one) => typeof one === "string")) {
    throw invalidArgument("from", "documents, a corpus, an index or { paths }", from);
  }
  const { signal, onLeftOut } = options;
  return ofDocuments(host, query, await readTexts(paths, { signal, onLeftOut }), options);
}

/** @throws InputError `INVALID_ARGUMENT` for an option that says how to read what has been read. */
export function refuseReading(options: object, names: readonly string[], what: string): void {
  const option = names.find((name) => (options as Record<string, unknown>)[name] !== undefined);
  if (option) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `Option ${option} cannot be combined with ${what}, which has already been read`,
      {
        option,
      },
    );
  }
}

export function isCorpus(from: RetrieveFrom): from is RetrieveCorpus {
  const { rank, documents } = fieldsOf<RetrieveCorpus>(from);
  return typeof rank === "function" && isList(documents);
}

async function ofDocuments(
  host: RetrieveHost,
  query: string,
  documents: readonly (DocumentInput | ReadText)[],
  options: RetrieveOptions,
): Promise<Passages> {
  const { signal, chunkTokens, chunk, candidates: most = DEFAULT_CANDIDATES } = options;
  const chunks = documents.length > 0 ? await chunkDocuments(host, documents, { chunkTokens, chunk, signal }) : [];
  const texts = normalizeDocuments(documents).map((text, index) => ({ ...text, ...fileOf(documents[index]!) }));
  const places = placesOf(chunks, texts);
  const all = chunks.map((one, index) => ({ ...one, ...places[index]! }));
  const candidates = await chooseByWords(query, chunks, most, signal);
  const { fuse, layout, onProgress } = options;
  const given = candidates.map((index) => chunks[index]!);
  return {
    ...{ all, candidates, count: all.length },
    rank: (asked) => host.rank(asked, given, { fuse, layout, signal, onProgress }),
  };
}

async function ofCorpus(query: string, corpus: RetrieveCorpus, options: RetrieveOptions): Promise<Passages> {
  refuseReading(options, [...CHUNKING, "layout"], "a corpus");
  const { candidates: most, fuse, signal, onProgress } = options;
  const chunks = corpus.documents;
  const places = placesOf(chunks);
  const all = chunks.map((one, index) => ({ ...one, ...places[index]! }));
  const isPart = most !== undefined && most < all.length;
  if (isPart && corpus.layout !== "independent") {
    throw new InputError("INVALID_ARGUMENT", "A listwise corpus is ranked as a whole: its documents see each other", {
      ...{ option: "candidates", advice: 'make it with layout: "independent"' },
    });
  }
  const candidates = await chooseByWords(query, chunks, most ?? all.length, signal);
  const only = isPart ? { only: candidates.map((index) => all[index]!.id) } : {};
  const positions = new Map(candidates.map((index, position) => [index, position]));
  return {
    ...{ all, candidates, count: all.length },
    rank: async (asked) => {
      const result = await corpus.rank(asked, { ...only, fuse, signal, onProgress });
      const results = result.results.map((one) => ({ ...one, index: positions.get(one.index)! }));
      return { ...result, results };
    },
  };
}

async function ofIndex(
  host: RetrieveHost,
  query: string,
  index: ChunkIndex,
  options: RetrieveOptions,
): Promise<Passages> {
  refuseReading(options, CHUNKING, "an index");
  const { candidates: most = DEFAULT_CANDIDATES, neighbours = 0, fuse, layout, signal, onProgress } = options;
  const found = await index.search(query, most);
  const scores = new Map(found.map(({ id, score }) => [id, score]));
  const all = index.withNeighbours(found, neighbours);
  const candidates = all.flatMap(({ id }, position) => (scores.has(id) ? position : []));
  const given = candidates.map((position) => all[position]!);
  // The index scores by how rare a word is in the whole index.
  const prior = (fuse ?? host.fuse) === "none" ? undefined : given.map(({ id }) => scores.get(id)!);
  const documents = given.map(({ id, title, text }) => ({ id, ...(title !== undefined && { title }), text }));
  return {
    ...{ all, candidates, count: index.size },
    rank: (asked) => host.rank(asked, documents, { prior, fuse, layout, signal, onProgress }),
  };
}

/**
 * Positions of the chunks that BM25 puts first, ascending; all of them if there are no more than `most`. If fewer chunks share
 * a word with the query, the first of the others fill up, because a chunk can answer without sharing a word.
 */
export async function chooseByWords(
  query: string,
  chunks: readonly RankDocument[],
  most: number,
  signal?: AbortSignal,
): Promise<number[]> {
  const positions = [...chunks.keys()];
  if (chunks.length <= most) return positions;
  await loadEnglish();
  const scores = await inSlices(scoreSteps(query, chunks), signal);
  return positions
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, most)
    .sort((a, b) => a - b);
}

function* scoreSteps(query: string, chunks: readonly RankDocument[]): Steps<number[]> {
  const index = new Bm25Index("lucene", "english");
  for (const chunk of chunks) {
    index.add(textOf(chunk));
    yield;
  }
  index.finish();
  return index.scores(query, [...chunks.keys()]);
}

function fileOf(document: DocumentInput | ReadText): Partial<Pick<ReadText, "file" | "line">> {
  if (typeof document !== "object" || !("file" in document)) return {};
  const { file, line } = document;
  return { file, ...(line !== undefined && { line }) };
}
