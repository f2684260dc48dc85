import type { RankOptions, RankResult } from "../index.ts";
import { HttpError } from "./failure.ts";

/** What ranks: a retriever with the documents of a request, or a corpus. */
export type Target = {
  rank(query: string, options: RankOptions): Promise<RankResult>;
  rankMany(queries: readonly string[], options: RankOptions): AsyncIterable<RankResult>;
};

export type RankJob = {
  /** Jobs of one key differ in their query alone, and are done in one pass. */
  key: string;
  query: string;
  options: RankOptions;
  open: () => Promise<Target>;
};

type Entry = {
  job: RankJob | { work: (signal: AbortSignal) => Promise<unknown> };
  signal: AbortSignal;
  asked: number;
  /** Run alone, because a pass together with others failed. */
  alone: boolean;
  settled: boolean;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
};

/** What a queue tells of its work, for metrics. */
export type QueueEvents = { onBegin?: (waitMs: number) => void; onGroup?: (queries: number) => void };

/** Queries of one pass. */
const MOST_IN_GROUP = 64;
/** Milliseconds that a job is assumed to take before any was done. */
const FIRST_GUESS_MS = 1000;

/**
 * The requests of one model: one at a time, in the order they came, no more than `bound` waiting. Rankings that wait and
 * differ in their query alone are done together, and the documents are read once.
 */
export class Queue {
  readonly #bound: number;
  readonly #events: QueueEvents;
  readonly #waiting: Entry[] = [];
  #running = false;
  /** Moving mean of milliseconds a job. */
  #pace = FIRST_GUESS_MS;
  #idle: (() => void)[] = [];

  constructor(bound: number, events: QueueEvents = {}) {
    this.#bound = bound;
    this.#events = events;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get busy(): boolean {
    return this.#running || this.#waiting.length > 0;
  }

  /** @throws HttpError 429 when the queue is full; the signal's reason; what the ranking throws. */
  rank(job: RankJob, signal: AbortSignal): Promise<RankResult> {
    return this.#add(job, signal);
  }

  /** Has the model for itself. @throws As `rank`. */
  run<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#add({ work }, signal);
  }

  /** Resolves when nothing runs and nothing waits. */
  async onIdle(): Promise<void> {
    if (this.busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #add<T>(job: Entry["job"], signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#waiting.length >= this.#bound) {
      const seconds = Math.max(1, Math.ceil((this.#pace * this.#waiting.length) / 1000));
      throw new HttpError(429, `The queue is full: ${this.#bound} requests wait`, undefined, seconds);
    }
    return new Promise<T>((resolve, reject) => {
      const entry: Entry = { job, signal, asked: performance.now(), alone: false, settled: false, resolve, reject };
      const settle = (end: () => void) => {
        if (entry.settled) return;
        entry.settled = true;
        signal.removeEventListener("abort", onAbort);
        end();
      };
      const onAbort = () => {
        const position = this.#waiting.indexOf(entry);
        if (position !== -1) this.#waiting.splice(position, 1);
        entry.reject(signal.reason);
        this.#endIfIdle();
      };
      entry.resolve = (value) => settle(() => resolve(value));
      entry.reject = (error) => settle(() => reject(error));
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(entry);
      void this.#next();
    });
  }

  async #next(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let first = this.#waiting.shift(); first; first = this.#waiting.shift()) {
      const group = [first, ...this.#alike(first)];
      const began = performance.now();
      for (const { asked } of group) this.#events.onBegin?.(began - asked);
      if (group.length > 1) this.#events.onGroup?.(group.length);
      await this.#perform(group);
      this.#pace = 0.8 * this.#pace + (0.2 * (performance.now() - began)) / group.length;
    }
    this.#running = false;
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (!this.busy) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Takes those out of the queue that can be done with an entry. */
  #alike({ job, alone }: Entry): Entry[] {
    if (alone || !("key" in job)) return [];
    const found = this.#waiting
      .filter((other) => !other.alone && "key" in other.job && other.job.key === job.key)
      .slice(0, MOST_IN_GROUP - 1);
    for (const one of found) this.#waiting.splice(this.#waiting.indexOf(one), 1);
    return found;
  }

  async #perform(group: Entry[]): Promise<void> {
    const controller = new AbortController();
    const onAbort = () => {
      // Other jobs still need the pass.
      if (group.every((one) => one.signal.aborted || one.settled)) controller.abort(group[0]!.signal.reason);
    };
    for (const { signal } of group) signal.addEventListener("abort", onAbort, { once: true });
    const [first] = group as [Entry];
    const { signal } = controller;
    try {
      if (!("key" in first.job)) return first.resolve((await first.job.work(signal)) as never);
      const target = await first.job.open();
      const options = { ...first.job.options, signal };
      if (group.length === 1) return first.resolve((await target.rank(first.job.query, options)) as never);
      const queries = group.map(({ job }) => (job as RankJob).query);
      let answered = 0;
      for await (const result of target.rankMany(queries, options)) group[answered++]!.resolve(result as never);
    } catch (error) {
      const left = group.filter(({ settled }) => !settled);
      if (group.length === 1 || signal.aborted) for (const { reject } of left) reject(error);
      else {
        // One of them may be the cause, so run each alone.
        for (const one of left) one.alone = true;
        this.#waiting.unshift(...left);
      }
    } finally {
      for (const one of group) one.signal.removeEventListener("abort", onAbort);
    }
  }
}
