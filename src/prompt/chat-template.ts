import { QRHeadError } from "../errors.ts";
import { BoundedTemplate, TemplateBound, withinTemplateTime } from "./bounded-template.ts";
import {
  ATTEMPTS,
  type Attempt,
  FIXED_DATE,
  messageOf,
  renderTemplate,
  type TemplateTokens,
} from "./template-values.ts";

/** What a chat template puts around a user's message, and whether it trims that message. */
export type TemplateWrapping = { prefix: string; suffix: string; trimStart: boolean; trimEnd: boolean };

/** Plain letters, so that no filter of a template alters it, and nothing that a template looks for. */
const SENTINEL = "qrheadMessageGoesHere";

/** Characters that a template may put around a message. They are tokenized with every prompt; published ones have some 2,000. */
const LONGEST_WRAPPING = 2 ** 16;

/**
 * Finds what a GGUF's own chat template puts before and after one user message, with the turn of the assistant opened.
 *
 * The template is rendered with a placeholder as the message: as a string first, then, where that fails, as a list with
 * one text part. Rendering it again with whitespace around the placeholder shows whether the template trims messages.
 *
 * A template is bounded in time, memory and length (`TEMPLATE_BOUNDS`): it comes with the file, and may be anybody's.
 *
 * @throws QRHeadError `CHAT_TEMPLATE` when the template cannot be rendered, goes beyond a bound, or does not show the
 * message exactly once.
 */
export function readChatTemplate(source: string, tokens: TemplateTokens): TemplateWrapping {
  try {
    return withinTemplateTime(() => read(source, tokens));
  } catch (error) {
    if (error instanceof TemplateBound) throw templateError(error.message, error);
    throw error;
  }
}

/**
 * For a template that other code will render: whether it stays within the bounds with one user message.
 *
 * @throws QRHeadError `CHAT_TEMPLATE` when it goes beyond one. Anything else that is wrong with it is left to that code.
 */
export function assertBoundedTemplate(source: string): void {
  try {
    readChatTemplate(source, { bosText: "", eosText: "" });
  } catch (error) {
    if (error instanceof QRHeadError && error.cause instanceof TemplateBound) throw error;
  }
}

function read(source: string, tokens: TemplateTokens): TemplateWrapping {
  let template: BoundedTemplate;
  try {
    template = new BoundedTemplate(source);
  } catch (error) {
    if (error instanceof TemplateBound) throw error;
    throw templateError(`cannot be parsed (${messageOf(error)})`, error);
  }

  const failures: QRHeadError[] = [];
  for (const attempt of ATTEMPTS) {
    try {
      return measure((message) => render(template, attempt, message, tokens));
    } catch (error) {
      if (!(error instanceof QRHeadError)) throw error;
      failures.push(error);
    }
  }
  throw failures[0];
}

function render(template: BoundedTemplate, values: Attempt, message: string, tokens: TemplateTokens): string {
  try {
    return renderTemplate(template, [{ role: "user", content: message }], values, tokens, FIXED_DATE);
  } catch (error) {
    if (error instanceof TemplateBound) throw error;
    throw templateError(`cannot be rendered (${messageOf(error)})`, error);
  }
}

function measure(renderMessage: (message: string) => string): TemplateWrapping {
  const rendered = renderMessage(SENTINEL);
  const shown = rendered.split(SENTINEL);
  if (shown.length !== 2) {
    throw templateError(`shows the message ${shown.length - 1} times where once was expected`);
  }
  const [prefix, suffix] = shown as [string, string];
  if (prefix.length + suffix.length > LONGEST_WRAPPING) {
    const length = prefix.length + suffix.length;
    throw templateError(`puts ${length} characters around the message where at most ${LONGEST_WRAPPING} are accepted`);
  }

  const around = (before: string, after: string) => {
    const text = renderMessage(before + SENTINEL + after);
    if (text === prefix + before + SENTINEL + after + suffix) return false;
    if (text === rendered) return true;
    throw templateError("alters the whitespace around the message in a way other than trimming it");
  };
  return {
    prefix,
    suffix,
    trimStart: [" ", "\n"].map((space) => around(space, "")).includes(true),
    trimEnd: [" ", "\n"].map((space) => around("", space)).includes(true),
  };
}

function templateError(what: string, cause?: unknown): QRHeadError {
  return new QRHeadError("CHAT_TEMPLATE", `The model's chat template ${what}`, {
    advice: 'use prompt: "plain", which needs none',
    ...(cause !== undefined && { cause }),
  });
}
