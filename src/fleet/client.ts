import type { Queue, QueueEvents } from "bullmq";
import type { QRHeadError } from "../errors.ts";
import { SUBMITTING } from "../options/fleet.ts";
import { valuesOf } from "../options/spec.ts";
import { type Ask, idOf, type JobData, type JobResult, toJob } from "./job.ts";
import { connect, type Queues } from "./redis.ts";
import { readError } from "./wire.ts";

export type ClientOptions = {
  redis: string;
  queue?: string | undefined;
  /** Names the jobs of one run: the same run asks the same again and finds its jobs. */
  run: string;
  /** How often a job is tried, the first time included, at least 1. Defaults to 3. */
  attempts?: number | undefined;
  /** Milliseconds before the second try, doubled before every later one. Defaults to 1000. */
  backOff?: number | undefined;
  /** Begin anew: what earlier runs of the name left is not used. Defaults to `false`. */
  fresh?: boolean | undefined;
  /** Try jobs again that failed in an earlier run of the name. Defaults to `false`. */
  retry?: boolean | undefined;
  signal?: AbortSignal | undefined;
};

/** What came of a job, with the worker that did it and how many tries it took. */
export type Answer<T> = { value: T; worker: string; ms: number; attempts: number };

/** What a job that failed for good rejects with; `cause` is its error. */
export class JobFailed extends Error {
  override name = "JobFailed";
  override readonly cause: QRHeadError;
  readonly attempts: number;

  constructor(cause: QRHeadError, attempts: number) {
    super(cause.message);
    this.cause = cause;
    this.attempts = attempts;
  }
}

/** A job that failed for good, as it is listed. */
export type DeadLetter = {
  job: string;
  kind: string;
  label: string;
  attempts: number;
  code: string;
  message: string;
  at: string;
};

type Pending = {
  ask: Ask;
  promise: Promise<Answer<unknown>>;
  resolve: (answer: Answer<unknown>) => void;
  reject: (error: unknown) => void;
};

const DEFAULTS = valuesOf(SUBMITTING);
/** Results that nobody fetched are kept so long, in seconds. */
const KEEP_S = 7 * 24 * 3600;
/** Milliseconds between checks of jobs without an event: an event may be lost, or Redis may have lost its memory. */
const SWEEP_MS = 2000;

/** Asks workers, through a queue in Redis. Whatever process or connection ends, every question gets one answer. */
export class FleetClient implements AsyncDisposable {
  readonly address: string;
  readonly #options: ClientOptions;
  readonly #queues: Queues;
  readonly #queue: Queue<JobData, JobResult>;
  readonly #events: QueueEvents;
  readonly #pending = new Map<string, Pending>();
  readonly #asked = new Set<string>();
  readonly #sweep: NodeJS.Timeout;

  private constructor(options: ClientOptions, queues: Queues) {
    const { bullmq, connection, address } = queues;
    const name = options.queue ?? DEFAULTS.queue;
    this.address = address;
    this.#options = options;
    this.#queues = queues;
    this.#queue = new bullmq.Queue(name, { connection });
    this.#events = new bullmq.QueueEvents(name, { connection });
    // Connections come back by themselves. The sweep finds the events that were lost meanwhile.
    this.#queue.on("error", () => {});
    this.#events.on("error", () => {});
    for (const event of ["completed", "failed"] as const) {
      this.#events.on(event, ({ jobId }: { jobId: string }) => void this.#look(jobId));
    }
    this.#sweep = setInterval(() => {
      for (const id of this.#pending.keys()) void this.#look(id);
    }, SWEEP_MS);
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** @throws As `connect`. */
  static async open(options: ClientOptions): Promise<FleetClient> {
    options.signal?.throwIfAborted();
    return new FleetClient(options, await connect(options.redis));
  }

  /** The connection, for data beside the queue. */
  get queues(): Queues {
    return this.#queues;
  }

  /**
   * Has a worker do something.
   *
   * @throws JobFailed when it failed for good. @throws The signal's reason.
   */
  ask<T>(ask: Ask): Promise<Answer<T>> {
    const id = idOf(this.#options.run, ask);
    const known = this.#pending.get(id);
    if (known) return known.promise as Promise<Answer<T>>;
    this.#options.signal?.throwIfAborted();
    let settle!: Pick<Pending, "resolve" | "reject">;
    const promise = new Promise<Answer<unknown>>((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#pending.set(id, { ask, promise, ...settle });
    this.#begin(id, ask).catch((error: unknown) => this.#settle(id)?.reject(error));
    return promise as Promise<Answer<T>>;
  }

  /** Removes the result of a question that was asked, once it is kept elsewhere. */
  async forget(ask: Ask): Promise<void> {
    await this.#remove(idOf(this.#options.run, ask), "completed");
  }

  /** Removes every result that this client asked for. */
  async forgetAll(): Promise<void> {
    for (const id of this.#asked) await this.#remove(id, "completed");
  }

  /** Jobs of the queue that failed for good, of all runs, the oldest first. */
  async deadLetters(): Promise<DeadLetter[]> {
    const jobs = await this.#queue.getFailed();
    return jobs
      .map((job): DeadLetter => {
        const { code, message } = readError(job.failedReason);
        const { kind, label } = job.data as JobData;
        const attempts = Math.max(job.attemptsMade, job.stalledCounter);
        return {
          ...{ job: job.id!, kind, label, attempts, code, message },
          at: new Date(job.finishedOn ?? 0).toISOString(),
        };
      })
      .sort((a, b) => a.at.localeCompare(b.at));
  }

  /** Removes dead letters. @returns How many. */
  async removeDeadLetters(): Promise<number> {
    const letters = await this.deadLetters();
    for (const { job } of letters) await this.#remove(job, "failed");
    return letters.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweep);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    const { connection } = this.#queues;
    // Closing waits for a connection that may not come back.
    if (connection.status === "ready") {
      await Promise.allSettled([this.#events.close(), this.#queue.close()]);
      await connection.quit().catch(() => {});
    } else {
      this.#events.disconnect().catch(() => {});
      connection.disconnect();
    }
  }

  readonly #onAbort = () => {
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(this.#options.signal?.reason);
  };

  async #begin(id: string, ask: Ask): Promise<void> {
    const { fresh, retry } = this.#options;
    if (!this.#asked.has(id)) {
      if (fresh) await this.#remove(id, "completed");
      if (fresh || retry) await this.#remove(id, "failed");
    }
    this.#asked.add(id);
    await this.#add(id, ask);
    await this.#look(id);
  }

  /** Does nothing where there is a job of the id. */
  async #add(id: string, ask: Ask): Promise<void> {
    const { attempts = DEFAULTS.attempts, backOff = DEFAULTS.backOff } = this.#options;
    await this.#queue.add(ask.kind, toJob(ask), {
      jobId: id,
      attempts,
      backoff: { type: "exponential", delay: backOff },
      removeOnComplete: { age: KEEP_S },
      removeOnFail: false,
    });
  }

  async #look(id: string): Promise<void> {
    if (!this.#pending.has(id)) return;
    try {
      const state = await this.#queue.getJobState(id);
      const pending = this.#pending.get(id);
      // Redis was started again without its data.
      if (state === "unknown" && pending) return await this.#add(id, pending.ask);
      if (state !== "completed" && state !== "failed") return;
      const job = await this.#queue.getJob(id);
      if (!job) return;
      const settled = this.#settle(id);
      const attempts = Math.max(1, job.attemptsMade, job.attemptsStarted);
      if (state === "completed") settled?.resolve({ ...job.returnvalue, attempts });
      else settled?.reject(new JobFailed(readError(job.failedReason), attempts));
    } catch {
      // The connection is lost: the next sweep tries again.
    }
  }

  #settle(id: string): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  async #remove(id: string, state: "completed" | "failed"): Promise<void> {
    if ((await this.#queue.getJobState(id)) === state) await this.#queue.remove(id);
  }
}

/** What a failed job ended with; other errors are thrown on. */
export function failureOf(error: unknown): JobFailed {
  if (error instanceof JobFailed) return error;
  throw error;
}
