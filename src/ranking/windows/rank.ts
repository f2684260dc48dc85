import { chunkText } from "../../chunking/chunk.ts";
import { TokenMap } from "../../chunking/token-map.ts";
import { ContextOverflowError, invalidArgument } from "../../errors.ts";
import type { Progress, RankOptions } from "../../options.ts";
import { type PromptLayout, textOffsets } from "../../prompt/layout.ts";
import type { LaidDocuments } from "../../reading/documents.ts";
import type { RankDocument } from "../../types.ts";
import type { Described, PassageScore, Standing } from "../results.ts";
import { type Demoted, isBlank } from "../scoring/placement.ts";
import { rankDocuments } from "../scoring/ranking.ts";
import { DEFAULT_MERGE, type WindowOptions } from "./options.ts";
import { costsOf } from "./plan.ts";
import { planProgress } from "./progress.ts";
import { mergeCalibrated, mergeFinal, mergeSliding, mergeTournament, type Problem } from "./rules.ts";

/** What ranks one window. */
export type WindowEngine = {
  /** Tokens that a prompt may have. */
  limit: number;
  /** Ranks the documents of one prompt. */
  rank(documents: readonly RankDocument[], onProgress: ((progress: Progress) => void) | undefined): Promise<Standing>;
};

/** A document, or a passage of one that is too long: what stands in windows. */
type Unit = {
  document: number;
  text: string;
  cost: number;
  begin: number;
  end: number;
  blank: boolean;
  readings: number;
  /** Sum of the computed scores, if a window demoted the document: the merge rules get the score of its place instead. */
  scoreSum: number;
  demoted?: Demoted | undefined;
  headSums?: number[] | undefined;
  oddsSum: number;
  rawOddsSum: number;
  /** Of the last window. */
  result?: Described;
};

/** Passages that a result names. */
const NAMED_PASSAGES = 5;
const UNREAD = { readings: 0, scoreSum: 0, oddsSum: 0, rawOddsSum: 0 };
const LONGEST_PASSAGE = 512;
const SHORTEST_PASSAGE = 8;

/**
 * Ranks documents that one prompt does not hold, window by window.
 *
 * @param prompt That one prompt, which says what each document costs.
 * A document that does not fit a window by itself is cut between sentences into passages, and counts as its best one.
 *
 * @throws ContextOverflowError when query and instruction leave no room for documents.
 */
export async function rankInWindows(
  engine: WindowEngine,
  { documents, positions }: LaidDocuments,
  prompt: PromptLayout,
  windows: WindowOptions,
  { onProgress, tokenScores }: Pick<RankOptions, "onProgress" | "tokenScores">,
): Promise<Standing> {
  const began = performance.now();
  // Token scores come from one reading. They are comparable between documents only if each is read once.
  const { merge = tokenScores ? "calibrated" : DEFAULT_MERGE } = windows;
  const { windowDocuments: most = Number.POSITIVE_INFINITY } = windows;
  if ((windows.windowTokens ?? 0) > engine.limit) {
    throw invalidArgument(
      "windowTokens",
      `at most the ${engine.limit} tokens that the context holds`,
      windows.windowTokens,
    );
  }
  const size = windows.windowTokens ?? engine.limit;
  const costs = costsOf(prompt);
  const capacity = size - costs.base;
  if (capacity < 1) {
    const advice = "shorten it, or use more windowTokens or a larger contextSize";
    throw new ContextOverflowError(costs.base + 1, size, "The query with its instruction", advice, costs.base);
  }

  const units = await toUnits();
  let spent: Standing | undefined;
  let count = 0;
  const shape = { costs: units.map(({ cost }) => cost), capacity, most };
  const tokensOf = (members: readonly number[]) =>
    members.reduce((sum, member) => sum + shape.costs[member]!, costs.base);
  const progress = onProgress && planProgress(onProgress, await plannedTokens());
  const problem: Problem = {
    ...shape,
    score: async (members) => {
      const result = await engine.rank(
        members.map((member) => ({ ...documents[units[member]!.document]!, text: units[member]!.text })),
        progress?.window,
      );
      progress?.finish(tokensOf(members));
      count++;
      spent = spent ? addUsage(spent, result) : result;
      const scores = new Array<number>(members.length);
      let lowest = Number.POSITIVE_INFINITY;
      for (const ranked of result.order.map(result.describe)) {
        const unit = units[members[ranked.index]!]!;
        unit.result = ranked;
        unit.readings++;
        unit.scoreSum += ranked.score;
        unit.oddsSum += result.odds[ranked.index]!;
        unit.rawOddsSum += result.rawOdds[ranked.index]!;
        unit.demoted ??= ranked.demoted;
        lowest = Math.min(lowest, ranked.score);
        // As with the score, what heads contribute is the mean over all windows.
        unit.headSums = ranked.headScores?.map((value, head) => value + (unit.headSums?.[head] ?? 0));
        // The score of its place, which is lower than its own if it was demoted.
        scores[ranked.index] = lowest;
      }
      return scores;
    },
  };
  const scores = await mergeBy(problem);
  progress?.end();
  const lengths = prompt.trunk.documentSpans.map(([begin, end]) => end - begin);
  return {
    ...spent!,
    ...rankedDocuments(placeUnits()),
    usage: { ...spent!.usage, documentTokens: positions.map((position) => lengths[position]!) },
    timings: { ...spent!.timings, totalMs: performance.now() - began },
    windows: {
      count,
      merge,
      windowTokens: size,
      split: new Set(units.filter(({ end }) => end > 0).map(({ document }) => document)).size,
    },
  };

  /** Sorted by merged score; blank documents come last, whatever window they stood in. */
  function placeUnits(): number[] {
    const order = rankDocuments(scores);
    return [...order.filter((index) => !units[index]!.blank), ...order.filter((index) => units[index]!.blank)];
  }

  /** What the rule will read: a dry run of the rule counts it. */
  async function plannedTokens(): Promise<number> {
    let total = 0;
    await mergeBy({
      ...shape,
      score: async (members) => {
        total += tokensOf(members);
        return members.map(() => 0);
      },
    });
    return total;
  }

  function mergeBy(problem: Problem): Promise<number[]> {
    switch (merge) {
      case "calibrated":
        return mergeCalibrated(problem);
      case "final":
        return mergeFinal(problem);
      case "tournament":
        return mergeTournament(problem);
      case "sliding":
        return mergeSliding(problem);
    }
  }

  async function toUnits(): Promise<Unit[]> {
    const units: Unit[] = [];
    for (const [document, { title, text }] of documents.entries()) {
      const blank = (part: string) => isBlank({ ...(title && { title }), text: part });
      const cost = costs.documents[positions[document]!]!;
      if (cost <= capacity) {
        units.push({ document, text, cost, begin: 0, end: 0, blank: blank(text), ...UNREAD });
        continue;
      }
      const map = new TokenMap(text, textOffsets(prompt.trunk, positions[document]!));
      const header = Math.max(0, cost - map.size) + 2;
      const half = Math.floor(capacity / 2) - header;
      const passage =
        windows.passageTokens ?? Math.min(LONGEST_PASSAGE, half >= SHORTEST_PASSAGE ? half : capacity - header);
      if (passage + header > capacity || passage < 1) {
        const isTitle = Boolean(title) && (windows.passageTokens === undefined || header + SHORTEST_PASSAGE > capacity);
        throw new ContextOverflowError(
          costs.base + header + Math.max(passage, SHORTEST_PASSAGE),
          size,
          `${isTitle ? "The title" : "A passage"} of document ${JSON.stringify(documents[document]!.id)}`,
          isTitle
            ? "cut it with maxDocumentTokens, or use more windowTokens or a larger contextSize"
            : "use fewer passageTokens, or more windowTokens or a larger contextSize",
          isTitle ? header : header + passage,
        );
      }
      for (const chunk of await chunkText(text, map, { by: "sentences", size: passage })) {
        const { begin, end } = chunk;
        const place = { document, text: chunk.text, cost: chunk.tokens + header, begin, end };
        units.push({ ...place, blank: blank(chunk.text), ...UNREAD });
      }
    }
    return units;
  }

  /** Documents in the order of their best passages; all attention on any passage of a document is on the document. */
  function rankedDocuments(order: readonly number[]): Pick<Standing, "order" | "odds" | "rawOdds" | "describe"> {
    const results = new Map<number, Described>();
    const [odds, rawOdds] = [new Array<number>(documents.length).fill(0), new Array<number>(documents.length).fill(0)];
    for (const index of order) {
      const { document, begin, end, result, readings, headSums, scoreSum, oddsSum, rawOddsSum, demoted } =
        units[index]!;
      const score = demoted ? scoreSum / readings : scores[index]!;
      const passage: PassageScore | undefined = end > 0 ? { begin, end, score } : undefined;
      rawOdds[document]! += rawOddsSum / readings;
      const known = results.get(document);
      if (known) {
        if (passage && known.passages!.length < NAMED_PASSAGES) known.passages!.push(passage);
        continue;
      }
      odds[document] = oddsSum / readings;
      results.set(document, {
        ...result!,
        index: document,
        id: documents[document]!.id,
        score,
        ...(demoted && { demoted }),
        ...(headSums && { headScores: headSums.map((sum) => sum / readings) }),
        ...(documents[document]!.truncated && { truncated: true as const }),
        ...(passage && { passages: [passage] }),
      });
    }
    return { order: [...results.keys()], odds, rawOdds, describe: (index) => results.get(index)! };
  }
}

function addUsage(sum: Standing, next: Standing): Standing {
  const { usage, timings } = next;
  return {
    ...next,
    warnings: mergeWarnings(sum.warnings, next.warnings),
    usage: { ...usage, promptTokens: sum.usage.promptTokens + usage.promptTokens },
    timings: {
      ...timings,
      prefillMs: sum.timings.prefillMs + timings.prefillMs,
      nullMs: sum.timings.nullMs + timings.nullMs,
      queryMs: sum.timings.queryMs + timings.queryMs,
      ...(timings.cpuMs !== undefined && { cpuMs: (sum.timings.cpuMs ?? 0) + timings.cpuMs }),
    },
  };
}

/** Keeps one of the warnings that differ in their numbers only. */
function mergeWarnings(some: readonly string[], more: readonly string[]): string[] {
  const kind = (warning: string) => warning.replace(/[\d.]+/g, "");
  return [...new Map([...some, ...more].map((warning) => [kind(warning), warning])).values()];
}
