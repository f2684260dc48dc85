import { frontMatterLength, markdownBlocks } from "../chunking/markdown.ts";
import { isSameSpeaker, turnsOf } from "../chunking/turns.ts";
import { invalidArgument } from "../errors.ts";
import type { Span } from "../types.ts";
import { atOnce } from "../util/in-slices.ts";

/** What pruning must leave alone. A unit that touches a protected stretch stays whole. */
export type ProtectOptions = {
  /** Stretches of the text, half-open in UTF-16 units. */
  spans?: readonly Span[] | undefined;
  /** Opening and closing marks in the text; they stay, with what stands between. Defaults to none. */
  markers?: readonly [open: string, close: string] | undefined;
  /** Markdown headings. Defaults to `false`. */
  headings?: boolean | undefined;
  /** YAML between two lines of dashes at the beginning. Defaults to `true`. */
  frontMatter?: boolean | undefined;
  /** Speakers whose turns stay, such as `"system"`; case does not matter. A turn goes to the next speaker's. */
  speakers?: readonly string[] | undefined;
};

/**
 * The stretches of a text that must stay.
 *
 * @throws InputError `INVALID_ARGUMENT` for a stretch outside the text, an empty mark, or an opening mark that is not closed.
 */
export function protectedSpans(text: string, options: ProtectOptions = {}): Span[] {
  const spans: Span[] = [];
  for (const span of options.spans ?? []) {
    const [begin, end] = span;
    if (!(Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= text.length)) {
      throw invalidArgument(
        "protect.spans",
        `stretches within the ${text.length} characters of the text`,
        `[${begin}, ${end})`,
      );
    }
    spans.push(span);
  }
  if (options.markers) spans.push(...markedSpans(text, options.markers));
  if (options.frontMatter ?? true) spans.push([0, frontMatterLength(text)]);
  if (options.headings) {
    const blocks = atOnce(markdownBlocks(text));
    for (const { kind, begin, end } of blocks) if (kind === "heading") spans.push([begin, end]);
  }
  const { speakers = [] } = options;
  if (speakers.length > 0) {
    for (const { begin, end, speaker } of atOnce(turnsOf(text, { speakers }))) {
      if (speakers.some((name) => isSameSpeaker(name, speaker))) spans.push([begin, end]);
    }
  }
  return spans.filter(([begin, end]) => begin < end);
}

function markedSpans(text: string, [open, close]: readonly [string, string]): Span[] {
  if (!open || !close) throw invalidArgument("protect.markers", "two marks that are not empty", `${open}, ${close}`);
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
