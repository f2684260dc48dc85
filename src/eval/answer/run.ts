import { InputError } from "../../errors.ts";
import type { RankDocument } from "../../types.ts";
import type { ClipperTopic } from "../data/clipper.ts";
import type { LocomoTopic } from "../data/locomo.ts";
import type { Journal } from "../journal.ts";
import { bootstrap, type Interval } from "../metrics/statistics.ts";
import { type Outcome, outcomeKey } from "../outcome.ts";
import { rankingOf } from "../summary.ts";
import type { Task, Topic } from "../types.ts";
import { claimPrompt, type Generator, judgePrompt, questionPrompt } from "./generator.ts";
import { exactMatch, parseJudgement, parseVerdict, tokenF1 } from "./scores.ts";
import type { Shortener } from "./shorten.ts";

/** Tokens of an answer: a verdict, or a short phrase. */
const MAX_TOKENS = 64;
/** Tokens of a judge's yes or no. */
const JUDGE_TOKENS = 8;
/** What a false twin's outcome adds to the query's id. */
const TWIN = "#corrupted";

/**
 * What a generator sees: all documents, or the first k of a method's ranking. Documents keep their own order. `percent`: of
 * their tokens, where they are pruned.
 */
export type Source = { name: string; method: string | null; k: number; percent?: number };

/** Answers done, of all; `resumed` of them are from an earlier run. */
export type AnswerProgress = { done: number; total: number; resumed: number };

/** Documents that one question is answered from: undefined where the method ranked nothing. */
type Shown = readonly RankDocument[] | undefined;

/** What takes part beside the generator. */
type Others = {
  judge?: Generator | undefined;
  shortener?: Shortener | undefined;
  signal?: AbortSignal | undefined;
};

type Ask = {
  key: string;
  query: string;
  prompt: (documents: readonly RankDocument[]) => string;
  expected: string;
  isClaim: boolean;
};

/** `full`, and every method with every k, such as `qrhead@5`; each also pruned to percentages, such as `qrhead@5, 25 %`. */
export function listSources(
  methods: readonly string[],
  ks: readonly number[],
  full: boolean,
  percentages: readonly number[] = [],
): Source[] {
  const top = methods.flatMap((method) => ks.map((k) => ({ name: `${method}@${k}`, method, k })));
  const whole: Source[] = full ? [{ name: "full", method: null, k: 0 }, ...top] : top;
  return whole.flatMap((source) => [
    source,
    ...percentages.map((percent) => ({ ...source, name: `${source.name}, ${percent} %`, percent })),
  ]);
}

/**
 * Lets a generator answer every topic from what each source shows it, and writes the outcomes to a journal.
 *
 * @param task CLIPPER or LoCoMo, opened with all documents as candidates and in their own order.
 * @param retrieved Outcomes of an earlier run over the same data.
 * @param judge Also says of each answer to a question whether it is right.
 * @param shortener For sources that are pruned.
 * @throws InputError `INVALID_INPUT` for a task without answers, or of which the earlier run has no ranking.
 */
export async function answerTask(
  task: Task,
  retrieved: readonly Outcome[],
  sources: readonly Source[],
  generator: Generator,
  journal: Journal,
  { onProgress, ...others }: Others & { onProgress?: ((progress: AnswerProgress) => void) | undefined } = {},
): Promise<void> {
  if (task.format !== "clipper" && task.format !== "locomo") {
    throw new InputError(
      "INVALID_INPUT",
      `${task.name} (${task.format}) has no answers to compare with: use CLIPPER or LoCoMo`,
    );
  }
  const rankings = rankingsOf(task, retrieved);
  if (rankings.size === 0) {
    const known = [...new Set(retrieved.map(({ task: name }) => name))].join(", ");
    throw new InputError("INVALID_INPUT", `The results have no ranking of ${task.name}, only of ${known || "nothing"}`);
  }
  // The earlier run may have drawn a few topics only: full context is compared on the same ones.
  const ranked = new Set([...rankings.values()].map(({ query }) => query));
  const topics = task.topics.filter(({ id }) => ranked.has(id));
  const total = topics.length * sources.length * (task.format === "clipper" ? 2 : 1);
  const progress: AnswerProgress = { done: 0, total, resumed: 0 };
  // Questions about the same documents follow each other where all are shown: the generator reads these once.
  const isWhole = ({ method, percent }: Source) => method === null && percent === undefined;
  for (const some of [sources.filter(isWhole), sources.filter((source) => !isWhole(source))]) {
    for (const topic of some.length > 0 ? topics : []) {
      const { documents } = await task.candidates(topic);
      for (const source of some) {
        const shown = chooseShown(task.name, topic, source, documents, rankings);
        for (const ask of asks(topic, task.format)) {
          const base = { task: task.name, query: ask.key, method: source.name, permutation: 0 };
          const known = journal.get(outcomeKey(base));
          if (!known) journal.add(await answerOne(base, ask, shown, source, { generator, ...others }));
          progress.done++;
          if (known) progress.resumed++;
          onProgress?.(progress);
        }
      }
    }
  }
}

function rankingsOf({ name }: Task, retrieved: readonly Outcome[]): Map<string, Outcome> {
  const found = retrieved.filter(({ task, permutation }) => task === name && permutation === 0);
  return new Map(found.map((outcome) => [outcomeKey(outcome), outcome]));
}

function chooseShown(
  task: string,
  { id }: Topic,
  { method, k }: Source,
  documents: readonly RankDocument[],
  rankings: ReadonlyMap<string, Outcome>,
): Shown {
  if (method === null) return documents;
  const ranking = rankings.get(outcomeKey({ task, query: id, method, permutation: 0 }));
  if (ranking?.status !== "ok") return undefined;
  const chosen = new Set(rankingOf(ranking).slice(0, k));
  return documents.filter((document) => chosen.has(document.id));
}

function asks(topic: Topic, format: string): Ask[] {
  if (format === "locomo") {
    const { answer } = topic as LocomoTopic;
    const { id: key, query } = topic;
    return [{ key, query, prompt: (seen) => questionPrompt(seen, query), expected: answer, isClaim: false }];
  }
  const claim = (key: string, query: string, expected: string): Ask => {
    return { key, query, prompt: (seen) => claimPrompt(seen, query), expected, isClaim: true };
  };
  return [claim(topic.id, topic.query, "true"), claim(topic.id + TWIN, (topic as ClipperTopic).corrupted, "false")];
}

async function answerOne(
  base: Pick<Outcome, "task" | "query" | "method" | "permutation">,
  { query, prompt, expected, isClaim }: Ask,
  seen: Shown,
  { percent }: Source,
  { generator, judge, shortener, signal }: Others & { generator: Generator },
): Promise<Outcome> {
  const began = performance.now();
  const ids = seen?.map(({ id }) => id) ?? [];
  try {
    // Without documents the answer would measure what the model knows already.
    if (!seen) throw new InputError("INVALID_INPUT", "The method failed on this query, so there is nothing to show");
    const shown = percent === undefined ? seen : await shortener!.shorten(query, seen, percent);
    const given = await generator.answer(prompt(shown), MAX_TOKENS, signal);
    const ms = performance.now() - began;
    const verdict = parseVerdict(given);
    const exact = isClaim ? Number(String(verdict) === expected) : exactMatch(given, expected);
    const f1 = isClaim ? exact : tokenF1(given, expected);
    const said = judge && !isClaim && (await judge.answer(judgePrompt(query, expected, given), JUDGE_TOKENS, signal));
    const judged = said === undefined || said === false ? undefined : parseJudgement(said);
    const malformed = (isClaim && verdict === null) || judged === null ? 1 : 0;
    return {
      ...base,
      status: "ok",
      ids,
      scores: [],
      ms,
      answers: 1,
      malformed,
      answer: { given, expected, exact, f1, ...(judged !== undefined && { judged: judged ? 1 : 0 }) },
    };
  } catch (error) {
    signal?.throwIfAborted();
    return {
      ...base,
      status: "failed",
      ids,
      scores: [],
      ms: performance.now() - began,
      error: (error as Error).message,
    };
  }
}

/** Accuracy of one source: of answers, or of pairs of claims, both of which must be judged rightly. */
export type AnswerSummary = {
  source: string;
  count: number;
  accuracy: Interval;
  f1: Interval;
  pairs: Interval | null;
  /** What the judge calls right; null without one. */
  judged: Interval | null;
  malformed: number;
  failed: number;
};

/** Sums up a journal of answers; one that failed counts 0. */
export function summarizeAnswers(
  outcomes: readonly Outcome[],
  sources: readonly Source[],
  seed: number,
): AnswerSummary[] {
  return sources.flatMap(({ name }) => {
    const found = outcomes.filter(({ method }) => method === name);
    if (found.length === 0) return [];
    const byQuery = new Map(found.map((outcome) => [outcome.query, outcome.answer?.exact ?? 0]));
    const twins = found.filter(({ query }) => byQuery.has(query + TWIN));
    const pairs = twins.map(({ query }) => byQuery.get(query)! * byQuery.get(query + TWIN)!);
    return [
      {
        source: name,
        count: found.length,
        accuracy: bootstrap(
          found.map(({ answer }) => answer?.exact ?? 0),
          seed,
        ),
        f1: bootstrap(
          found.map(({ answer }) => answer?.f1 ?? 0),
          seed,
        ),
        pairs: pairs.length > 0 ? bootstrap(pairs, seed) : null,
        judged: found.some(({ answer }) => answer?.judged !== undefined)
          ? bootstrap(
              found.map(({ answer }) => answer?.judged ?? 0),
              seed,
            )
          : null,
        malformed: found.reduce((sum, outcome) => sum + (outcome.malformed ?? 0), 0),
        failed: found.filter(({ status }) => status === "failed").length,
      },
    ];
  });
}
