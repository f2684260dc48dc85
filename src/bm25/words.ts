import { stemmer } from "stemmer";

/** How a text becomes terms: `lucene` as in Anserini and BEIR, `light` with a longer stop list and less stemming. */
export const WORD_PROCESSINGS = ["lucene", "light"] as const;
export type WordProcessing = (typeof WORD_PROCESSINGS)[number];

/** Terms of a text. */
export function termsOf(text: string, words: WordProcessing): string[] {
  return words === "light" ? lightTerms(text) : luceneTerms(text);
}

/**
 * Different terms of a question that say what it is about: Lucene's, without question words, pronouns and auxiliaries, which
 * texts that answer seldom repeat.
 */
export function topicTerms(query: string): string[] {
  return [...new Set(luceneTerms(query, LIGHT_STOP_WORDS))];
}

/** `EnglishAnalyzer.ENGLISH_STOP_WORDS_SET` of Lucene. */
const LUCENE_STOP_WORDS = new Set(
  (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this " +
    "to was will with"
  ).split(" "),
);

const IDEOGRAPH = "[\\p{Script=Han}\\p{Script=Hiragana}]";
const WORD = `(?:(?!${IDEOGRAPH})[\\p{L}\\p{N}\\p{M}_])+`;
/** Words by UAX #29, as Lucene's StandardTokenizer: one ideograph each; dots and apostrophes inside of words and numbers stay. */
const TOKEN = new RegExp(
  `${IDEOGRAPH}|${WORD}(?:(?:(?<=\\p{L}\\p{M}*)[.:'’·](?=\\p{L})|(?<=\\p{N})[.,;'’](?=\\p{N}))${WORD})*`,
  "gu",
);

/**
 * Lucene's EnglishAnalyzer, which Anserini's and BEIR's BM25 use: words by UAX #29, without a possessive 's, in lower case,
 * without Lucene's 33 stop words, stemmed by Porter (1980).
 */
function luceneTerms(text: string, left?: ReadonlySet<string>): string[] {
  const terms: string[] = [];
  for (const token of text.normalize("NFC").match(TOKEN) ?? []) {
    const word = token.replace(/['’][sS]$/, "").toLowerCase();
    if (!LUCENE_STOP_WORDS.has(word) && !left?.has(word) && /[\p{L}\p{N}]/u.test(word)) terms.push(stemmer(word));
  }
  return terms;
}

/** Endings that light stemming takes off, the first that fits, where at least `SHORTEST_STEM` letters stay. */
const SUFFIXES = ["ing", "ed", "es", "s", "ly"];
const SHORTEST_STEM = 3;

/** English words that say nothing about a topic: articles, pronouns, prepositions, auxiliaries, question words. */
const LIGHT_STOP_WORDS = new Set(
  (
    "a an the this that these those there here such i my me we us our you your he him his she her it its they them their " +
    "am is are was were be been being do does did have has had can could may might must shall should will would " +
    "and or but nor if so as than then too very also only just more most some any all both each few other own same " +
    "of at by for with about from to in into on out up down over under again further once between during before after " +
    "above below through against because until while now no not " +
    "what who whom whose which when where why how"
  ).split(" "),
);

/** Runs of letters and digits in lower case, without a longer list of stop words, lightly stemmed. */
function lightTerms(text: string): string[] {
  const words =
    text
      .normalize("NFC")
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.filter((word) => !LIGHT_STOP_WORDS.has(word)).map(stemLightly);
}

function stemLightly(word: string): string {
  const suffix = SUFFIXES.find((ending) => word.endsWith(ending) && word.length - ending.length >= SHORTEST_STEM);
  return suffix === undefined ? word : word.slice(0, -suffix.length);
}
