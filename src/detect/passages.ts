/** A passage ends with its paragraph if it has as many words as this, and inside of a paragraph at as many as that. */
const PASSAGE_WORDS = { atEnd: 50, inside: 100 };
/** A passage has at least this many sentences, so that one can be taken out. */
const MIN_SENTENCES = 3;
/** A "sentence" of more words is no sentence (a table, a poem, a text without stops) and is cut. */
const MAX_SENTENCE_WORDS = 60;

/** Some sentences that stand together in a text, without the white space around them. */
export type Passage = {
  sentences: string[];
  /** Index of the text that it is from. */
  text: number;
};

// Without a locale of their own: the rules of Unicode, which hold for every script.
const sentenceSegmenter = new Intl.Segmenter("und", { granularity: "sentence" });
const wordSegmenter = new Intl.Segmenter("und", { granularity: "word" });

/**
 * Cuts texts into passages of a few whole sentences, in any language. A passage may go on in the next paragraph, but not
 * in the next text; what is left over at the end of a text is dropped.
 */
export function passagesOf(texts: readonly string[]): Passage[] {
  return texts.flatMap((content, text) => {
    const passages: Passage[] = [];
    let sentences: string[] = [];
    let words = 0;
    const endAt = (limit: number) => {
      if (words < limit || sentences.length < MIN_SENTENCES) return;
      passages.push({ sentences, text });
      sentences = [];
      words = 0;
    };
    for (const paragraph of paragraphsOf(content)) {
      for (const sentence of sentencesOf(paragraph)) {
        sentences.push(sentence);
        words += wordsOf(sentence).length;
        endAt(PASSAGE_WORDS.inside);
      }
      endAt(PASSAGE_WORDS.atEnd);
    }
    return passages;
  });
}

/** Words of a text in lower case; punctuation and white space are none. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const { segment, isWordLike } of wordSegmenter.segment(text)) {
    if (isWordLike) words.push(segment.toLowerCase());
  }
  return words;
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
  return Array.from(sentenceSegmenter.segment(paragraph), ({ segment }) => segment.trim())
    .flatMap(cutLong)
    .filter((sentence) => wordsOf(sentence).length >= 2);
}

function cutLong(sentence: string): string[] {
  const parts: string[] = [];
  let begin = 0;
  let words = 0;
  for (const { index, isWordLike } of wordSegmenter.segment(sentence)) {
    if (!isWordLike) continue;
    if (words === MAX_SENTENCE_WORDS) {
      parts.push(sentence.slice(begin, index).trim());
      begin = index;
      words = 0;
    }
    words++;
  }
  return [...parts, sentence.slice(begin).trim()];
}
