import { InputError, QRHeadError, type QRHeadErrorCode } from "../errors.ts";
import type { Addon, Cancellation } from "./addon-types.ts";

const inputCodes: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "INVALID_INPUT",
  "HEADS_UNKNOWN",
  "HEADS_MISMATCH",
  "HEADS_INVALID",
  "CORPUS_INVALID",
]);

/**
 * Makes a callback that the addon may call. What it throws stops the work and becomes the call's error; a report that is
 * delivered after the work's end is too late and dropped.
 */
export type Guard = (callback: ((value: number) => void) | undefined) => ((value: number) => void) | undefined;

/**
 * Runs native work that an AbortSignal may stop.
 *
 * Rejects with the signal's own reason when it was aborted, with what a guarded callback threw, else with the class of
 * src/errors.ts that the native code stands for, so that the stack is the caller's and not the thread pool's.
 */
export async function callNative<T>(
  addon: Addon,
  signal: AbortSignal | undefined,
  work: (cancellation: Cancellation, guard: Guard) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const cancellation = new addon.Cancellation();
  const onAbort = () => cancellation.cancel();
  let ended = false;
  let thrown: { error: unknown } | null = null;
  const guard: Guard = (callback) =>
    callback &&
    ((value) => {
      if (ended || thrown) return;
      try {
        callback(value);
      } catch (error) {
        thrown = { error };
        cancellation.cancel();
      }
    });
  const throwThrown = () => {
    if (thrown) throw thrown.error;
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await work(cancellation, guard);
    throwThrown();
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    throwThrown();
    throw fromNative(error);
  } finally {
    ended = true;
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Reports of one phase. They come from another thread and the last may be too late, so `finish` sends it. */
export function reporter<Phase extends string>(
  onProgress: ((progress: { phase: Phase; done: number; total: number }) => void) | undefined,
  phase: Phase,
  total: number,
) {
  let last = 0;
  const report = (done: number) => {
    last = done;
    onProgress?.({ phase, done, total });
  };
  const finish = () => {
    if (last < total) report(total);
  };
  return { report, finish };
}

/** The typed error for one that the addon threw; anything else comes back as it is. */
function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof QRHeadError) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  if (code === undefined) return error;
  if (inputCodes.has(code)) {
    return new InputError(code as ConstructorParameters<typeof InputError>[0], error.message, { cause: error });
  }
  if (code === "ABORTED") return new QRHeadError("ENGINE_FAILED", "The environment is shutting down", { cause: error });
  return new QRHeadError(code as QRHeadErrorCode, error.message, { cause: error });
}
