import type { RankDocument } from "../types.ts";
import { inverseFrequency, isEnglish, rarityInEnglish } from "./english.ts";
import { sortAsTrec } from "./order.ts";
import { termsOf, type WordProcessing } from "./words.ts";

/** Term saturation and length normalisation of Anserini's BM25, which BEIR's published baselines use. */
const K1 = 0.9;
const B = 0.4;

/** A document's searchable text: its title and its text are one field. */
export function textOf({ title, text }: RankDocument): string {
  return title ? `${title} ${text}` : text;
}

/**
 * An inverted index that scores by BM25 (Robertson and Zaragoza 2009) with k1 = 0.9 and b = 0.4:
 * Σ over query terms, repeated ones counted again, of ln(1 + (N − n + 0.5) / (n + 0.5)) · tf·(k1 + 1) / (tf + k1·(1 − b + b·|d| / avg|d|)).
 *
 * Lucene leaves out the factor k1 + 1, which is the same for all, and rounds |d|, which is exact here.
 *
 * Postings are typed arrays, so that a large corpus costs about ten bytes for every different term of a document.
 */
export class Bm25Index {
  readonly #terms = new Map<string, number>();
  readonly #lengths = new Growing(Uint32Array);
  readonly #term = new Growing(Uint32Array);
  readonly #document = new Growing(Uint32Array);
  readonly #count = new Growing(Uint16Array);
  /** Where the postings of each term begin; made by `finish`. */
  #begins: Uint32Array | undefined;
  #documents = new Uint32Array();
  #counts = new Uint16Array();
  #normalizers = new Float64Array();
  #sums = new Float64Array();
  #isEnglish = false;

  /** @param rarity Where words are rare: `own`, in the documents, as published; `english`, in English text too if they are English, after `loadEnglish()`. */
  constructor(
    readonly words: WordProcessing = "lucene",
    readonly rarity: "own" | "english" = "own",
  ) {}

  static of(texts: readonly string[], words?: WordProcessing, rarity?: "own" | "english"): Bm25Index {
    const index = new Bm25Index(words, rarity);
    for (const text of texts) index.add(text);
    index.finish();
    return index;
  }

  get size(): number {
    return this.#lengths.length;
  }

  /** Adds the next document; its index is the number of those before it. */
  add(text: string): void {
    const counts = new Map<number, number>();
    const terms = termsOf(text, this.words);
    for (const term of terms) {
      let id = this.#terms.get(term);
      if (id === undefined) {
        id = this.#terms.size;
        this.#terms.set(term, id);
      }
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    for (const [id, count] of counts) {
      this.#term.push(id);
      this.#document.push(this.size);
      this.#count.push(Math.min(count, 0xffff));
    }
    this.#lengths.push(terms.length);
  }

  /** Sorts what was added by term. Nothing can be added afterwards. */
  finish(): void {
    const postings = this.#term.length;
    const begins = new Uint32Array(this.#terms.size + 1);
    const terms = this.#term.values();
    const [documents, counts] = [this.#document.values(), this.#count.values()];
    for (const term of terms) begins[term + 1]!++;
    if (this.rarity === "english") this.#isEnglish = isEnglish(this.#counted());
    for (let term = 0; term < this.#terms.size; term++) begins[term + 1]! += begins[term]!;
    const next = begins.slice();
    this.#documents = new Uint32Array(postings);
    this.#counts = new Uint16Array(postings);
    for (let i = 0; i < postings; i++) {
      const at = next[terms[i]!]!++;
      this.#documents[at] = documents[i]!;
      this.#counts[at] = counts[i]!;
    }
    for (const list of [this.#term, this.#document, this.#count]) list.clear();
    const lengths = this.#lengths.values();
    const average = lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length);
    this.#normalizers = Float64Array.from(lengths, (length) => K1 * (1 - B + (B * length) / (average || 1)));
    this.#sums = new Float64Array(this.size);
    this.#begins = begins;
  }

  /** The best documents that share a term with the query, at most `depth`, in trec_eval's order of equal scores. */
  search(query: string, depth: number, ids: readonly string[]): { index: number; score: number }[] {
    const touched = this.#accumulate(query);
    const values = Float64Array.from(touched, (index) => this.#sums[index]!).sort();
    const least = values.length > depth ? values[values.length - depth]! : 0;
    const found = touched.filter((index) => this.#sums[index]! >= least);
    const scores = found.map((index) => this.#sums[index]!);
    this.#forget(touched);
    const order = sortAsTrec(
      found.map((index) => ids[index]!),
      scores,
    );
    return order.slice(0, depth).map((i) => ({ index: found[i]!, score: scores[i]! }));
  }

  /** Scores of the documents at `indexes`; 0 for one that shares no term with the query. */
  scores(query: string, indexes: readonly number[]): number[] {
    const touched = this.#accumulate(query);
    const scores = indexes.map((index) => this.#sums[index]!);
    this.#forget(touched);
    return scores;
  }

  /** How many of some terms each document has, whatever their counts. */
  shared(terms: readonly string[]): Uint32Array {
    const begins = this.#finished();
    const found = new Uint32Array(this.size);
    for (const term of terms) {
      const id = this.#terms.get(term);
      if (id === undefined) continue;
      for (const document of this.#documents.subarray(begins[id]!, begins[id + 1]!)) found[document]!++;
    }
    return found;
  }

  /** The documents that have every one of some different terms, in their order. */
  having(terms: readonly string[]): number[] {
    const having: number[] = [];
    for (const [document, count] of this.shared(terms).entries()) if (count === terms.length) having.push(document);
    return having;
  }

  /** Terms with how often the documents have each. */
  *#counted(): Generator<[string, number]> {
    const sums = new Float64Array(this.#terms.size);
    const [terms, counts] = [this.#term.values(), this.#count.values()];
    for (const [i, term] of terms.entries()) sums[term]! += counts[i]!;
    for (const [term, id] of this.#terms) yield [term, sums[id]!];
  }

  #finished(): Uint32Array {
    if (!this.#begins) throw new Error("finish() must come before the first search");
    return this.#begins;
  }

  /** Adds up scores in `#sums`; the documents that got any. */
  #accumulate(query: string): number[] {
    const begins = this.#finished();
    const touched: number[] = [];
    for (const term of termsOf(query, this.words)) {
      const id = this.#terms.get(term);
      if (id === undefined) continue;
      const begin = begins[id]!;
      const end = begins[id + 1]!;
      const own = inverseFrequency(this.size, end - begin);
      const idf = this.#isEnglish ? rarityInEnglish(term, own) : own;
      for (let i = begin; i < end; i++) {
        const document = this.#documents[i]!;
        const count = this.#counts[i]!;
        if (this.#sums[document] === 0) touched.push(document);
        this.#sums[document]! += (idf * count * (K1 + 1)) / (count + this.#normalizers[document]!);
      }
    }
    return touched;
  }

  #forget(touched: readonly number[]): void {
    for (const index of touched) this.#sums[index] = 0;
  }
}

type NumberArray = Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** A typed array that doubles when it is full. */
class Growing<T extends NumberArray> {
  #values: T;
  length = 0;

  constructor(readonly make: new (size: number) => T) {
    this.#values = new make(1024);
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new this.make(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  values(): T {
    return this.#values.subarray(0, this.length) as T;
  }

  clear(): void {
    this.#values = new this.make(0);
    this.length = 0;
  }
}
