/** A passage ends with its paragraph if it is as long as this, in words as `sizeOf` counts them, and inside of one at that. */
const PASSAGE_SIZE = { atEnd: 50, inside: 100 };
/** A passage has at least this many sentences, so that one can be taken out. */
const MIN_SENTENCES = 3;
/** A longer "sentence" is no sentence (a table, a poem, a text without stops) and is cut. */
const MAX_SENTENCE_SIZE = 60;
/** The same in scripts without stops, of which a passage would otherwise have three of the longest. */
const MAX_STOPLESS_SIZE = 25;
const STOPLESS = /[\p{Script=Thai}\p{Script=Lao}]/u;

/** Scripts that put no spaces between words. A model has about a token for each of their letters. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/gu;
/** Words a letter of such a script counts as: a word of English has about four thirds of a token. */
const LETTER_SIZE = 0.75;
/** Letters of a word that count as one: addresses and numbers are long words. */
const WORD_LETTERS = 12;

/** Some sentences that stand together in a text, without the white space around them. */
export type Passage = {
  sentences: string[];
  /** Index of the text that it is from. */
  text: number;
};

const segmenters = new Map<string, Intl.Segmenter>();

/** Without a locale of its own: the rules of Unicode, which hold for every script. It takes long to make. */
function segmenter(granularity: "sentence" | "word"): Intl.Segmenter {
  const made = segmenters.get(granularity) ?? new Intl.Segmenter("und", { granularity });
  segmenters.set(granularity, made);
  return made;
}

/**
 * Cuts texts into passages of a few whole sentences, in any language. A passage may go on in the next paragraph, but not
 * in the next text; what is left over at the end of a text is dropped.
 */
export function passagesOf(texts: readonly string[]): Passage[] {
  return texts.flatMap((content, text) => {
    const passages: Passage[] = [];
    let sentences: string[] = [];
    let size = 0;
    const endAt = (limit: number) => {
      if (size < limit || sentences.length < MIN_SENTENCES) return;
      passages.push({ sentences, text });
      sentences = [];
      size = 0;
    };
    for (const paragraph of paragraphsOf(content)) {
      for (const sentence of sentencesOf(paragraph)) {
        sentences.push(sentence);
        size += sizeOf(sentence);
        endAt(PASSAGE_SIZE.inside);
      }
      endAt(PASSAGE_SIZE.atEnd);
    }
    return passages;
  });
}

/** Words of a text in lower case; punctuation and white space are none. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const { segment, isWordLike } of segmenter("word").segment(text)) {
    if (isWordLike) words.push(segment.toLowerCase());
  }
  return words;
}

/** How long a text is, in words of English: so that passages of any script have about as many tokens. */
function sizeOf(text: string): number {
  let size = 0;
  for (const { segment, isWordLike } of segmenter("word").segment(text)) if (isWordLike) size += wordSize(segment);
  return size;
}

function wordSize(word: string): number {
  const letters = word.match(UNSPACED)?.length ?? 0;
  return letters > 0 ? letters * LETTER_SIZE : Math.ceil(word.length / WORD_LETTERS);
}

/** What stands between blank lines, without what Markdown puts before a line. */
function paragraphsOf(text: string): string[] {
  return text
    .normalize("NFC")
    .split(/\r?\n[^\S\n]*\r?\n/)
    .map((paragraph) => paragraph.replace(/^[ \t]*(?:[#>*+-]+|\d+[.)])[ \t]+/gm, "").replace(/\s+/g, " "));
}

/** Sentences of at least two words. */
function sentencesOf(paragraph: string): string[] {
  return Array.from(segmenter("sentence").segment(paragraph), ({ segment }) => segment.trim())
    .flatMap(cutLong)
    .filter((sentence) => wordsOf(sentence).length >= 2);
}

function cutLong(sentence: string): string[] {
  const parts: string[] = [];
  let begin = 0;
  let size = 0;
  const most = STOPLESS.test(sentence) ? MAX_STOPLESS_SIZE : MAX_SENTENCE_SIZE;
  for (const { index, segment, isWordLike } of segmenter("word").segment(sentence)) {
    if (!isWordLike) continue;
    const word = wordSize(segment);
    if (size > 0 && size + word > most) {
      parts.push(sentence.slice(begin, index).trim());
      begin = index;
      size = 0;
    }
    size += word;
  }
  return [...parts, sentence.slice(begin).trim()];
}
