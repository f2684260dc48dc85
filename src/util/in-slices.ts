import { setImmediate as nextTurn } from "node:timers/promises";

/** How long a calculation may hold the event loop. */
const SLICE_MS = 15;
/** Steps between two looks at the clock. */
const LOOK = 8;

/** A calculation that stops after each of its steps, and may go on whenever its caller likes. */
export type Steps<T> = Generator<undefined, T>;

/**
 * Finishes a calculation while other work of the event loop goes on between its steps.
 *
 * @throws The signal's reason when it is aborted.
 */
export async function inSlices<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  let began = performance.now();
  for (let count = 1; ; count++) {
    const { done, value } = steps.next();
    if (done) return value;
    if (count % LOOK !== 0 || performance.now() - began < SLICE_MS) continue;
    await nextTurn();
    signal?.throwIfAborted();
    began = performance.now();
  }
}

/** Finishes a calculation in one go. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The values of a sequence, in which `undefined` is a step without one. */
export function* collect<T>(values: Iterable<T | undefined>): Steps<T[]> {
  const found: T[] = [];
  for (const value of values) {
    if (value === undefined) yield;
    else {
      found.push(value);
      if (found.length % 64 === 0) yield;
    }
  }
  return found;
}
