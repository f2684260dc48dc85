import { ContextOverflowError } from "../errors.ts";
import { headerTokens, type PromptLayout, tokensNeeded } from "./layout.ts";

/** What asks for the prompt: it decides what would help. */
export type PromptUse = "rank" | "corpus" | "inspect";

/**
 * `held`: tokens that the context holds. `trained`: tokens that the model was trained for, infinite where unknown. `apart`:
 * whether the documents are read each by itself, could be, or could not.
 */
export type PromptLimits = { held: number; trained: number; apart?: "is" | "could" | "never" };

const CUT = "with maxDocumentTokens";

/** What a call can do that ranks once. Windows take documents of any length. */
const windowsFor = (apart: PromptLimits["apart"]) =>
  `rank in windows with ${apart === "is" ? 'layout: "listwise"' : 'windows: "auto"'}`;

/** The error for a prompt that does not fit: what is too long, the query, one document's title or text, or all together. */
export function overflowOf(layout: PromptLayout, limits: PromptLimits, use: PromptUse = "rank") {
  const { held, trained, apart = "could" } = limits;
  const { trunk } = layout;
  const windows = use === "rank" ? [windowsFor(apart)] : [];
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
    return base + header > held
      ? error(`The title of document ${JSON.stringify(id)}`, header, [`cut it ${CUT}`, ...larger])
      : error(`Document ${JSON.stringify(id)}`, lengths[longest]!, [
          ...windows,
          ...(use === "corpus" ? ["split it into chunks"] : []),
          `cut it ${CUT}`,
          ...larger,
        ]);
  }
  const alone =
    use !== "inspect" && apart === "could" ? ['read each document by itself with layout: "independent"'] : [];
  return error("The prompt", needed, [...windows, ...alone, "pass fewer documents", `cut long ones ${CUT}`, ...larger]);
}

function sentence(parts: readonly string[]): string {
  const isHint = parts.at(-1)!.startsWith("the model");
  const ways = isHint ? parts.slice(0, -1) : parts;
  const joined = ways.length > 1 ? `${ways.slice(0, -1).join(", ")} or ${ways.at(-1)}` : ways.join("");
  return isHint ? `${joined}; ${parts.at(-1)}` : joined;
}
