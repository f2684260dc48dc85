import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { llamaSource } from "../../scripts/llama-source.mjs";
import { withinTemplateTime } from "../../src/prompt/bounded-template.ts";
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
    expect(() => read(source)).toThrow(/use prompt: "plain"/);
  });
});

describe("templates that models were released with", () => {
  const folder = path.join(llamaSource(), "models", "templates");
  const files = readdirSync(folder).filter((file) => file.endsWith(".jinja"));

  it("are 68 in llama.cpp's bundle", () => {
    expect(files).toHaveLength(68);
  });

  it.each(files)("%s opens the assistant's turn behind the message", (file) => {
    const { suffix } = read(readFileSync(path.join(folder, file), "utf8"));
    expect(suffix).not.toBe("");
  });

  it.each([
    [
      "{% set k = {0: 'a', 512: 'b'} %}{{ k[512] }}{% for n, v in k | dictsort %}{% if n <= 0 %}{{ v }}{% endif %}{% endfor %}",
      "ba",
    ],
    ["{% set t = 'x' %}{{ '<{}|{}>'.format(t, 1) }}{{ '{{{a}}}'.format(a='b') }}", "<x|1>{b}"],
    ["{{ 'today: ' + datetime + '.' }}{{ functions ~ '!' }}{{ none ~ '?' }}", "today: .!?"],
    ["{{ '-' * 3 }}{{ 2 * 3 }}", "---6"],
    [
      "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i > 2 %}{% break %}{% endif %}{{ i }}{% endfor %}",
      "02",
    ],
  ])("say what Python would let them: %s", (source, prefix) => {
    expect(read(`${source}{{ messages[0].content }}`).prefix).toBe(prefix);
  });
});

describe("templates that would never end, or fill the memory", () => {
  const loop = (list: string, body: string) => `{% for i in ${list} %}${body}{% endfor %}`;
  const grow = (step: string, first = "'x'") =>
    `{% set ns = namespace(s=${first}) %}${loop("range(64)", `{% set ns.s = ${step} %}`)}{{ ns.s }}`;

  it.each<[string, string, RegExp]>([
    ["a long source", "y".repeat(100_000), /is 1000\d\d characters long/],
    ["a huge range", loop("range(10000000000)", "x"), /a range of 10000000000/],
    ["a range of tiny steps", "{{ range(0, 1, 0.0000001) }}", /a range of 10000000 /],
    ["a range that stands still", "{{ range(0, 1, 0) }}", /a range of Infinity/],
    ["ranges in ranges", loop("range(100000)", loop("range(100000)", "")), /steps/],
    ["loops over a list with nothing in them", loop("range(200000)", ""), /steps/],
    ["a text that doubles", grow("ns.s + ns.s"), /a value of/],
    ["a text that doubles by ~", grow("ns.s ~ ns.s"), /a value of/],
    ["a list that doubles", grow("ns.s + ns.s", "[1]"), /a value of/],
    ["a list of lists of lists", grow("[ns.s, ns.s]"), /a value of/],
    ["a mapping of mappings", grow("{'a': ns.s, 'b': ns.s}"), /a value of/],
    ["a repeated text", "{{ 'x' * 10000000000 }}", /a value of/],
    ["join", "{{ range(9999) | join('x' * 200000) }}", /a value of/],
    ["replace", "{% set a = 'x' * 100000 %}{{ a | replace('x', a) }}", /a value of/],
    ["replace as a method", "{% set a = 'x' * 100000 %}{{ a.replace('', a) }}", /a value of/],
    ["replace by its name", "{% set a = 'x' * 100000 %}{{ a['replace']('x', a) }}", /a value of/],
    ["format", `{{ ('{0}' * 9999).format('x' * 99999) }}`, /a value of/],
    ["indent", "{{ 'x' | indent(500000000, true) }}", /a value of/],
    ["tojson", "{{ [1, 2] | tojson(indent=500000000) }}", /a value of/],
    ["a filter over a block", `{% filter upper %}${loop("range(9000)", "x".repeat(50))}{% endfilter %}`, /a value of/],
    ["a block that is set", `{% set a %}${loop("range(9000)", "x".repeat(50))}{% endset %}{{ a }}`, /a value of/],
    ["a macro that calls itself", "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", /nested/],
    [
      "a macro that calls itself twice",
      "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
      /steps/,
    ],
    ["a namespace that holds itself", "{% set n = namespace() %}{% set n.a = [n, n] %}{{ n }}", /nested/],
    ["deep parentheses", `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`, /nested/],
    ["a long sum", `{{ ${"1+".repeat(20_000)}1 }}`, /nested/],
    ["deep conditions", `${"{% if 1 %}".repeat(3000)}${"{% endif %}".repeat(3000)}`, /nested/],
    ["a long turn", "{{ 'y' * 70000 }}", /puts 70000 characters/],
  ])("%s: an error that names the bound", (_, source, bound) => {
    const began = process.cpuUsage();
    expect(() => read(`${source}{{ messages[0].content }}`)).toThrow(bound);
    const { user, system } = process.cpuUsage(began);
    expect(user + system).toBeLessThan(2e6);
  });

  it("ends what counts no steps: a regular expression over a run of blanks", () => {
    expect(() => withinTemplateTime(() => /(\s*)x/.exec(" ".repeat(2 ** 20)))).toThrow(/longer than 1000+ ms/);
  });
});
