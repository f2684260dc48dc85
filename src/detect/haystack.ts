import { shuffled } from "../heads/heads.ts";
import { type Passage, wordsOf } from "./passages.ts";

/** Needles of one kind; see `bootstrapExamples`. */
export type PureNeedle = "fact" | "sentence" | "cloze" | "keywords";

const KEYWORDS = 4;
/** A sentence of fewer words, such as a heading, says too little to be looked for. */
const QUERY_WORDS = 5;

/** Passages, and how many of them hold each word. */
export class Haystack {
  readonly #passages: readonly Passage[];
  readonly #words: readonly ReadonlySet<string>[];
  readonly #frequencies = new Map<string, number>();
  /** Words that names are made of, and how many passages hold each. */
  readonly #names: readonly [word: string, passages: number][];

  constructor(passages: readonly Passage[]) {
    this.#passages = passages;
    this.#words = passages.map(({ sentences }) => new Set(wordsOf(sentences.join(" "))));
    for (const words of this.#words) {
      for (const word of words) this.#frequencies.set(word, (this.#frequencies.get(word) ?? 0) + 1);
    }
    this.#names = [...this.#frequencies].filter(([word]) => isTelling(word));
  }

  /** Other passages in random order: up to half are the nearest ones of the same text, the rest are any. */
  around(gold: number, count: number, random: () => number): number[] {
    const others = [...this.#passages.keys()].filter((index) => index !== gold);
    const near = others
      .filter((index) => this.#passages[index]!.text === this.#passages[gold]!.text)
      .sort((a, b) => Math.abs(a - gold) - Math.abs(b - gold) || a - b)
      .slice(0, Math.floor(count / 2));
    const far = shuffled(
      others.filter((index) => !near.includes(index)),
      random,
    );
    return shuffled([...near, ...far].slice(0, count), random);
  }

  /** The query, and the documents' texts; `place` is where the gold one stands among `chosen`. */
  plant(needle: PureNeedle, chosen: readonly number[], place: number, random: () => number) {
    const texts = chosen.map((index) => this.#passages[index]!.sentences.join(" "));
    const { sentences } = this.#passages[chosen[place]!]!;
    if (needle === "fact") return this.#plantFacts(chosen, place, random);
    if (needle === "keywords") return { query: this.#rarest(chosen[place]!, KEYWORDS).join(" "), texts };
    const position = this.#telling(sentences, chosen, place, random);
    if (needle === "cloze") this.#takeOut(texts, chosen, place, position, random);
    return { query: sentences[position]!, texts };
  }

  /** Which sentence to ask for: a whole one, that stands in no other document, where there is one. */
  #telling(sentences: readonly string[], chosen: readonly number[], place: number, random: () => number): number {
    const others = chosen.filter((_, document) => document !== place);
    const stands = (sentence: string) => others.some((index) => this.#passages[index]!.sentences.includes(sentence));
    const all = [...sentences.keys()];
    const own = all.filter((index) => !stands(sentences[index]!));
    const whole = own.filter((index) => wordsOf(sentences[index]!).length >= QUERY_WORDS);
    const candidates = [whole, own, all].find((list) => list.length > 0)!;
    return candidates[Math.floor(random() * candidates.length)]!;
  }

  /** Takes a sentence from every document, so that heads that prefer short documents gain nothing. */
  #takeOut(texts: string[], chosen: readonly number[], place: number, position: number, random: () => number): void {
    for (const [document, index] of chosen.entries()) {
      const { sentences } = this.#passages[index]!;
      const out = document === place ? position : Math.floor(random() * sentences.length);
      texts[document] = sentences.filter((_, sentence) => sentence !== out).join(" ");
    }
  }

  #plantFacts(chosen: readonly number[], place: number, random: () => number) {
    const names = this.#nameAll(chosen, random);
    const texts = chosen.map((index, document) => {
      const sentences = [...this.#passages[index]!.sentences];
      const number = 10_000 + Math.floor(random() * 90_000);
      const position = Math.floor(random() * (sentences.length + 1));
      sentences.splice(position, 0, `The access code for ${names[document]} is ${number}.`);
      return sentences.join(" ");
    });
    return { query: `What is the access code for ${names[place]}?`, texts };
  }

  /** A name for each document: two rare words that stand in none of the documents, and in no other name where possible. */
  #nameAll(chosen: readonly number[], random: () => number): string[] {
    const inside = new Set(chosen.flatMap((index) => [...this.#words[index]!]));
    const outside = this.#names.filter(([word]) => !inside.has(word));
    // A small text has few words outside the documents. Then words inside them are used.
    const candidates = outside.length >= 2 * chosen.length ? outside : this.#names;
    const rare = shuffled(candidates, random)
      .sort((a, b) => a[1] - b[1])
      .map(([word]) => word);
    return chosen.map((_, document) => {
      const pair = [rare[(2 * document) % rare.length]!, rare[(2 * document + 1) % rare.length]!];
      return pair.map((word) => word[0]!.toUpperCase() + word.slice(1)).join(" ");
    });
  }

  #rarest(passage: number, count: number): string[] {
    const words = [...this.#words[passage]!];
    const telling = words.filter(isTelling);
    return (telling.length >= count ? telling : words)
      .sort((a, b) => this.#frequencies.get(a)! - this.#frequencies.get(b)!)
      .slice(0, count);
  }
}

/** Words that carry meaning: longer than articles are in most scripts, and no number. */
function isTelling(word: string): boolean {
  return /\p{L}/u.test(word) && (!/^\p{Script=Latin}+$/u.test(word) || word.length >= 4);
}
