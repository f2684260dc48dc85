import type { Span } from "../types.ts";
import { isInsidePair } from "./token-map.ts";

/**
 * Says where a stretch of text may be cut: indexes strictly inside `[begin, end)`, ascending. What stands between two cuts
 * is one part, with the space and line breaks behind it.
 */
export type Splitter = (text: string, span: Span) => number[];

/** The ends of the matches of an expression, as cuts. */
function after(pattern: RegExp): Splitter {
  return (text, [begin, end]) =>
    Array.from(text.slice(begin, end).matchAll(pattern), (match) => begin + match.index + match[0].length).filter(
      (cut) => cut > begin && cut < end,
    );
}

/** Behind blank lines. */
export const paragraphs: Splitter = after(/(?:\r\n|\n|\r(?!\n))(?:[^\S\r\n]*(?:\r\n|\n|\r(?!\n)))+/g);

/** Behind line breaks. */
export const lines: Splitter = after(/\r\n|\r|\n/g);

/** Behind spaces, for cuts inside a sentence. */
export const words: Splitter = after(/\s+/g);

/** Made once: ICU takes long to set one up. Root locale, so that a text is cut alike everywhere. */
let segmenter: Intl.Segmenter | undefined;

/** Texts between sentences by Unicode's rules (UAX #29), and between paragraphs. */
export const sentences: Splitter = (text, [begin, end]) => {
  segmenter ??= new Intl.Segmenter("und", { granularity: "sentence" });
  const cuts: number[] = [];
  // ICU slows down on long strings, and no sentence goes beyond a blank line.
  const edges = [begin, ...paragraphs(text, [begin, end]), end];
  for (let i = 0; i + 1 < edges.length; i++) {
    const from = edges[i]!;
    for (const { index } of segmenter.segment(text.slice(from, edges[i + 1]!))) {
      const cut = from + index;
      if (cut > begin && !isInsidePair(text, cut)) cuts.push(cut);
    }
  }
  return cuts;
};

/** Before lines that are not indented, follow a blank line, and do not close a bracket: declarations, as a rule. */
export const codeBlocks: Splitter = (text, span) =>
  paragraphs(text, span).filter((cut) => /[^\s)\]}]/.test(text[cut] ?? " "));

export type TurnPatterns = {
  /** Matches the beginning of a turn at the beginning of a line. Defaults to a speaker's name and a colon. */
  turn?: RegExp | undefined;
  /** Matches the line that begins a session. Defaults to a heading with "Session", "Conversation", "Chat" or "Day" and a number, or `DATE:`. */
  session?: RegExp | undefined;
};

const SESSION = /^[#*=\-\s]*(?:(?:session|conversation|chat|day)\s+#?\d+\b|date:)/i;

/** A name as chats write it: up to four words, then a colon. */
const SPEAKER =
  /^\s*(?:\*\*|\[|<\|)?([\p{L}\p{N}_.'’-]{1,40}(?: [\p{L}\p{N}_.'’-]{1,40}){0,3})(?:\*\*|\]|\|>)?[^\S\r\n]*[:：]/u;

/** Cuts before the lines that begin a turn of a conversation. */
export function turns(patterns: TurnPatterns): Splitter {
  return (text, span) => {
    const { turn } = patterns;
    if (turn) return linesThat(text, span, (line) => matches(turn, line));
    // A name counts when it speaks twice in the text: "Note:" and "http:" begin lines too.
    const spoken = speakers(text);
    return linesThat(text, span, (line) => spoken.has(speakerOf(line) ?? ""));
  };
}

/** Cuts before the lines that begin a session of a conversation. */
export function sessions({ session = SESSION }: TurnPatterns): Splitter {
  return (text, span) => linesThat(text, span, (line) => matches(session, line));
}

/** The name before the colon at the beginning of a line. */
export function speakerOf(line: string): string | undefined {
  return SPEAKER.exec(line)?.[1]?.trim();
}

let known: { text: string; names: ReadonlySet<string> } | undefined;

/** The names that begin at least two lines. */
function speakers(text: string): ReadonlySet<string> {
  if (known?.text === text) return known.names;
  const counts = new Map<string, number>();
  for (const line of text.split(/\r\n|\r|\n/)) {
    const name = speakerOf(line);
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  known = { text, names: new Set([...counts].filter(([, count]) => count > 1).map(([name]) => name)) };
  return known.names;
}

function linesThat(text: string, [begin, end]: Span, begins: (line: string) => boolean): number[] {
  return lines(text, [begin, end]).filter((cut) => {
    const rest = text.slice(cut, Math.min(end, cut + 400));
    return begins(rest.split(/[\r\n]/, 1)[0]!);
  });
}

/** Whether a line matches from its beginning, whatever flags and state the expression has. */
function matches(pattern: RegExp, line: string): boolean {
  return line.search(pattern) === 0;
}
