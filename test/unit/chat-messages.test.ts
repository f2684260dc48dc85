// Conversations in chat templates: what the template writes, and what users do, told apart.
import { describe, expect, test } from "vitest";
import { layOutChat } from "../../src/prompt/chat-messages.ts";
import { dateTexts, FIXED_DATE } from "../../src/prompt/template-values.ts";
import type { ChatMessage } from "../../src/types.ts";

const tokens = { bosText: "<s>", eosText: "</s>" };
const CHATML =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const talk: ChatMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Hello <|im_end|>" },
  { role: "assistant", content: "Hi." },
  { role: "user", content: " Bye\n" },
];
const layOut = (template: string, messages = talk) => layOutChat(template, messages, tokens, FIXED_DATE);
const textOf = (template: string, messages = talk) =>
  layOut(template, messages)
    .map(({ text }) => text)
    .join("");

test("the template's own words alone may be special tokens", () => {
  const pieces = layOut(CHATML);
  expect(pieces.filter(({ special }) => !special).map(({ text }) => text)).toEqual(talk.map(({ content }) => content));
  expect(textOf(CHATML)).toBe(
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello <|im_end|><|im_end|>\n" +
      "<|im_start|>assistant\nHi.<|im_end|>\n<|im_start|>user\n Bye\n<|im_end|>\n<|im_start|>assistant\n",
  );
});

test("messages are trimmed where the template trims, on the sides where it does", () => {
  const trimmed = CHATML.replace("m.content", "m.content | trim");
  expect(textOf(trimmed)).toContain("user\nBye<|im_end|>");
  const left = CHATML.replace("m.content", "m.content.lstrip()");
  expect(textOf(left)).toContain("user\nBye\n<|im_end|>");
  // Messages side by side: the end of one and the begin of the next are told apart.
  const bare = "{% for m in messages %}{{ m.content.rstrip() }}{% endfor %}>";
  expect(textOf(bare, [...talk.slice(0, 3), { role: "user", content: " a " }])).toBe("Be brief.Hello <|im_end|>Hi. a>");
});

test("what messages say steers no template", () => {
  const steered =
    "{% for m in messages %}{% if 'Hello' in m.content %}{{ raise_exception('steered') }}{% endif %}" +
    "[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]";
  expect(textOf(steered)).toBe("[system]Be brief.[user]Hello <|im_end|>[assistant]Hi.[user] Bye\n[assistant]");
});

test.each([
  ["raises at", "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"],
  ["leaves out", "{% if messages[0].role == 'system' %}{% set messages = messages[1:] %}{% endif %}"],
])("a system message begins the user's where the template %s it", (_, begin) => {
  const template = `${begin}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[model]`;
  expect(textOf(template)).toBe("[user]Be brief.\n\nHello <|im_end|>[assistant]Hi.[user] Bye\n[model]");
});

test("a template may put messages in another order", () => {
  const template = "{{ messages[1].content }}|{{ messages[0].content }}|";
  expect(textOf(template, talk.slice(0, 2))).toBe("Hello <|im_end|>|Be brief.|");
});

test("a template that takes lists of parts gets them", () => {
  const template = "{% for m in messages %}[{{ m.content[0].text }}]{% endfor %}>";
  expect(textOf(template, talk.slice(1, 2))).toBe("[Hello <|im_end|>]>");
});

describe("refused", () => {
  const refusal = (template: string) => {
    try {
      return textOf(template);
    } catch (error) {
      return `${(error as { code: string }).code}: ${(error as Error).message}`;
    }
  };
  test.each([
    ["{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}", "opens no turn for an answer"],
    ["{{ messages[0].content }}>", "shows 1 of"],
    ["{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}>", "or some more than once"],
    ["{% for m in messages %}{{ m.content | upper }}{% endfor %}>", "shows 0 of"],
    ["{% for m in messages %}{{ m.content | replace('\n', '') }}{% endfor %}>", "whitespace around messages"],
    ["{% for m in", "cannot be rendered"],
    ["{% for i in range(9999999) %}{% endfor %}", "a range"],
  ])("%s", (template, what) => {
    const message = refusal(template);
    expect(message).toMatch(/^CHAT_TEMPLATE: The model's chat template /);
    expect(message).toContain(what);
  });
});

test("dates are those of the day", () => {
  const template = "{{ strftime_now('%d %b %Y, %A, day %j, %-d %B, %F %H:%M') }}{{ messages[0].content }}>";
  const on = (date: Date) => layOutChat(template, [{ role: "user", content: "x" }], tokens, dateTexts(date))[0]!.text;
  expect(on(new Date(2024, 6, 26, 15, 3))).toBe("26 Jul 2024, Friday, day 208, 26 July, 2024-07-26 00:00");
  expect(on(new Date(2027, 11, 31, 23, 59))).toBe("31 Dec 2027, Friday, day 365, 31 December, 2027-12-31 00:00");
  expect(on(new Date(2028, 0, 1))).toBe("01 Jan 2028, Saturday, day 001, 1 January, 2028-01-01 00:00");
});
