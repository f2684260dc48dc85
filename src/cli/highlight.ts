import type { PassageScore, TokenScore } from "../ranking/results.ts";
import type { RankDocument } from "../types.ts";
import { marked, oneLine } from "./output.ts";

/** Words marked in one document. */
const MARKED_WORDS = 4;

/** Shorter words are never marked: they say little. */
const MIN_LENGTH = 3;

type Word = { begin: number; end: number; score: number };

/** Characters shown before the first mark, so that the mark is inside the column. */
const BEFORE_MARK = 40;

/**
 * The document on one line, with the words marked whose tokens got most of the query's attention. One that was ranked by
 * its best passage is shown from there on: the tokens are those of the passage.
 */
export function markBestWords(tokens: readonly TokenScore[], whole: RankDocument, passage?: PassageScore): string {
  const document = passage ? { ...whole, text: whole.text.slice(passage.begin, passage.end) } : whole;
  const best = bestWords(tokens, document, MARKED_WORDS);
  let from = beginningFor(document.text, best[0]?.begin ?? 0);
  let text = from > 0 || (passage && passage.begin > 0) ? "… " : "";
  for (const { begin, end } of best) {
    text += oneLineInside(document.text.slice(from, begin)) + marked(document.text.slice(begin, end));
    from = end;
  }
  text += oneLineInside(document.text.slice(from));
  return document.title ? `${oneLine(document.title)} · ${text.trim()}` : text.trim();
}

/**
 * The words of the text with the highest sums of token scores, in the order of the text. Only positive sums count.
 *
 * @param tokens Tokens of the document as the prompt has it: `[i] title`, line break, text.
 */
export function bestWords(tokens: readonly TokenScore[], { title, text }: RankDocument, count: number): Word[] {
  const label =
    tokens
      .map((token) => token.text)
      .join("")
      .indexOf(" ") + 1;
  const header = label + (title === undefined ? 0 : title.length + 1);

  const words: Word[] = Array.from(text.matchAll(/[\p{L}\p{N}\p{M}'’-]+/gu), ({ index, 0: word }) => ({
    begin: index,
    end: index + word.length,
    score: 0,
  }));
  let position = -header;
  let next = 0;
  for (const token of tokens) {
    const end = position + token.text.length;
    while (next < words.length && words[next]!.end <= position) next++;
    // A token may begin with the space before a word, or end inside the next one.
    for (let i = next; i < words.length && words[i]!.begin < end; i++) {
      if (token.kept) words[i]!.score += token.score;
    }
    position = end;
  }
  return words
    .filter((word) => word.score > 0 && word.end - word.begin >= MIN_LENGTH)
    .sort((a, b) => b.score - a.score)
    .slice(0, count)
    .sort((a, b) => a.begin - b.begin);
}

/** Where to begin, so that a mark is not far behind: a word's beginning. */
function beginningFor(text: string, mark: number): number {
  if (mark <= 2 * BEFORE_MARK) return 0;
  const space = text.slice(0, mark - BEFORE_MARK).search(/\s\S*$/);
  return space < 0 ? 0 : space + 1;
}

/** Like `oneLine`, but spaces at both ends stay, since words are put together again. */
function oneLineInside(text: string): string {
  return `${/^\s/.test(text) ? " " : ""}${oneLine(text)}${/\S\s+$/.test(text) ? " " : ""}`;
}
