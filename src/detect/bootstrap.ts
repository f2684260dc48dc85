import { InputError, invalidArgument } from "../errors.ts";
import { seededRandom, shuffled } from "../heads/heads.ts";
import type { DetectionExampleInput } from "./examples.ts";
import { type Passage, passagesOf, wordsOf } from "./passages.ts";

/** How a query is made from a passage; see `bootstrapExamples`. */
export const NEEDLES = ["mixed", "fact", "sentence", "cloze", "keywords"] as const;
export type Needle = (typeof NEEDLES)[number];
type PureNeedle = Exclude<Needle, "mixed">;

/** In turn. A model that is good at one of them only shows heads for that one: see docs/heads.md for what each found. */
const MIX: readonly PureNeedle[] = ["fact", "sentence", "keywords"];

/** Examples and documents in each, unless asked otherwise. */
export const BOOTSTRAP_EXAMPLES = 64;
export const BOOTSTRAP_DOCUMENTS = 20;

/** With fewer documents there is little to be told apart. */
const MIN_DOCUMENTS = 4;
const KEYWORDS = 4;

export type BootstrapOptions = {
  /** Defaults to `"mixed"`. */
  needle?: Needle | undefined;
  /** How many examples to make, at least 1. Defaults to `64`. */
  examples?: number | undefined;
  /** Documents in each, at least 4; fewer where the text has no more passages. Defaults to `20`. */
  documents?: number | undefined;
  /** Decides everything that is drawn, an integer from 0 to 2³²−1. Defaults to `0`. */
  seed?: number | undefined;
  /** What messages call the texts. Defaults to `"The bootstrap text"`. */
  sourceName?: string | undefined;
};

/**
 * Makes detection examples from texts without labels: needles in a haystack, as in section 3.4 of QRHead (EMNLP 2025).
 *
 * The texts are cut into passages of about 70 words, which are the documents; one of them holds the needle, in turn at every
 * place of the prompt, and it alone is gold. Half of the others are its neighbours in the text where there are any.
 *
 * - `fact`: a sentence that gives a name a number is put into the passage, and the query asks for that number. The other
 *   documents hold the same sentence with other names and numbers. Names are rare words of the texts.
 * - `sentence`: the query is one of the passage's sentences, which stays there
 * - `cloze`: the query is one of the passage's sentences, which is taken out (the inverse cloze task, ORQA, 2019)
 * - `keywords`: the query is the passage's rarest words
 * - `mixed`: fact, sentence and keywords in turn
 *
 * @returns The same examples for the same texts and options.
 * @throws InputError `INVALID_ARGUMENT` for a wrong option, `INVALID_INPUT` for texts that are empty or too short.
 */
export function bootstrapExamples(texts: readonly string[], options: BootstrapOptions = {}): DetectionExampleInput[] {
  const { needle, examples, documents, seed, sourceName } = parse(texts, options);
  const passages = passagesOf(texts);
  if (passages.length < MIN_DOCUMENTS) {
    throw new InputError(
      "INVALID_INPUT",
      `${sourceName} gives ${passages.length} passages of about 70 words where at least ${MIN_DOCUMENTS} are needed: ` +
        "pass more text, or none to use the text that comes with qrhead",
    );
  }
  const random = seededRandom(seed);
  const haystack = new Haystack(passages);
  const count = Math.min(documents, passages.length);
  let golds: number[] = [];
  let places: number[] = [];
  return Array.from({ length: examples }, (_, index) => {
    const kind = needle === "mixed" ? MIX[index % MIX.length]! : needle;
    if (golds.length === 0) golds = shuffled([...passages.keys()], random);
    if (places.length === 0) places = shuffled([...Array(count).keys()], random);
    const gold = golds.pop()!;
    const place = places.pop()!;
    const chosen = haystack.around(gold, count - 1, random);
    chosen.splice(place, 0, gold);
    const { query, texts } = haystack.plant(kind, chosen, place, random);
    return {
      id: `${kind}-${index + 1}`,
      query,
      docs: texts.map((text, document) => ({ id: String(document), text })),
      gold: [String(place)],
    };
  });
}

/** Passages, and how many of them hold each word. */
class Haystack {
  readonly #passages: readonly Passage[];
  readonly #words: readonly ReadonlySet<string>[];
  readonly #frequencies = new Map<string, number>();

  constructor(passages: readonly Passage[]) {
    this.#passages = passages;
    this.#words = passages.map(({ sentences }) => new Set(wordsOf(sentences.join(" "))));
    for (const words of this.#words) {
      for (const word of words) this.#frequencies.set(word, (this.#frequencies.get(word) ?? 0) + 1);
    }
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
    const position = Math.floor(random() * sentences.length);
    if (needle === "cloze") this.#takeOut(texts, chosen, place, position, random);
    return { query: sentences[position]!, texts };
  }

  /** Every document loses a sentence: heads that prefer short ones must not seem to have found the one it is about. */
  #takeOut(texts: string[], chosen: readonly number[], place: number, position: number, random: () => number): void {
    for (const [document, index] of chosen.entries()) {
      const { sentences } = this.#passages[index]!;
      const out = document === place ? position : Math.floor(random() * sentences.length);
      texts[document] = sentences.filter((_, sentence) => sentence !== out).join(" ");
    }
  }

  #plantFacts(chosen: readonly number[], place: number, random: () => number) {
    const names = this.#names(chosen, random);
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
  #names(chosen: readonly number[], random: () => number): string[] {
    const inside = new Set(chosen.flatMap((index) => [...this.#words[index]!]));
    const known = [...this.#frequencies].filter(([word]) => isTelling(word));
    const outside = known.filter(([word]) => !inside.has(word));
    // A small text has few words outside the documents: then those inside serve, rather than none.
    const candidates = outside.length >= 2 * chosen.length ? outside : known;
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

/** Words that may stand for something: longer than articles are in most scripts, and no number. */
function isTelling(word: string): boolean {
  return /\p{L}/u.test(word) && (!/^\p{Script=Latin}+$/u.test(word) || word.length >= 4);
}

function parse(texts: readonly string[], options: BootstrapOptions) {
  const { needle = "mixed", examples = BOOTSTRAP_EXAMPLES, documents = BOOTSTRAP_DOCUMENTS, seed = 0 } = options;
  const { sourceName = "The bootstrap text" } = options;
  const isList = Array.isArray(texts) && texts.every((text) => typeof text === "string");
  if (!isList) throw invalidArgument("texts", "an array of strings", texts);
  if (!NEEDLES.includes(needle)) throw invalidArgument("needle", `one of ${NEEDLES.join(", ")}`, needle);
  const integers = [
    ["examples", examples, 1, 2 ** 20],
    ["documents", documents, MIN_DOCUMENTS, 2 ** 16],
    ["seed", seed, 0, 2 ** 32 - 1],
  ] as const;
  for (const [name, value, min, max] of integers) {
    if (!(Number.isInteger(value) && value >= min && value <= max)) {
      throw invalidArgument(name, `an integer from ${min} to ${max}`, value);
    }
  }
  return { needle, examples, documents, seed, sourceName };
}
