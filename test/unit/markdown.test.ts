import { readdirSync, readFileSync } from "node:fs";
import type { Nodes } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { describe, expect, test } from "vitest";
import { frontMatterLength } from "../../src/chunking/front-matter.ts";
import { markdownBlocks } from "../../src/chunking/markdown.ts";
import { atOnce } from "../../src/util/in-slices.ts";

/** What a reader of CommonMark sees; it is the reference, and too slow for texts of others. */
function reference(text: string): string[] {
  const lineBegin = (node: Nodes) => {
    let at = node.position!.start.offset!;
    while (at > 0 && /[ \t]/.test(text[at - 1]!)) at--;
    return at;
  };
  return fromMarkdown(text).children.flatMap((node) => {
    if (node.type === "heading") return [`heading ${node.depth} at ${lineBegin(node)}`];
    if (node.type === "code") return [`code at ${lineBegin(node)}`];
    if (node.type !== "list") return [];
    return [`list at ${lineBegin(node)}`, ...node.children.map((item) => `item at ${lineBegin(item)}`)];
  });
}

function blocks(text: string): string[] {
  return atOnce(markdownBlocks(text)).flatMap(({ kind, begin, depth, items }) => {
    if (kind === "heading") return [`heading ${depth} at ${begin}`];
    if (kind === "code") return [`code at ${begin}`];
    return kind === "list" ? [`list at ${begin}`, ...items.map((item) => `item at ${item}`)] : [];
  });
}

describe("blocks of Markdown are those of CommonMark", () => {
  const folder = new URL("../../docs/", import.meta.url);
  // The home page of the site begins with front matter, which CommonMark does not know.
  const pages = readdirSync(folder).filter((name) => name.endsWith(".md") && name !== "index.md");

  test.each(pages)("in docs/%s", (page) => {
    const text = readFileSync(new URL(page, folder), "utf8");
    expect(blocks(text)).toEqual(reference(text));
  });

  test.each([
    ["headings of both kinds", "# A\nb\n===\nc\nd\n---\n\n####### no\n#no\n   ## E #\n    # code\n"],
    ["a rule that is no heading", "a\n\n---\n\n- - -\n***\nb\n"],
    ["fences", "````\n```\n# no\n````\n~~~ x\n# no\n```\n~~~\n``` a`b\n# yes\n"],
    ["a fence that is never closed", "# A\n\n```\n# no\n\n# no\n"],
    [
      "items with fences, paragraphs and lazy lines",
      "- a\nlazy\n\n  b\n\n  ```\n  # no\n\n- no\n  ```\n- c\n\nend\n# yes\n",
    ],
    ["lists of several kinds", "- a\n- b\n* c\n1. d\n2. e\n1) f\n\n   g\n+\n+ h\n"],
    ["what ends a paragraph", "a\n- b\n\na\n2. no\n1. yes\n\na\n# b\na\n> b\nlazy\n# c\n"],
    ["markup", "<!-- \n# no\n\n# no\n-->\n# yes\n<div>\n# no\n\n# yes\n<b>a</b>\n# yes\n<pre>\n\n# no\n</pre>\n"],
    ["quotes", "> # no\n> - no\n\n> ```\n> # no\n# yes\n"],
    ["Windows' line breaks", "# A\r\n\r\n- a\r\n- b\r\n\r\n```\r\n# no\r\n```\r\nB\r\n=\r\n"],
  ])("in %s", (_, text) => {
    expect(blocks(text)).toEqual(reference(text));
  });
});

test.each<[string, string]>([
  ["---\ntitle: x\ntags: [a]\n---\n", "text"],
  ["\uFEFF---\r\ntitle: x\r\n...\r\n", "text"],
  ["---\n# made by hand\ndate: 2025-01-01\n---", ""],
  ["+++\ntitle = 'x'\n[extra]\n+++\n", "text"],
  ["", "---\n\nA paragraph between rules.\n\n---\n\nThe end.\n"],
  ["", "---\nA slide.\n---\nAnother: this one.\n---\n"],
  ["", "---\nSee https://example.org\n---\n"],
  ["", "---\ntitle: never closed\n"],
  ["", "+++\nA sum.\n+++\n"],
  ["", "text\n---\na: 1\n---\n"],
])("front matter is %j before %j", (matter, rest) => {
  expect(frontMatterLength(matter + rest)).toBe(matter.length);
});
