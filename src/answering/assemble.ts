import { InputError, invalidArgument } from "../errors.ts";
import { parseOptions } from "../options/parse.ts";
import { ASSEMBLING } from "../options/texts.ts";
import type { AssembleOptions } from "../options/types/texts.ts";
import type { ChatMessage } from "../types.ts";
import { counted } from "../util/counted.ts";
import { smallestOf } from "../util/extremes.ts";
import { assertText } from "../util/given.ts";
import { fieldsOf, isList } from "../util/kinds.ts";
import { parseHistory } from "../writing/options.ts";

/** A piece of a context: a chunk, a turn, a chapter. */
export type ContextPiece = {
  id: string;
  text: string;
  title?: string | undefined;
  /** Higher is better. */
  score: number;
  /** Pieces that follow each other in one group (a file, a session, a book) are neighbours. Defaults to one group. */
  group?: string | undefined;
  /** Sorts by `"date"`: anything that Date.parse reads. */
  date?: string | undefined;
  /** Sorts by `"number"`. */
  number?: number | undefined;
};

export type { AssembleOptions };

export type Source = { citation: number; index: number; id: string; title?: string; score: number; neighbour: boolean };
export type AssembledContext = { text: string; sources: Source[]; tokens: number; leftOut: number };

const SEPARATOR = "\n\n";

/**
 * Puts the best pieces that fit a budget into one text, in their original order, each under a number to be cited by.
 *
 * Nothing is cut: a piece that does not fit is passed over, and a smaller one further down may still fit.
 *
 * @param pieces In their original order.
 * @throws InputError `INVALID_ARGUMENT` for wrong options, `INVALID_INPUT` when not even the smallest piece fits.
 * @example
 * const pieces = [{ id: "a", text: "Ada wrote it.", score: 0.3 }];
 * const countTokens = async (text: string) => (await retriever.tokenize(text)).tokens.length;
 * const { text, sources } = await assembleContext(pieces, { budgetTokens: 500, countTokens });
 */
export async function assembleContext(
  pieces: readonly ContextPiece[],
  options: AssembleOptions,
): Promise<AssembledContext> {
  const parsed = parseOptions(ASSEMBLING, options) as AssembleOptions;
  const { budgetTokens, countTokens, order = "given", neighbours = 0 } = parsed;
  const { topK = Number.POSITIVE_INFINITY, above = Number.NEGATIVE_INFINITY } = parsed;
  // Unlike map, it does not skip holes.
  if (!isList(pieces) || !Array.from(pieces).every(isPiece)) {
    throw invalidArgument("pieces", "a list of { id, text, score }", pieces);
  }
  const costs = new Map<number, number>();
  const costOf = async (index: number) => {
    // Its number is not known yet, so the widest possible one counts.
    const known = costs.get(index) ?? (await countTokens(block(pieces[index]!, pieces.length) + SEPARATOR));
    costs.set(index, known);
    return known;
  };
  const best = pieces
    .map((_, index) => index)
    .filter((index) => pieces[index]!.score > above)
    .sort((a, b) => pieces[b]!.score - pieces[a]!.score || a - b);
  const chosen = new Map<number, { neighbour: boolean }>();
  let left = budgetTokens;
  let taken = 0;
  const take = async (index: number, neighbour: boolean): Promise<boolean> => {
    const known = chosen.get(index);
    if (known) {
      known.neighbour &&= neighbour;
      return true;
    }
    const cost = await costOf(index);
    if (cost > left) return false;
    left -= cost;
    chosen.set(index, { neighbour });
    return true;
  };
  for (const index of best) {
    if (taken >= topK || left <= 0) break;
    if (!(await take(index, false))) continue;
    taken++;
    for (let distance = 1; distance <= neighbours; distance++) {
      for (const near of [index - distance, index + distance]) {
        if (pieces[near] && pieces[near].group === pieces[index]!.group) await take(near, true);
      }
    }
  }
  if (chosen.size === 0 && best.length > 0) {
    const least = smallestOf(costs.values());
    throw new InputError(
      "INVALID_INPUT",
      `The smallest chunk has ${counted(least, "token")}, and the budget is ${budgetTokens}`,
      {
        advice: "use a larger budgetTokens, or a smaller chunkTokens",
      },
    );
  }
  const sorted = [...chosen.keys()].sort(comparator(pieces, order));
  const text = sorted.map((index, position) => block(pieces[index]!, position + 1)).join(SEPARATOR);
  const sources = sorted.map((index, position) => {
    const { id, title, score } = pieces[index]!;
    return {
      citation: position + 1,
      index,
      id,
      ...(title && { title }),
      score,
      neighbour: chosen.get(index)!.neighbour,
    };
  });
  return { text, sources, tokens: await countTokens(text), leftOut: pieces.length - chosen.size };
}

function isPiece(piece: unknown): boolean {
  const { text, score, title = "" } = fieldsOf<ContextPiece>(piece);
  return typeof text === "string" && typeof title === "string" && typeof score === "number" && !Number.isNaN(score);
}

/** The citation number, the title on one line, and the text without the space around it. */
function block({ title, text }: ContextPiece, citation: number): string {
  return `[${citation}] ${title ? `${title.replace(/\s*[\r\n\u2028\u2029]\s*/g, " ")}\n` : ""}${text.trim()}`;
}

function comparator(pieces: readonly ContextPiece[], order: NonNullable<AssembleOptions["order"]>) {
  const key = (index: number): number => {
    const { number, date, score } = pieces[index]!;
    if (order === "number") return number ?? Number.POSITIVE_INFINITY;
    if (order === "score") return -score;
    const time = order === "date" ? Date.parse(date ?? "") : 0;
    return Number.isNaN(time) ? Number.POSITIVE_INFINITY : time;
  };
  return (a: number, b: number) => {
    const [left, right] = [key(a), key(b)];
    return left === right ? a - b : left - right;
  };
}

const DEFAULT_INSTRUCTION =
  "Answer the question from the numbered sources alone, and cite them as [1]. Say so if they do not answer it.";

/** In place of sources: a model that is shown an empty list may answer from what it remembers. */
const NO_SOURCES = "Sources: none were found.";

/**
 * The context with instruction and question, as messages of a chat. For a blank context they say that no sources were found.
 *
 * @param history Earlier messages; they come between the instruction and the sources.
 * @example
 * const messages = toMessages("[1] Ada wrote it.", "Who wrote it?");
 */
export function toMessages(
  context: string,
  question: string,
  instruction = DEFAULT_INSTRUCTION,
  history: readonly ChatMessage[] = [],
): ChatMessage[] {
  assertText(context, "context");
  assertText(question, "question");
  assertText(instruction, "instruction");
  const sources = context.trim() === "" ? NO_SOURCES : `Sources:\n\n${context}`;
  return [
    { role: "system", content: instruction },
    ...parseHistory(history),
    { role: "user", content: `${sources}\n\nQuestion: ${question}` },
  ];
}

/**
 * The same as one text.
 * @example
 * const prompt = toPrompt("[1] Ada wrote it.", "Who wrote it?");
 */
export function toPrompt(context: string, question: string, instruction = DEFAULT_INSTRUCTION): string {
  return plainText(toMessages(context, question, instruction));
}

/** Messages for a model without a chat template. */
export function plainText(messages: readonly ChatMessage[]): string {
  return messages.map(({ content }) => content).join("\n\n");
}
