import { setImmediate as nextTurn } from "node:timers/promises";

/** How long a calculation may hold the event loop. */
const SLICE_MS = 15;
/** Steps between two looks at the clock. */
const STEPS = 64;

/**
 * What a calculation gives, step by step, while other work of the event loop goes on between its steps.
 *
 * @param steps Values, and `undefined` for a step that gave none.
 * @throws The signal's reason when it is aborted.
 */
export async function inSlices<T>(steps: Iterable<T | undefined>, signal?: AbortSignal): Promise<T[]> {
  signal?.throwIfAborted();
  const values: T[] = [];
  let began = performance.now();
  let count = 0;
  for (const value of steps) {
    if (value !== undefined) values.push(value);
    if (++count % STEPS !== 0 || performance.now() - began < SLICE_MS) continue;
    await nextTurn();
    signal?.throwIfAborted();
    began = performance.now();
  }
  return values;
}

/** The same in one go. */
export function atOnce<T>(steps: Iterable<T | undefined>): T[] {
  const values: T[] = [];
  for (const value of steps) if (value !== undefined) values.push(value);
  return values;
}
