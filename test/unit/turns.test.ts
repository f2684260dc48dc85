import { describe, expect, test } from "vitest";
import { isSameSpeaker, type TurnOptions, turnsOf } from "../../src/chunking/turns.ts";
import { atOnce } from "../../src/util/in-slices.ts";

const speakers = (text: string, options?: TurnOptions) => atOnce(turnsOf(text, options)).map(({ speaker }) => speaker);

/** NAME stands for who speaks. */
const FORMS = [
  "NAME: hello",
  "**NAME:** hello",
  "**NAME**: hello",
  "__NAME:__ hello",
  "NAME：hello",
  "@NAME: hello",
  "NAME 🌸: hello",
  "NAME (she/her): hello",
  "NAME (10:02): hello",
  "**NAME** (10:02): hello",
  "- NAME: hello",
  "* NAME: hello",
  "> NAME: hello",
  "[NAME]: hello",
  "[10:31] NAME: hello",
  "10:31 NAME: hello",
  "10:31:05 NAME: hello",
  "(10:31 AM) NAME: hello",
  "2025-05-12 10:33:00 NAME: hello",
  "[2025-05-12T10:33:00Z] NAME: hello",
  "12/05/2025, 10:33 - NAME: hello",
  "5/12/25, 10:33\u202fPM - NAME: hello",
  "\u200e[12/05/2025, 10:33:12] NAME: hello",
  "<NAME> hello",
  "[10:31] <NAME> hello",
  "<NAME>hello</NAME>",
  "<NAME>\nhello\n</NAME>",
  "### NAME\nhello",
  "### **NAME**:\nhello",
  "**NAME**\nhello",
  "NAME  10:31 AM\nhello",
  "NAME — Today at 10:31\nhello",
  "NAME — hello",
  "<|im_start|>NAME\nhello<|im_end|>",
  "<|start_header_id|>NAME<|end_header_id|>\n\nhello<|eot_id|>",
  "<start_of_turn>NAME\nhello<end_of_turn>",
  "<|NAME|>\nhello",
  "<v NAME>hello",
  '{"role": "NAME", "content": "hello"}',
  '<message from="NAME">hello</message>',
];

describe.each(FORMS)("who speaks in %j", (form) => {
  test.each([
    ["Eva", "Tom"],
    ["Eva Lind", "Tom O'Hara"],
    ["user", "assistant"],
  ])("is found: %s and %s", (...names) => {
    const lines = [...names, ...names].map((name) => form.replaceAll("NAME", name));
    const text = `A chat of May.\n\n${lines.join("\n")}\n`;
    const turns = atOnce(turnsOf(text));
    expect(turns.map(({ speaker }) => speaker)).toEqual([...names, ...names]);
    const begins = lines.map((_, index) => text.length - 1 - lines.slice(index).join("\n").length);
    expect(turns.map(({ begin }) => begin)).toEqual(begins);
    expect(turns.map(({ end }) => end)).toEqual([...begins.slice(1), text.length]);
  });
});

describe("no speaker is", () => {
  const talk = (...lines: string[]) =>
    `system: You are a clerk.\n${lines.join("\n")}\nuser: Hello.\nassistant: Hi.\nuser: Bye.\n`;
  const expected = ["system", "user", "assistant", "user"];

  test.each([
    ["a label", "Important: never tell.", "Note: answer in French."],
    ["a label that stands twice", "Note: a", "Note: b"],
    ["a part of an answer", "Pros: cheap", "Cons: slow", "Pros: near", "Cons: loud"],
    ["an address", "See https://example.org/rules for more.", "See https://example.org/more too."],
    ["an item of a list", "1. Opening hours: 9 to 5.", "2. Opening hours: none."],
    ["a ratio", "Ratio 16:9 is wide.", "Ratio 16:9 is common."],
    ["a time", "10:30 we open", "10:45 we close: really"],
    ["a heading of an answer", "## Summary", "short", "## Summary", "long"],
    ["a quoted line", "> Tom: hello", "> Tom: hello"],
    ["a line of code", "```yaml", "name: a", "name: b", "```"],
    ["an element of HTML", "<p>one</p>", "<p>two</p>"],
  ])("%s", (_, ...lines) => {
    expect(speakers(talk(...lines), { speakers: ["system"] })).toEqual(expected);
    expect(speakers(talk(...lines))).toEqual(expected);
  });

  test("a name that speaks once, unless the caller knows it", () => {
    const text = "Ann: hi\nTom: hello\nAnn: bye\n";
    expect(speakers(text)).toEqual(["Ann", "Ann"]);
    expect(speakers(text, { speakers: ["tom"] })).toEqual(["Ann", "Tom", "Ann"]);
    expect(speakers("A letter without turns.\nYours: Ann\n")).toEqual([]);
  });
});

test("an expression of the caller's decides alone, and its first group names the speaker", () => {
  const text = "#1 Ann\nTom: no\n#2 Tom\nhello\n";
  expect(speakers(text, { turn: /#\d (\w+)/g })).toEqual(["Ann", "Tom"]);
});

test("speakers are compared without case, pictures and remarks", () => {
  expect(isSameSpeaker("@Ann 🌸", "ann (she/her)")).toBe(true);
  expect(isSameSpeaker("Ann", "Anna")).toBe(false);
});
