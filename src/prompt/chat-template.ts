import { QRHeadError } from "../errors.ts";
import { BoundedTemplate, TemplateBound, withinTemplateTime } from "./bounded-template.ts";

/** What a chat template puts around a user's message, and whether it trims that message. */
export type TemplateWrapping = { prefix: string; suffix: string; trimStart: boolean; trimEnd: boolean };

/** Plain letters, so that no filter of a template alters it, and nothing that a template looks for. */
const SENTINEL = "qrheadMessageGoesHere";

/** Templates may print the date. A fixed one keeps prompts, and so scores, the same from day to day: 26 July 2024. */
const FIXED_DATE: Readonly<Record<string, string>> = {
  "%Y": "2024",
  "%y": "24",
  "%m": "07",
  "%-m": "7",
  "%b": "Jul",
  "%h": "Jul",
  "%B": "July",
  "%d": "26",
  "%-d": "26",
  "%e": "26",
  "%j": "208",
  "%a": "Fri",
  "%A": "Friday",
  "%F": "2024-07-26",
  "%D": "07/26/24",
  "%H": "00",
  "%-H": "0",
  "%I": "12",
  "%-I": "12",
  "%M": "00",
  "%S": "00",
  "%p": "AM",
  "%T": "00:00:00",
  "%%": "%",
};

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
export function readChatTemplate(source: string, tokens: { bosText: string; eosText: string }): TemplateWrapping {
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

function read(source: string, tokens: { bosText: string; eosText: string }): TemplateWrapping {
  let template: BoundedTemplate;
  try {
    template = new BoundedTemplate(source);
  } catch (error) {
    if (error instanceof TemplateBound) throw error;
    throw templateError(`cannot be parsed (${messageOf(error)})`, error);
  }

  const failures: QRHeadError[] = [];
  for (const { asContent, tools } of ATTEMPTS) {
    try {
      return measure((message) => render(template, { content: asContent(message), tools, ...tokens }));
    } catch (error) {
      if (!(error instanceof QRHeadError)) throw error;
      failures.push(error);
    }
  }
  throw failures[0];
}

const asText = (message: string): unknown => message;
const asParts = (message: string): unknown => [{ type: "text", text: message }];

/** No tools is none by convention; some templates loop over them without asking. */
const ATTEMPTS = [
  { asContent: asText, tools: null },
  { asContent: asParts, tools: null },
  { asContent: asText, tools: [] },
  { asContent: asParts, tools: [] },
];

type Values = { content: unknown; tools: unknown; bosText: string; eosText: string };

function render(template: BoundedTemplate, values: Values): string {
  try {
    return template.render({
      messages: [{ role: "user", content: values.content }],
      add_generation_prompt: true,
      bos_token: values.bosText,
      eos_token: values.eosText,
      tools: values.tools,
      documents: null,
      strftime_now: (format: unknown) => String(format).replace(/%-?[A-Za-z%]/g, (part) => FIXED_DATE[part] ?? part),
    });
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
    advice: 'use prompt: "plain" to do without it',
    ...(cause !== undefined && { cause }),
  });
}

function messageOf(error: unknown): string {
  if (error instanceof RangeError && /call stack/.test(error.message)) return "it is nested too deeply";
  const message = error instanceof Error ? error.message : String(error);
  // A template can throw any text.
  return message
    .slice(0, 2000)
    .replace(/[\s\p{C}]+/gu, " ")
    .trim()
    .slice(0, 200);
}
