import { InputError, QRHeadError, type QRHeadErrorCode } from "../errors.ts";
import type { Addon, Cancellation } from "./addon-types.ts";

const inputCodes: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "INVALID_INPUT",
  "HEADS_UNKNOWN",
  "HEADS_MISMATCH",
  "HEADS_INVALID",
]);

/** Makes a callback that the addon may call: what it throws stops the work and becomes the call's error. */
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
  const thrown: unknown[] = [];
  const guard: Guard = (callback) =>
    callback &&
    ((value) => {
      if (thrown.length > 0) return;
      try {
        callback(value);
      } catch (error) {
        thrown.push(error);
        cancellation.cancel();
      }
    });
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await work(cancellation, guard);
    if (thrown.length === 0) return result;
    throw thrown[0];
  } catch (error) {
    signal?.throwIfAborted();
    throw thrown.length > 0 ? thrown[0] : fromNative(error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** The typed error for one that the addon threw; anything else comes back as it is. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof QRHeadError) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  if (code === undefined) return error;
  if (inputCodes.has(code)) {
    return new InputError(code as ConstructorParameters<typeof InputError>[0], error.message, { cause: error });
  }
  if (code === "ABORTED") return new QRHeadError("ENGINE_FAILED", "The environment is shutting down", { cause: error });
  return new QRHeadError(code as QRHeadErrorCode, error.message, { cause: error });
}
