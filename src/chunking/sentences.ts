import { AFTER_ORDINAL, BEFORE_NUMBER, NEVER_LAST, SOMETIMES_LAST, STARTERS, TITLES } from "./abbreviations.ts";

/** Marks that end a sentence (Unicode's Sentence_Terminal), with the quotes, brackets, emphasis and footnotes after them. */
const END = /[…\p{Sentence_Terminal}]+(?:["'*_~\p{Pe}\p{Pf}\p{Pi}]|\[\^?\w{1,8}\])*/gu;
/** Marks that need no space after them. */
const WIDE = /[。．｡！？]/u;
const OPENERS = /["'“”‘’„«»‹›([{*_~¿¡\p{Ps}–—-]*/uy;
/** The end of what stands before a full stop: a word, a number, an abbreviation with stops in it. */
const LAST_WORD = /[\p{L}\p{M}\p{N}.'’-]{1,24}$/u;
const NEXT_WORD = /[\p{L}\p{M}]+/uy;
const INITIALS = /^(?:\p{L}{1,2}\.)+-?\p{L}{1,2}$/u;
/** Sentences that decide whether a text begins them with capitals. */
const SAMPLE = 300;

type Candidate = {
  /** Where the next sentence would begin. */
  cut: number;
  /** What it begins with: a capital, a small letter, something without case, or what cannot begin one. */
  next: "upper" | "lower" | "other" | "none";
  end: "certain" | "stop" | "never";
};

/**
 * Where sentences begin in `[begin, end)` of a text, except the first, by Unicode's marks of the end of a sentence (UAX #29)
 * with two differences. Common titles, initials and abbreviations end no sentence. A sentence may begin with a small letter in
 * texts that write so. Gives `undefined` now and then, so that a caller can pause.
 */
export function* sentenceStarts(text: string, begin: number, end: number): Generator<number | undefined> {
  const unit = text.slice(begin, end);
  let smallStarts: boolean | undefined;
  let seen = 0;
  for (const match of unit.matchAll(END)) {
    if (++seen % 64 === 0) yield;
    const { cut, next, end: kind } = candidate(unit, match.index, match[0]);
    if (kind === "never" || next === "none" || cut >= unit.length) continue;
    if (next === "lower" && kind === "stop") {
      smallStarts ??= beginsWithSmallLetters(unit);
      if (!smallStarts) continue;
    }
    yield begin + cut;
  }
}

/** Whether more sentences of a text begin with a small letter than with a capital. */
function beginsWithSmallLetters(unit: string): boolean {
  let lower = 0;
  let upper = /^[^\p{L}]*\p{Lu}/u.test(unit.slice(0, 40)) ? 1 : 0;
  let seen = 0;
  for (const match of unit.matchAll(END)) {
    if (++seen > SAMPLE) break;
    const { next, end } = candidate(unit, match.index, match[0]);
    if (end === "never") continue;
    if (next === "lower") lower++;
    if (next === "upper") upper++;
  }
  return lower > upper;
}

function candidate(unit: string, at: number, mark: string): Candidate {
  let after = at + mark.length;
  const none: Candidate = { cut: after, next: "none", end: "never" };
  const isWide = WIDE.test(mark);
  if (isWide) {
    // Without spaces an opening quote directly follows the mark.
    const opening = mark.search(/[“‘«‹]/u);
    if (opening > 0) after = at + opening;
    // 「…。」と言った goes on.
    if (/[」』]$/u.test(mark) && /^(?:と|って|という)/u.test(unit.slice(after, after + 3))) return none;
  }
  let cut = after;
  while (cut < unit.length && /[^\S\u00a0\u202f]/.test(unit[cut]!)) cut++;
  if (cut === after && !isWide) return none;
  OPENERS.lastIndex = cut;
  const from = cut + OPENERS.exec(unit)![0].length;
  const next = initialOf(unit, from);
  if (next === "none") return { ...none, cut };
  const [stops] = /^[^"'*_~\p{Pe}\p{Pf}\p{Pi}[]+/u.exec(mark)!;
  const isClosed = stops.length < mark.length;
  if (isWide || (/[^.…]/u.test(stops) && !isClosed)) return { cut, next, end: "certain" };
  const before = unit.slice(Math.max(0, at - 25), at);
  // "and then … nothing", also as ". . ."
  if (/^(?:…|\.\.)/.test(stops) || /[.…]\s$/.test(before))
    return { cut, next, end: next === "lower" ? "never" : "stop" };
  // "Stop!" he said.
  if (stops !== ".") return { cut, next, end: "stop" };
  // Tokenized texts have spaces before their full stops.
  const word = LAST_WORD.exec(before.trimEnd())?.[0] ?? "";
  if (word !== "" && !endsAt(unit, at, word, from)) return { cut, next, end: "never" };
  return { cut, next, end: /\S\s$/.test(before) ? "certain" : "stop" };
}

function initialOf(unit: string, at: number): Candidate["next"] {
  const character = String.fromCodePoint(unit.codePointAt(at) ?? 0x20);
  if (/[\p{Lu}\p{Lt}`]/u.test(character)) return "upper";
  // A name like iPhone begins a sentence as well as any.
  if (/\p{Ll}/u.test(character)) return /\p{Lu}/u.test(unit[at + 1] ?? "") ? "upper" : "lower";
  if (character === ">") return "none";
  return /[\p{L}\p{N}\p{S}#@<\\/&•]/u.test(character) ? "other" : "none";
}

/** Whether a full stop after a word can be the end of a sentence when `from` is where the next word stands. */
function endsAt(unit: string, at: number, word: string, from: number): boolean {
  const bare = word.replace(/^['’.-]+/u, "");
  const small = bare.toLowerCase();
  NEXT_WORD.lastIndex = from;
  const next = NEXT_WORD.exec(unit)?.[0] ?? "";
  if (NEVER_LAST.has(small) || TITLES.has(bare)) return false;
  const begins = STARTERS.has(next) && unit[from + next.length] !== ".";
  if (
    /^(?:\d{1,3}|[IVX]{1,5}|\p{L})$/u.test(bare) &&
    !/[\p{L}\p{N}]/u.test(unit.slice(Math.max(0, at - 40 - bare.length), at - bare.length))
  ) {
    // A number or letter at the beginning marks an item of a list.
    return false;
  }
  if (/^\d+$/.test(bare)) return !(bare.length <= 2 && AFTER_ORDINAL.has(next));
  if (BEFORE_NUMBER.has(small) && /[\p{N}([]/u.test(unit[from] ?? "")) return false;
  if (BEFORE_NUMBER.has(small) && /^[IVXLC]+\b/.test(unit.slice(from, from + 8))) return false;
  if (SOMETIMES_LAST.has(small) || INITIALS.test(bare) || /^\p{Lu}$/u.test(bare)) return begins;
  return true;
}
