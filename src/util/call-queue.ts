import PQueue from "p-queue";
import { QRHeadError } from "../errors.ts";

/** What frees memory goes before calls that wait. */
const FIRST = { priority: 1 };

/**
 * Runs calls one after another in the order made, until it is closed. Several queues may share what they run on, of which
 * one call runs at a time, whosever it is.
 */
export class CallQueue {
  readonly #lane: PQueue;
  readonly #what: string;
  /** Calls of this queue that wait. */
  readonly #waiting = new Set<AbortController>();
  #closed: Promise<void> | undefined;

  /**
   * @param what What an error says has been disposed.
   * @param beside A queue whose calls these must not run beside.
   */
  constructor(what: string, beside?: CallQueue) {
    this.#what = what;
    this.#lane = beside ? beside.#lane : new PQueue({ concurrency: 1 });
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Calls that wait for the running one, those of queues beside it included. */
  get pending(): number {
    return this.#lane.size;
  }

  /**
   * Runs work when all before it is done. The signal ends the wait only: the next call must not begin inside this one.
   *
   * @throws The signal's reason, also where the work has ended meanwhile; QRHeadError `DISPOSED` when it is closed.
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    this.assertOpen();
    const waiting = new AbortController();
    this.#waiting.add(waiting);
    const onAbort = () => waiting.abort(signal?.reason);
    const stopWaiting = () => {
      this.#waiting.delete(waiting);
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#lane.add(
        () => {
          stopWaiting();
          this.assertOpen();
          return work();
        },
        { signal: waiting.signal },
      );
    } finally {
      stopWaiting();
      signal?.throwIfAborted();
    }
  }

  /** Runs work that frees something when the running call is done, also where it is closed. */
  release(work: () => Promise<void>): Promise<void> {
    return this.#lane.add(work, FIRST);
  }

  /** Takes no more calls, rejects those that wait, and does work, which may `release`. Idempotent. */
  close(work: () => Promise<void>): Promise<void> {
    if (!this.#closed) {
      // First, so that what the work calls finds it closed.
      let begin = () => {};
      const begun = new Promise<void>((resolve) => {
        begin = resolve;
      });
      this.#closed = begun.then(work);
      for (const waiting of this.#waiting) waiting.abort(this.#disposed());
      begin();
    }
    return this.#closed;
  }

  assertOpen(): void {
    if (this.#closed) throw this.#disposed();
  }

  #disposed(): QRHeadError {
    return new QRHeadError("DISPOSED", `The ${this.#what} has been disposed`);
  }
}
