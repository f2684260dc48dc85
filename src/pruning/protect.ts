import { frontMatterLength } from "../chunking/front-matter.ts";
import { markdownBlocks } from "../chunking/markdown.ts";
import { isSameSpeaker, type Turn, turnsOf } from "../chunking/turns.ts";
import { invalidArgument } from "../errors.ts";
import type { ProtectOptions } from "../options/types/texts.ts";
import type { Span } from "../types.ts";
import { atOnce } from "../util/in-slices.ts";
import { isList } from "../util/kinds.ts";

export type { ProtectOptions };

/** Names that a warning lists at most. */
const NAMES_SHOWN = 10;

/**
 * The stretches of texts that must stay, and a warning for every speaker who does not speak.
 *
 * @throws InputError `INVALID_ARGUMENT` for a stretch outside the text, an empty mark, or an opening mark that is not closed.
 */
export function protect(
  texts: readonly string[],
  options: ProtectOptions = {},
): { spans: Span[][]; warnings: string[] } {
  const { speakers = [], turn } = options;
  if (!isList(speakers) || speakers.some((name) => typeof name !== "string" || name.trim() === "")) {
    throw invalidArgument("protect.speakers", "a list of names that are not blank", speakers);
  }
  const given = givenSpans(texts, options.spans ?? []);
  const heard = new Set<string>();
  const spans = texts.map((text, index) => {
    const turns = speakers.length > 0 ? atOnce(turnsOf(text, { turn, speakers })) : [];
    for (const { speaker } of turns) heard.add(speaker);
    return [...given[index]!, ...foundSpans(text, options, turns)].filter(([begin, end]) => begin < end);
  });
  const silent = speakers.filter((name) => ![...heard].some((speaker) => isSameSpeaker(name, speaker)));
  return { spans, warnings: silent.map((name) => neverSpeaks(name, [...heard])) };
}

/** The stretches of one text that must stay; see `protect`. */
export function protectedSpans(text: string, options: ProtectOptions = {}): Span[] {
  return protect([text], options).spans[0]!;
}

function foundSpans(text: string, options: ProtectOptions, turns: readonly Turn[]): Span[] {
  const { markers, headings = false, frontMatter = true, speakers = [] } = options;
  const spans: Span[] = [];
  if (markers) spans.push(...markedSpans(text, markers));
  if (frontMatter) spans.push([0, frontMatterLength(text)]);
  if (headings) {
    for (const { kind, begin, end } of atOnce(markdownBlocks(text))) if (kind === "heading") spans.push([begin, end]);
  }
  for (const { begin, end, speaker } of turns) {
    if (speakers.some((name) => isSameSpeaker(name, speaker))) spans.push([begin, end]);
  }
  return spans;
}

/** One list of stretches for each text. */
function givenSpans(texts: readonly string[], spans: NonNullable<ProtectOptions["spans"]>): readonly Span[][] {
  const isNested = spans.some((one: Span | readonly Span[]) => isList(one[0]) || one.length === 0);
  if (isNested && spans.length !== texts.length) {
    throw invalidArgument("protect.spans", `a list for each of the ${texts.length} documents`, `${spans.length} lists`);
  }
  return texts.map((text, index) => {
    const own = (isNested ? spans[index]! : spans) as readonly Span[];
    for (const [begin, end] of own) {
      if (Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= text.length)
        continue;
      const whose = texts.length === 1 ? "the text" : `documents[${index}]`;
      throw invalidArgument(
        "protect.spans",
        `stretches within the ${text.length} characters of ${whose}${isNested || texts.length === 1 ? "" : ", or a list for each document"}`,
        `[${begin}, ${end})`,
      );
    }
    return [...own];
  });
}

function markedSpans(text: string, markers: readonly [string, string]): Span[] {
  const [open, close] = markers;
  if (typeof open !== "string" || typeof close !== "string" || !open || !close) {
    throw invalidArgument("protect.markers", "two marks that are not empty", `${open}, ${close}`);
  }
  const spans: Span[] = [];
  for (let begin = text.indexOf(open); begin !== -1; ) {
    const closing = text.indexOf(close, begin + open.length);
    if (closing === -1)
      throw invalidArgument("protect.markers", `${close} after every ${open}`, text.slice(begin, begin + 40));
    spans.push([begin, closing + close.length]);
    begin = text.indexOf(open, closing + close.length);
  }
  return spans;
}

function neverSpeaks(name: string, heard: readonly string[]): string {
  const shown = heard.slice(0, NAMES_SHOWN).join(", ") + (heard.length > NAMES_SHOWN ? ", …" : "");
  const found = heard.length > 0 ? `the speakers are ${shown}` : "no speakers were found";
  return `${JSON.stringify(name)} never speaks, so that nothing is protected by this name: ${found}`;
}
