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
  const index = new Bm25Index("lucene", "english");
  for (const document of documents) {
    index.add(textOf(document));
    yield;
  }
  index.finish();
  indexes.set(documents, index);
  return index;
}

function indexOf(documents: readonly RankDocument[]): Bm25Index {
  return indexes.get(documents) ?? Bm25Index.of(documents.map(textOf), "lucene", "english");
}

/** BM25 of every document, with how rare words are in English text and among the documents. */
export function bm25Scores(query: string, documents: readonly RankDocument[]): number[] {
  return indexOf(documents).scores(
    query,
    documents.map((_, i) => i),
  );
}

/** What stands for the share of shared words where the query has no words that could be shared: neither many nor few. */
const NO_WORDS = 0.5;

/**
 * The share of the query's different words that each document has, title included, from 0 to 1: stemmed, without question words,
 * pronouns, auxiliaries and articles of English. ½ for all where the query has no other words. It depends on no other document.
 */
export function sharedWords(query: string, documents: readonly RankDocument[]): number[] {
  const terms = topicTerms(query);
  if (terms.length === 0) return documents.map(() => NO_WORDS);
  return Array.from(indexOf(documents).shared(terms), (count) => count / terms.length);
}

/**
 * For documents that only repeat words of the query, the documents that have all of the same words, itself among them; nothing
 * for others, and for those without such words. Documents with the same words share one list.
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
  const asked = new Set(topicTerms(query));
  const echoes = await inSlices(echoSteps(asked, documents, some), signal);
  if (echoes.size === 0) return new Map();
  await indexWords(documents, signal);
  const index = indexOf(documents);
  const having = new Map<string, readonly number[]>();
  return new Map(
    Array.from(echoes, ([one, terms]) => {
      const name = terms.join(" ");
      const known = having.get(name) ?? index.having(terms);
      having.set(name, known);
      return [one, known];
    }),
  );
}

/** The words of each document that has some, and only words of the query. */
function* echoSteps(
  asked: ReadonlySet<string>,
  documents: readonly RankDocument[],
  some: readonly number[],
): Steps<Map<number, string[]>> {
  const echoes = new Map<number, string[]>();
  for (const one of some) {
    const terms = topicTerms(documents[one]!.text).sort();
    if (terms.length > 0 && terms.every((term) => asked.has(term))) echoes.set(one, terms);
    yield;
  }
  return echoes;
}
