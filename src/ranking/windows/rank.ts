import { ContextOverflowError, invalidArgument } from "../../errors.ts";
import type { Progress, RankOptions } from "../../options.ts";
import type { PromptLayout } from "../../prompt/layout.ts";
import type { LaidDocuments } from "../../reading/documents.ts";
import type { RankDocument } from "../../types.ts";
import type { Described, PassageScore, Standing } from "../results.ts";
import { rankDocuments } from "../scoring/ranking.ts";
import { DEFAULT_MERGE, type WindowOptions } from "./options.ts";
import { costsOf } from "./plan.ts";
import { planProgress } from "./progress.ts";
import { type Problem, RULES } from "./rules.ts";
import { unitsOf } from "./units.ts";

/** What ranks one window. */
export type WindowEngine = {
  /** Tokens that a prompt may have. */
  limit: number;
  /** Ranks the documents of one prompt. */
  rank(documents: readonly RankDocument[], onProgress: ((progress: Progress) => void) | undefined): Promise<Standing>;
};

/** Passages that a result names. */
const NAMED_PASSAGES = 5;
/**
 * Ranks documents that one prompt does not hold, window by window. A document that does not fit a window by itself is cut
 * between sentences into passages, and counts as its best one.
 *
 * @param prompt That one prompt, which says what each document costs.
 * @throws ContextOverflowError when query and instruction leave no room for documents.
 */
export async function rankInWindows(
  engine: WindowEngine,
  laid: LaidDocuments,
  prompt: PromptLayout,
  windows: WindowOptions,
  { onProgress, tokenScores }: Pick<RankOptions, "onProgress" | "tokenScores">,
): Promise<Standing> {
  const began = performance.now();
  const { documents, positions } = laid;
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
    const advice = "shorten it, use more windowTokens, or use a larger contextSize";
    throw new ContextOverflowError(costs.base + 1, size, "The query with its instruction", advice, costs.base);
  }

  const units = await unitsOf(laid, prompt, { size, costs, passageTokens: windows.passageTokens });
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
  const scores = await RULES[merge](problem);
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
    await RULES[merge]({
      ...shape,
      score: async (members) => {
        total += tokensOf(members);
        return members.map(() => 0);
      },
    });
    return total;
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
