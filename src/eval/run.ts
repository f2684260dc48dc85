import { QRHeadError } from "../errors.ts";
import { seededRandom } from "../heads/heads.ts";
import type { DRAWS } from "../options/choices.ts";
import { fuseScores } from "../ranking/fusion.ts";
import type { RankDocument } from "../types.ts";
import { counted } from "../util/counted.ts";
import { defaultThreads } from "../util/threads.ts";
import type { Journal } from "./journal.ts";
import { fuseByRank } from "./methods/fusion.ts";
import type { Method, MethodContext, OpenMethod, Request, Response } from "./methods/method.ts";
import { numpyPermutation } from "./numpy-draw.ts";
import { type Outcome, outcomeKey } from "./outcome.ts";
import type { Task, Topic } from "./types.ts";

/** How often resident memory is looked at. */
const MEMORY_INTERVAL_MS = 100;

/** Generators that topics can be drawn by. */
export type Draw = (typeof DRAWS)[number];

export type RunOptions = {
  methods: readonly Method[];
  context: MethodContext;
  journal: Journal;
  /** Topics drawn of a task, and the seed of the draw; 0 takes all. */
  limit: number;
  seed: number;
  /** Whose generator draws the topics: ours, or NumPy's as the published code does. Defaults to `"qrhead"`. */
  draw?: Draw | undefined;
  /** Words kept of every document that a model reads; 0 keeps all. */
  maxDocumentWords: number;
  /** Seeded permutations of the candidates that methods which see their order rank besides; 0 for none. */
  permutations: number;
  /** Rankers of a method that work at once, each with a model of its own. */
  jobs: number;
  /** Write outcomes in the order of the queries: one that is done waits for those before it. Defaults to `false`. */
  inOrder?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onOutcome?: ((outcome: Outcome, resumed: boolean) => void) | undefined;
};

/** What is to be done of one task, known before it begins. */
type Item = { topic: Topic; permutation: number };

/** The topics that a run looks at: all, or `limit` drawn by the seed, in the order of the task. */
export function drawTopics(topics: readonly Topic[], limit: number, seed: number, draw: Draw = "qrhead"): Topic[] {
  if (limit === 0 || limit >= topics.length) return [...topics];
  const order = draw === "numpy" ? numpyPermutation(topics.length, seed) : permute(topics.length, seed);
  const chosen = order.slice(0, limit).sort((a, b) => a - b);
  return chosen.map((index) => topics[index]!);
}

/** How many outcomes a method has of so many topics. */
export function countOutcomes(
  topics: number,
  method: Method,
  { permutations }: Pick<RunOptions, "permutations">,
): number {
  return topics * (1 + (isPermuted(method) ? permutations : 0));
}

/**
 * Opens every method once, to find a missing file or head before hours of work.
 */
export async function checkMethods(methods: readonly Method[], context: MethodContext): Promise<void> {
  for (const method of methods) {
    if (method.fuses) continue;
    await using _ranker = await method.open(context);
    context.signal?.throwIfAborted();
  }
}

/**
 * Ranks the drawn topics of a task by every method, one method after another, and writes each outcome to the journal.
 * What the journal has already is not done again. A query on which a method fails is an outcome too, and the run goes on.
 */
export async function runTask(task: Task, options: RunOptions): Promise<void> {
  const topics = drawTopics(task.topics, options.limit, options.seed, options.draw);
  for (const method of options.methods) {
    const items = topics.flatMap((topic): Item[] => {
      const count = isPermuted(method) ? options.permutations : 0;
      return Array.from({ length: count + 1 }, (_, permutation) => ({ topic, permutation }));
    });
    const open = items.filter(({ topic, permutation }) => {
      const known = options.journal.get(
        outcomeKey({ task: task.name, query: topic.id, method: method.name, permutation }),
      );
      if (known) options.onOutcome?.(known, true);
      return !known;
    });
    if (open.length === 0) continue;
    if (method.fuses) for (const { topic } of open) record(options, fuse(task.name, topic, method, options.journal));
    else await runMethod(task, method, open, options);
  }
}

async function runMethod(task: Task, method: Method, items: readonly Item[], options: RunOptions): Promise<void> {
  const jobs = Math.min(options.jobs, items.length);
  const { load } = options.context;
  const threads = load.threads ?? Math.max(1, Math.floor(defaultThreads() / jobs));
  const rankers: OpenMethod[] = [];
  const memory = watchMemory();
  try {
    for (let job = 0; job < jobs; job++) {
      rankers.push(await method.open({ ...options.context, load: { ...load, threads } }));
    }
    const queue = items.entries();
    const write = options.inOrder ? inOrder(options) : (_: number, outcome: Outcome) => record(options, outcome);
    await Promise.all(
      rankers.map(async (ranker) => {
        for (const [place, { topic, permutation }] of queue) {
          options.signal?.throwIfAborted();
          const outcome = await rankOne(task, method, ranker, topic, permutation, options);
          write(place, { ...outcome, peakBytes: memory.peak() });
        }
      }),
    );
  } finally {
    memory.stop();
    for (const ranker of rankers) await ranker[Symbol.asyncDispose]();
  }
}

async function rankOne(
  task: Task,
  method: Method,
  ranker: OpenMethod,
  topic: Topic,
  permutation: number,
  { maxDocumentWords, seed, signal }: RunOptions,
): Promise<Outcome> {
  const { documents, scores, bm25 } = await task.candidates(topic);
  const base = { task: task.name, query: topic.id, method: method.name, permutation };
  const ids = documents.map(({ id }) => id);
  if (ids.length === 0) return { ...base, status: "ok", ids, scores: [], ms: 0 };
  const order =
    permutation === 0 ? ids.map((_, i) => i) : permute(ids.length, hash(`${seed}|${topic.id}|${permutation}`));
  const began = performance.now();
  try {
    const shown = order.map((i) => truncateWords(documents[i]!, maxDocumentWords));
    const shownScores = order.map((i) => scores[i]!);
    const response = await rankNonBlank(ranker, { topic, documents: shown, scores: shownScores, bm25, signal });
    const ms = performance.now() - began;
    const { scores: exact, attention, ...counts } = response;
    const inPlace = (values: readonly number[]) => {
      const [found, placed] = [toSingle(values), new Array<number>(ids.length)];
      assertScores(found, ids.length);
      for (const [place, i] of order.entries()) placed[i] = found[place]!;
      return placed;
    };
    const heads = attention && { attention: inPlace(attention) };
    return { ...base, status: "ok", ids, scores: inPlace(exact), ...heads, ms, ...counts };
  } catch (error) {
    signal?.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    return { ...base, status: "failed", ids: [], scores: [], ms: performance.now() - began, error: message };
  }
}

/** How far below the others a blank document is put. */
const BLANK_GAP = 1;

/**
 * Ranks the documents that are not blank. No method sees a blank one, and it comes last.
 */
async function rankNonBlank(ranker: OpenMethod, request: Request): Promise<Response> {
  const { documents, scores, bm25 } = request;
  const filled = documents.flatMap(({ title, text }, i) => (`${title ?? ""}${text}`.trim() === "" ? [] : [i]));
  if (filled.length === documents.length) return ranker.rank(request);
  if (filled.length === 0) return { scores: documents.map(() => 0) };
  const pick = <T>(list: readonly T[]) => filled.map((i) => list[i]!);
  const response = await ranker.rank({
    ...request,
    ...{ documents: pick(documents), scores: pick(scores) },
    bm25: async (words) => pick(await bm25(words)),
  });
  assertScores(response.scores, filled.length);
  const withBlank = (values: readonly number[]) => {
    const least = values.reduce((low, score) => Math.min(low, score), Number.POSITIVE_INFINITY);
    // Far enough below to be so in single precision too.
    const all = new Array<number>(documents.length).fill(least - Math.max(BLANK_GAP, Math.abs(least) * 1e-3));
    for (const [place, i] of filled.entries()) all[i] = values[place]!;
    return all;
  };
  const { scores: found, attention } = response;
  return { ...response, scores: withBlank(found), ...(attention && { attention: withBlank(attention) }) };
}

function fuse(task: string, topic: Topic, method: Method, journal: Journal): Outcome {
  const base = { task, query: topic.id, method: method.name, permutation: 0 };
  const parts = method.fuses!.map((name) => journal.get(outcomeKey({ ...base, method: name })));
  const failed = method.fuses!.filter((_, i) => parts[i]?.status !== "ok");
  if (failed.length > 0) {
    return {
      ...base,
      status: "failed",
      ids: [],
      scores: [],
      ms: 0,
      error: `No ranking by ${failed.join(", ")} to fuse`,
    };
  }
  const { ids } = parts[0]!;
  const values = parts.map((part) => part!.attention ?? part!.scores);
  const sum = (pick: (outcome: Outcome) => number) => parts.reduce((total, part) => total + pick(part!), 0);
  const tokens = sum((part) => part.tokens ?? 0);
  return {
    ...{ ...base, status: "ok", ids, ms: sum((part) => part.ms), ...(tokens > 0 && { tokens }) },
    scores: toSingle(
      method.weight === undefined
        ? fuseByRank(ids, values)
        : fuseScores(values[0]!, values[1]!, { weight: method.weight }),
    ),
  };
}

function record({ journal, onOutcome }: RunOptions, outcome: Outcome): void {
  journal.add(outcome);
  onOutcome?.(outcome, false);
}

/** Records outcomes as soon as those of all places before theirs are recorded. */
function inOrder(options: RunOptions): (place: number, outcome: Outcome) => void {
  const waiting = new Map<number, Outcome>();
  let next = 0;
  return (place, outcome) => {
    waiting.set(place, outcome);
    for (let found = waiting.get(next); found; found = waiting.get(next)) {
      record(options, found);
      waiting.delete(next);
      next += 1;
    }
  };
}

function isPermuted(method: Method): boolean {
  return method.seesOrder && !method.fuses;
}

/** Scores in single precision, as trec_eval reads them from a run: what is a tie there is one here too. */
function toSingle(scores: readonly number[]): number[] {
  return scores.map(Math.fround);
}

function assertScores(scores: readonly number[], count: number): void {
  const wrong = scores.findIndex((score) => !Number.isFinite(score));
  if (scores.length !== count || wrong !== -1) {
    throw new QRHeadError(
      "ENGINE_FAILED",
      `The method gave ${wrong === -1 ? `${counted(scores.length, "score")} for ${counted(count, "document")}` : `the score ${scores[wrong]}`}`,
    );
  }
}

/** The first words of a document's text, cut at single spaces as the published code cuts; 0 keeps all. */
export function truncateWords(document: RankDocument, limit: number): RankDocument {
  if (limit === 0) return document;
  const words = document.text.split(" ");
  return words.length <= limit ? document : { ...document, text: words.slice(0, limit).join(" ") };
}

/** A seeded permutation of 0 … count − 1 (Fisher and Yates). */
export function permute(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  const random = seededRandom(seed);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** FNV-1a, 32 bits: a seed for every query that does not depend on its neighbours. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text, "utf8")) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

function watchMemory() {
  let peak = process.memoryUsage.rss();
  const look = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, MEMORY_INTERVAL_MS).unref();
  return {
    peak() {
      look();
      return peak;
    },
    stop: () => clearInterval(timer),
  };
}
