import { QRHeadError } from "../errors.ts";
import type { ChatMessage } from "../types.ts";
import { BoundedTemplate, TemplateBound, withinTemplateTime } from "./bounded-template.ts";
import { ATTEMPTS, type DateTexts, messageOf, renderTemplate, type TemplateTokens } from "./template-values.ts";

/** A stretch of prompt. Special tokens are recognised in those of the template alone. */
export type ChatPiece = { text: string; special: boolean };

/** What stands for a message while the template is rendered: plain letters, so that no filter alters it. */
const sentinelOf = (index: number) => `qrheadMessage${letters(index)}GoesHere`;
const SENTINEL = /qrheadMessage([A-Z]+)GoesHere/g;
const letters = (index: number) => [...String(index)].map((digit) => String.fromCharCode(65 + Number(digit))).join("");

/** Space around the sentinels, to see what the template trims. */
const [BEFORE, AFTER] = [" \n", "\n "];

/**
 * A conversation as the model's own chat template writes it, with the turn of the assistant opened.
 *
 * The template gets placeholders instead of the messages, which replace them afterwards, trimmed if the template trims. So a
 * text can neither forge a turn nor steer the template. If a template takes no system message, the system message begins the
 * first user message.
 *
 * @throws QRHeadError `CHAT_TEMPLATE` for a template that cannot be rendered, goes beyond a bound, leaves messages out, or
 * opens no turn for an answer, as that of a model which was not made to chat.
 */
export function layOutChat(
  source: string,
  messages: readonly ChatMessage[],
  tokens: TemplateTokens,
  date: DateTexts,
): ChatPiece[] {
  try {
    return withinTemplateTime(() => {
      const template = new BoundedTemplate(source);
      const failures: unknown[] = [];
      for (const turns of [messages, ...withoutSystem(messages)]) {
        for (const attempt of ATTEMPTS) {
          try {
            return fill(turns, (given) => renderTemplate(template, given, attempt, tokens, date));
          } catch (error) {
            if (error instanceof TemplateBound) throw error;
            failures.push(error);
          }
        }
      }
      throw failures[0];
    });
  } catch (error) {
    if (error instanceof QRHeadError) throw error;
    const what = error instanceof TemplateBound ? error.message : `cannot be rendered (${messageOf(error)})`;
    throw templateError(what, error);
  }
}

/** The system message put before the first user message, where there are both. */
function withoutSystem(messages: readonly ChatMessage[]): ChatMessage[][] {
  const [system, user, ...rest] = messages;
  if (system?.role !== "system" || user?.role !== "user") return [];
  return [[{ role: "user", content: `${system.content}\n\n${user.content}` }, ...rest]];
}

function fill(messages: readonly ChatMessage[], render: (messages: ChatMessage[]) => string): ChatPiece[] {
  const shown = split(render(messages.map(({ role }, index) => ({ role, content: sentinelOf(index) }))));
  const order = [...shown.order].sort((a, b) => a - b);
  if (order.length !== messages.length || order.some((index, at) => index !== at)) {
    throw templateError(`shows ${new Set(order).size} of ${messages.length} messages, or some more than once`);
  }
  if (shown.between.at(-1) === "") throw templateError("opens no turn for an answer: the model was not made to chat");
  const padded = split(
    render(messages.map(({ role }, index) => ({ role, content: BEFORE + sentinelOf(index) + AFTER }))),
  );
  const pieces: ChatPiece[] = [];
  for (const [at, text] of shown.between.entries()) {
    const trims = trimsAround(text, padded.between[at] ?? "", at > 0, at < order.length);
    // What follows a message says whether its end was trimmed, and what comes before the next one whether its begin is.
    const previous = pieces.at(-1);
    if (previous && trims.end) previous.text = previous.text.trimEnd();
    pieces.push({ text, special: true });
    const index = shown.order[at];
    if (index === undefined) break;
    const { content } = messages[index]!;
    pieces.push({ text: trims.start ? content.trimStart() : content, special: false });
  }
  return pieces.filter(({ text }) => text !== "");
}

function split(rendered: string): { between: string[]; order: number[] } {
  const between: string[] = [];
  const order: number[] = [];
  let end = 0;
  for (const found of rendered.matchAll(SENTINEL)) {
    between.push(rendered.slice(end, found.index));
    order.push(Number([...found[1]!].map((letter) => letter.charCodeAt(0) - 65).join("")));
    end = found.index + found[0].length;
  }
  return { between: [...between, rendered.slice(end)], order };
}

/** Whether the message before this text lost the space at its end, and the message after it the space at its begin. */
function trimsAround(
  text: string,
  padded: string,
  hasBefore: boolean,
  hasAfter: boolean,
): { end: boolean; start: boolean } {
  for (const end of hasBefore ? [false, true] : [true]) {
    for (const start of hasAfter ? [false, true] : [true]) {
      if (padded === (end ? "" : AFTER) + text + (start ? "" : BEFORE)) return { end, start };
    }
  }
  throw templateError("alters the whitespace around messages in a way other than trimming it");
}

function templateError(what: string, cause?: unknown): QRHeadError {
  return new QRHeadError("CHAT_TEMPLATE", `The model's chat template ${what}`, {
    ...(cause !== undefined && { cause }),
  });
}
