import { InputError } from "../../errors.ts";
import type { RankDocument } from "../../types.ts";
import type { ClipperTopic } from "../data/clipper.ts";
import type { LocomoTopic } from "../data/locomo.ts";
import type { Journal } from "../journal.ts";
import { bootstrap, type Interval } from "../metrics/statistics.ts";
import { type Outcome, outcomeKey } from "../outcome.ts";
import { rankingOf } from "../summary.ts";
import type { Task, Topic } from "../types.ts";
import { claimPrompt, type Generator, questionPrompt } from "./generator.ts";
import { exactMatch, parseVerdict, tokenF1 } from "./scores.ts";

/** Tokens of an answer: a verdict, or a short phrase. */
const MAX_TOKENS = 64;
/** What a false twin's outcome adds to the query's id. */
const TWIN = "#corrupted";

/** What a generator sees: all documents, or the first k of a method's ranking. Documents keep their own order. */
export type Source = { name: string; method: string | null; k: number };

/** Answers done, of all; `resumed` of them are from an earlier run. */
export type AnswerProgress = { done: number; total: number; resumed: number };

/** Documents that one question is answered from: undefined where the method ranked nothing. */
type Shown = readonly RankDocument[] | undefined;

type Ask = { key: string; prompt: (documents: readonly RankDocument[]) => string; expected: string; isClaim: boolean };

/** `full`, and every method with every k, such as `qrhead@5`. */
export function listSources(methods: readonly string[], ks: readonly number[], full: boolean): Source[] {
  const top = methods.flatMap((method) => ks.map((k) => ({ name: `${method}@${k}`, method, k })));
  return full ? [{ name: "full", method: null, k: 0 }, ...top] : top;
}

/**
 * Lets a generator answer every topic from what each source shows it, and writes the outcomes to a journal.
 *
 * @param task CLIPPER or LoCoMo, opened with all documents as candidates and in their own order.
 * @param retrieved Outcomes of an earlier run over the same data.
 * @throws InputError `INVALID_INPUT` for a task without answers, or of which the earlier run has no ranking.
 */
export async function answerTask(
  task: Task,
  retrieved: readonly Outcome[],
  sources: readonly Source[],
  generator: Generator,
  journal: Journal,
  {
    signal,
    onProgress,
  }: { signal?: AbortSignal | undefined; onProgress?: ((progress: AnswerProgress) => void) | undefined } = {},
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
  for (const topic of topics) {
    const { documents } = await task.candidates(topic);
    for (const source of sources) {
      const shown = chooseShown(task.name, topic, source, documents, rankings);
      for (const ask of asks(topic, task.format)) {
        const base = { task: task.name, query: ask.key, method: source.name, permutation: 0 };
        const known = journal.get(outcomeKey(base));
        if (!known) journal.add(await answerOne(base, ask, shown, generator, signal));
        progress.done++;
        if (known) progress.resumed++;
        onProgress?.(progress);
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
    return [{ key: topic.id, prompt: (seen) => questionPrompt(seen, topic.query), expected: answer, isClaim: false }];
  }
  const { corrupted } = topic as ClipperTopic;
  return [
    { key: topic.id, prompt: (seen) => claimPrompt(seen, topic.query), expected: "true", isClaim: true },
    { key: topic.id + TWIN, prompt: (seen) => claimPrompt(seen, corrupted), expected: "false", isClaim: true },
  ];
}

async function answerOne(
  base: Pick<Outcome, "task" | "query" | "method" | "permutation">,
  { prompt, expected, isClaim }: Ask,
  seen: Shown,
  generator: Generator,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const began = performance.now();
  const ids = seen?.map(({ id }) => id) ?? [];
  try {
    // Without documents the answer would measure what the model knows already.
    if (!seen) throw new InputError("INVALID_INPUT", "The method failed on this query, so there is nothing to show");
    const given = await generator.answer(prompt(seen), MAX_TOKENS, signal);
    const ms = performance.now() - began;
    const verdict = parseVerdict(given);
    const exact = isClaim ? Number(String(verdict) === expected) : exactMatch(given, expected);
    const f1 = isClaim ? exact : tokenF1(given, expected);
    const malformed = isClaim && verdict === null ? 1 : 0;
    return {
      ...base,
      status: "ok",
      ids,
      scores: [],
      ms,
      answers: 1,
      malformed,
      answer: { given, expected, exact, f1 },
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
        malformed: found.reduce((sum, outcome) => sum + (outcome.malformed ?? 0), 0),
        failed: found.filter(({ status }) => status === "failed").length,
      },
    ];
  });
}
