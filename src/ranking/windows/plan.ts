import type { PromptLayout } from "../../prompt/layout.ts";

/** What documents cost in a prompt, in tokens. */
export type Costs = {
  /** The prompt without documents: introduction, instruction, the longer of query and null query, template. */
  base: number;
  /** Each document with its number, its title and the separator before it, in the order of the prompt. */
  documents: number[];
};

/** Numbers and separators may be tokenized differently beside other documents. */
const SLACK = 2;

/** The costs of the documents of a prompt that has been laid out, in the order of its spans. */
export function costsOf({ trunk: { tokens, documentSpans }, query, nullQuery }: PromptLayout): Costs {
  const ends = documentSpans.map(([, end]) => end);
  // The last separator is before the query and stays when there is one document less.
  const documents = documentSpans.map(([begin, end], index) => end - (index === 0 ? begin : ends[index - 1]!) + SLACK);
  const first = documentSpans[0]?.[0] ?? 0;
  const behind = Math.max(query.length, nullQuery?.length ?? 0);
  const separator = tokens.length - (ends.at(-1) ?? tokens.length);
  return { base: first + separator + behind + SLACK, documents };
}

/** Documents larger than this share of a window are dealt first, while the windows still have room for them. */
const LARGE_SHARE = 0.25;

/**
 * Deals documents to few windows. Each document goes to the window with the fewest tokens that has room. So windows are
 * balanced and, if the given order is a ranking, every window gets its share of good documents.
 *
 * @param capacity Tokens that the documents of a window may have. Documents that have more take a window each.
 * @param most Documents that a window may have.
 * @returns Indexes of `costs`, ascending within a window; none is empty.
 */
export function dealWindows(costs: readonly number[], capacity: number, most = Number.POSITIVE_INFINITY): number[][] {
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  const large = costs.map((_, index) => index).filter((index) => costs[index]! > capacity * LARGE_SHARE);
  const small = costs.map((_, index) => index).filter((index) => costs[index]! <= capacity * LARGE_SHARE);
  const dealOrder = [...large.sort((a, b) => costs[b]! - costs[a]!), ...small];
  const fewest = Math.max(1, Math.ceil(total / capacity), Math.ceil(costs.length / most));
  for (let count = fewest; count < costs.length; count++) {
    const dealt = deal(count);
    if (dealt) return dealt;
  }
  return costs.map((_, index) => [index]);

  function deal(count: number): number[][] | undefined {
    const windows = Array.from({ length: count }, () => ({ tokens: 0, members: [] as number[] }));
    for (const index of dealOrder) {
      const cost = costs[index]!;
      let best: (typeof windows)[number] | undefined;
      for (const window of windows) {
        if (window.tokens + cost > capacity || window.members.length >= most) continue;
        if (!best || window.tokens < best.tokens) best = window;
      }
      if (!best) return undefined;
      best.tokens += cost;
      best.members.push(index);
    }
    return windows.map(({ members }) => members.sort((a, b) => a - b)).filter((members) => members.length > 0);
  }
}

/** Whether documents make one window. */
export function fitsOne(costs: readonly number[], capacity: number, most = Number.POSITIVE_INFINITY): boolean {
  return costs.length <= most && costs.reduce((sum, cost) => sum + cost, 0) <= capacity;
}
