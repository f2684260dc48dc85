import { ContextOverflowError } from "../errors.ts";
import { headerTokens, type PromptLayout, tokensNeeded } from "./layout.ts";

/** What asks for the prompt: it decides what would help. */
export type PromptUse = "rank" | "corpus" | "inspect" | "independent";

/**
 * `held`: tokens that the context holds. `trained`: tokens that the model was trained for, infinite where unknown. `apart`:
 * whether the documents could be read each by itself.
 */
export type PromptLimits = { held: number; trained: number; apart?: boolean };

const CUT = "with maxDocumentTokens";

const APART = 'read each document by itself with layout: "independent"';

const INSTEAD: Readonly<Record<PromptUse, readonly string[]>> = {
  rank: ['rank in windows with windows: "auto"', APART],
  corpus: [APART],
  inspect: [],
  independent: ['rank in windows with layout: "listwise"'],
};

/** The error for a prompt that does not fit: what is too long, the query, one document's title or text, or all together. */
export function overflowOf(layout: PromptLayout, limits: PromptLimits, use: PromptUse = "rank") {
  const { held, trained, apart = true } = limits;
  const { trunk } = layout;
  const needed = tokensNeeded(layout);
  const lengths = trunk.documentSpans.map(([begin, end]) => end - begin);
  const queryBegin = trunk.tokens.length;
  const base = trunk.documentSpans.reduce((least, [begin]) => Math.min(least, begin), queryBegin) + needed - queryBegin;
  const larger =
    needed <= trained
      ? [`use a contextSize of at least ${needed}`]
      : [`the model was trained for ${trained} tokens, so that a larger contextSize would rank worse`];
  const error = (subject: string, tokens: number, advice: readonly string[]) =>
    new ContextOverflowError(needed, held, subject, sentence(advice), tokens);

  if (base > held) {
    const isNull = (layout.nullQuery?.length ?? 0) > layout.query.length;
    return error(`The ${isNull ? "null query" : "query"} with its instruction`, base, ["shorten it", ...larger]);
  }
  const longest = lengths.reduce((best, length, index) => (length > lengths[best]! ? index : best), 0);
  if (base + (lengths[longest] ?? 0) > held) {
    const { id = String(longest) } = trunk.sources[longest] ?? {};
    const header = headerTokens(trunk, longest);
    const windows = use === "rank" || use === "independent" ? INSTEAD[use].slice(0, 1) : [];
    return base + header > held
      ? error(`The title of document ${JSON.stringify(id)}`, header, [`cut it ${CUT}`, ...larger])
      : error(`Document ${JSON.stringify(id)}`, lengths[longest]!, [...windows, `cut it ${CUT}`, ...larger]);
  }
  const instead = INSTEAD[use].filter((way) => apart || way !== APART);
  return error("The prompt", needed, [...instead, "pass fewer documents", `cut long ones ${CUT}`, ...larger]);
}

function sentence(parts: readonly string[]): string {
  const isHint = parts.at(-1)!.startsWith("the model");
  const ways = isHint ? parts.slice(0, -1) : parts;
  const joined = ways.length > 1 ? `${ways.slice(0, -1).join(", ")} or ${ways.at(-1)}` : ways.join("");
  return isHint ? `${joined}; ${parts.at(-1)}` : joined;
}
