import PQueue from "p-queue";
import { QRHeadError } from "../errors.ts";

/** Runs calls one after another in the order made, until it is closed. */
export class CallQueue {
  readonly #queue = new PQueue({ concurrency: 1 });
  readonly #what: string;
  #closed: Promise<void> | undefined;

  /** @param what What an error says has been disposed. */
  constructor(what: string) {
    this.#what = what;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
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
    const onAbort = () => waiting.abort(signal?.reason);
    const stopListening = () => signal?.removeEventListener("abort", onAbort);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#queue.add(
        () => {
          stopListening();
          this.assertOpen();
          return work();
        },
        { signal: waiting.signal },
      );
    } finally {
      stopListening();
      signal?.throwIfAborted();
    }
  }

  /** The same for work that frees something, which is done although it is closed. */
  release(work: () => Promise<void>): Promise<void> {
    return this.#queue.add(work);
  }

  /** Takes no more calls, and runs work when the running one is done; calls that wait are rejected. Idempotent. */
  close(work: () => Promise<void>): Promise<void> {
    this.#closed ??= this.#queue.onIdle().then(work);
    return this.#closed;
  }

  assertOpen(): void {
    if (this.#closed) throw new QRHeadError("DISPOSED", `The ${this.#what} has been disposed`);
  }
}
