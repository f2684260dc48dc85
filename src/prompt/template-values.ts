import type { ChatMessage } from "../types.ts";
import type { BoundedTemplate } from "./bounded-template.ts";

/** Texts of the vocabulary that chat templates print. */
export type TemplateTokens = { bosText: string; eosText: string };

/** How a template is called: what stands for a message's text, and for no tools. */
export type Attempt = { asContent: (text: string) => unknown; tools: readonly [] | null };

const asText = (text: string): unknown => text;
const asParts = (text: string): unknown => [{ type: "text", text }];

/**
 * In the order tried: a text first, then, where that fails, a list with one text part. No tools is none by convention; some
 * templates loop over them without asking.
 */
export const ATTEMPTS: readonly Attempt[] = [
  { asContent: asText, tools: null },
  { asContent: asParts, tools: null },
  { asContent: asText, tools: [] },
  { asContent: asParts, tools: [] },
];

/** What `strftime` gives for each of its letters. */
export type DateTexts = Readonly<Record<string, string>>;

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
].concat(["November", "December"]);
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** A day in local time, at midnight. Templates print dates; with the hour every prompt would differ. */
export function dateTexts(date: Date): DateTexts {
  const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
  const two = (number: number) => String(number).padStart(2, "0");
  const [monthName, dayName] = [MONTHS[month]!, DAYS[date.getDay()]!];
  const dayOfYear = Math.round((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / 86_400_000) + 1;
  return {
    ...{ "%Y": String(year), "%y": two(year % 100) },
    ...{ "%m": two(month + 1), "%-m": String(month + 1), "%B": monthName },
    ...{ "%b": monthName.slice(0, 3), "%h": monthName.slice(0, 3) },
    ...{ "%d": two(day), "%-d": String(day), "%e": String(day).padStart(2, " ") },
    ...{ "%j": String(dayOfYear).padStart(3, "0"), "%a": dayName.slice(0, 3), "%A": dayName },
    ...{ "%F": `${year}-${two(month + 1)}-${two(day)}`, "%D": `${two(month + 1)}/${two(day)}/${two(year % 100)}` },
    ...{ "%H": "00", "%-H": "0", "%I": "12", "%-I": "12", "%M": "00", "%S": "00", "%p": "AM", "%T": "00:00:00" },
    "%%": "%",
  };
}

/** The date in prompts that rank: 26 July 2024. A fixed date keeps prompts, and so scores, the same from day to day. */
export const FIXED_DATE = dateTexts(new Date(2024, 6, 26));

/** The template's text for these messages, with the turn of the assistant opened. Throws what the template throws. */
export function renderTemplate(
  template: BoundedTemplate,
  messages: readonly ChatMessage[],
  { asContent, tools }: Attempt,
  { bosText, eosText }: TemplateTokens,
  date: DateTexts,
): string {
  return template.render({
    messages: messages.map(({ role, content }) => ({ role, content: asContent(content) })),
    add_generation_prompt: true,
    bos_token: bosText,
    eos_token: eosText,
    tools,
    documents: null,
    strftime_now: (format: unknown) => String(format).replace(/%-?[A-Za-z%]/g, (part) => date[part] ?? part),
  });
}

/** What a template threw, on one line: it can throw any text. */
export function messageOf(error: unknown): string {
  if (error instanceof RangeError && /call stack/.test(error.message)) return "it is nested too deeply";
  const message = error instanceof Error ? error.message : String(error);
  return message
    .slice(0, 2000)
    .replace(/[\s\p{C}]+/gu, " ")
    .trim()
    .slice(0, 200);
}
