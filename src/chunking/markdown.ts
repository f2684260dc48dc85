import type { Nodes, RootContent } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import type { Span } from "../types.ts";
import type { Splitter } from "./splitters.ts";

/** A block of Markdown: a heading with its depth, a list with its items, fenced code, or a paragraph. */
export type Block = {
  begin: number;
  /** Where its own text ends; space up to the next block may follow. */
  end: number;
  kind: "front matter" | "heading" | "list" | "code" | "other";
  depth: number;
  items: number[];
};

const FRONT_MATTER =
  /^(?:\uFEFF)?---[^\S\r\n]*(?:\r\n|\r|\n)[\s\S]*?(?:\r\n|\r|\n)(?:---|\.\.\.)[^\S\r\n]*(?:\r\n|\r|\n|$)/;

/** Length of the YAML between two lines of dashes at the beginning of a text; 0 when there is none. */
export function frontMatterLength(text: string): number {
  return FRONT_MATTER.exec(text)?.[0].length ?? 0;
}

/**
 * The top-level blocks of a Markdown text, in order. Each goes to the beginning of the next; what stands before the first
 * belongs to it.
 */
export function markdownBlocks(text: string): Block[] {
  const matter = frontMatterLength(text);
  // The parser drops a byte order mark and counts from behind it.
  const front = matter || (text.startsWith("\uFEFF") ? 1 : 0);
  const blocks: Block[] = matter > 0 ? [{ begin: 0, end: matter, kind: "front matter", depth: 0, items: [] }] : [];
  for (const node of fromMarkdown(text.slice(front)).children) {
    const begin = front + lineBegin(text.slice(front), offsetOf(node));
    const end = front + node.position!.end.offset!;
    blocks.push({
      begin,
      end,
      kind: kindOf(node),
      depth: node.type === "heading" ? node.depth : 0,
      items: itemsOf(node),
    });
  }
  return blocks;

  function itemsOf(node: RootContent): number[] {
    if (node.type !== "list") return [];
    return node.children.map((item) => front + lineBegin(text.slice(front), offsetOf(item)));
  }
}

function kindOf(node: RootContent): Block["kind"] {
  return node.type === "heading" || node.type === "list" || node.type === "code" ? node.type : "other";
}

function offsetOf(node: Nodes): number {
  return node.position!.start.offset!;
}

/** Nodes begin behind their indent. */
function lineBegin(text: string, offset: number): number {
  let begin = offset;
  while (begin > 0 && (text[begin - 1] === " " || text[begin - 1] === "\t")) begin--;
  return begin;
}

/**
 * Ways to cut a Markdown text, coarse to fine: before headings of depth 1, of depth 2, … 6; before blocks, where a heading
 * stays with the block below it; before the items of lists.
 */
export function markdownSplitters(text: string): Splitter[] {
  const blocks = markdownBlocks(text);
  const within =
    (positions: readonly number[]): Splitter =>
    (_, [begin, end]: Span) =>
      positions.filter((position) => position > begin && position < end);
  const headings = [1, 2, 3, 4, 5, 6].map((depth) =>
    within(blocks.filter((block) => block.kind === "heading" && block.depth <= depth).map(({ begin }) => begin)),
  );
  const starts = blocks.filter((_, index) => blocks[index - 1]?.kind !== "heading").map(({ begin }) => begin);
  const items = blocks.flatMap((block) => block.items);
  return [...headings, within(starts), within(blocks.map(({ begin }) => begin)), within(items)];
}
