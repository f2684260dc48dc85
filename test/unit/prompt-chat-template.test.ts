import { afterEach, describe, expect, it, vi } from "vitest";
import { readChatTemplate } from "../../src/prompt/chat-template.ts";

const tokens = { bosText: "<s>", eosText: "</s>" };
const read = (source: string) => readChatTemplate(source, tokens);

afterEach(() => {
  vi.useRealTimers();
});

describe("readChatTemplate", () => {
  it("finds what stands around the message, with the assistant's turn opened", () => {
    const source =
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content'] }}{{ eos_token }}{% endfor %}" +
      "{% if add_generation_prompt %}[assistant]{% endif %}";
    expect(read(source)).toEqual({
      prefix: "<s>[user]",
      suffix: "</s>[assistant]",
      trimStart: false,
      trimEnd: false,
    });
  });

  it.each([
    ["{{ messages[0].content | trim }}.", true, true],
    ["{{ messages[0].content.strip() }}.", true, true],
    ["{{ messages[0].content.lstrip() }}.", true, false],
    ["{{ messages[0].content.rstrip() }}.", false, true],
    ["{{ messages[0].content }}.", false, false],
  ])("%s trims at start: %s, at end: %s", (source, trimStart, trimEnd) => {
    expect(read(source)).toMatchObject({ trimStart, trimEnd });
  });

  it("passes the message as a list of parts where the template wants one", () => {
    const source =
      "{% for part in messages[0].content %}{% if part.type == 'text' %}<{{ part.text }}>{% endif %}{% endfor %}";
    expect(read(source)).toMatchObject({ prefix: "<", suffix: ">" });
  });

  it("passes an empty list of tools to a template that loops over them without asking", () => {
    const source = "{% for tool in tools %}{{ tool }}{% endfor %}<{{ messages[0].content }}>";
    expect(read(source)).toMatchObject({ prefix: "<", suffix: ">" });
  });

  it("says that there are no tools to a template that asks", () => {
    expect(read("{% if tools is not none %}TOOLS{% endif %}{{ messages[0].content }}").prefix).toBe("");
  });

  it("prints the same date every day", () => {
    const source = '\n{{ strftime_now("%d %b %Y, %A %B %-d %H:%M %%") }} {{ messages[0].content }}';
    vi.useFakeTimers({ now: new Date("2031-03-09T12:34:00Z") });
    expect(read(source).prefix).toBe("\n26 Jul 2024, Friday July 26 00:00 % ");
  });

  it("leaves a template's own default date alone", () => {
    const source =
      '{% if not date_string is defined %}{% set date_string = "26 Jul 2024" %}{% endif %}' +
      "{{ date_string }}|{{ messages[0].content }}";
    expect(read(source).prefix).toBe("26 Jul 2024|");
  });

  it.each([
    ["{% if %}", /cannot be parsed/],
    ["{{ raise_exception('roles must alternate') }}", /cannot be rendered \(roles must alternate\)/],
    ["no message here", /shows the message 0 times/],
    ["{{ messages[0].content }}{{ messages[0].content }}", /shows the message 2 times/],
    ["{{ messages[0].content | upper }}", /shows the message 0 times/],
    ["{{ messages[0].content | replace(' ', '_') }}", /whitespace/],
  ])("refuses %s", (source, message) => {
    expect(() => read(source)).toThrow(expect.objectContaining({ code: "CHAT_TEMPLATE" }));
    expect(() => read(source)).toThrow(message);
    expect(() => read(source)).toThrow(/use --prompt plain/);
  });
});
