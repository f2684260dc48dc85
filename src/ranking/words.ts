import { Bm25Index, textOf } from "../bm25/bm25.ts";
import { topicTerms } from "../bm25/words.ts";
import type { RankDocument } from "../types.ts";
import { inSlices, type Steps } from "../util/in-slices.ts";

/** The words of documents that several queries are asked of: of a corpus, or a batch. Gone with the list of documents. */
const indexes = new WeakMap<readonly RankDocument[], Bm25Index>();

/**
 * Indexes the words of documents in slices, so that other work gets its turns.
 *
 * @throws The signal's reason.
 */
export async function indexWords(documents: readonly RankDocument[], signal: AbortSignal | undefined): Promise<void> {
  if (!indexes.has(documents)) await inSlices(indexSteps(documents), signal);
}

function* indexSteps(documents: readonly RankDocument[]): Steps<Bm25Index> {
  const index = new Bm25Index();
  for (const document of documents) {
    index.add(textOf(document));
    yield;
  }
  index.finish();
  indexes.set(documents, index);
  return index;
}

function indexOf(documents: readonly RankDocument[]): Bm25Index {
  return indexes.get(documents) ?? Bm25Index.of(documents.map(textOf));
}

/** BM25 of every document, where the documents themselves are the collection that words are rare in. */
export function bm25Scores(query: string, documents: readonly RankDocument[]): number[] {
  return indexOf(documents).scores(
    query,
    documents.map((_, i) => i),
  );
}

/**
 * The share of the query's different words that each document has, title included, from 0 to 1: stemmed, without question words,
 * pronouns, auxiliaries and articles. 0 for all where the query has no other words. It depends on no other document.
 */
export function sharedWords(query: string, documents: readonly RankDocument[]): number[] {
  const terms = topicTerms(query);
  return Array.from(indexOf(documents).shared(terms), (count) => count / Math.max(1, terms.length));
}

/**
 * For documents that only repeat words of the query, the documents that have as many of its words, itself among them; nothing for
 * others, and for those without such words.
 *
 * @param some Indexes of the documents to look at.
 * @throws The signal's reason.
 */
export async function echoesOf(
  query: string,
  documents: readonly RankDocument[],
  some: readonly number[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const terms = topicTerms(query);
  const asked = new Set(terms);
  const echoes = some.filter((one) => {
    const own = topicTerms(documents[one]!.text);
    return own.length > 0 && own.every((term) => asked.has(term));
  });
  if (echoes.length === 0) return new Map();
  await indexWords(documents, signal);
  const shared = indexOf(documents).shared(terms);
  const having = new Map<number, readonly number[]>();
  for (const count of new Set(echoes.map((one) => shared[one]!))) {
    having.set(
      count,
      documents.flatMap((_, index) => (shared[index]! >= count ? [index] : [])),
    );
  }
  return new Map(echoes.map((one) => [one, having.get(shared[one]!)!]));
}
