import { fieldsOf } from "./kinds.ts";

/** What a signal must have; those of polyfills and of other realms (a test environment, an iframe, a vm) have it too. */
type SignalLike = {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
};

const own = new WeakMap<object, AbortSignal>();

export function isSignal(value: unknown): value is AbortSignal {
  const { aborted, addEventListener } = fieldsOf<SignalLike>(value);
  return typeof aborted === "boolean" && typeof addEventListener === "function";
}

/**
 * The signal itself, or one of this realm that a foreign one sets: Node takes no other, and a polyfill's may lack
 * `throwIfAborted` and `reason`. One for each, so that a foreign signal that lives long gathers no listeners.
 */
export function ownSignal(signal: AbortSignal): AbortSignal;
export function ownSignal(signal: AbortSignal | undefined): AbortSignal | undefined;
export function ownSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  const foreign = signal as SignalLike;
  const known = own.get(foreign);
  if (known) return known;
  const controller = new AbortController();
  const abort = () => controller.abort(foreign.reason);
  if (foreign.aborted) abort();
  else foreign.addEventListener("abort", abort, { once: true });
  own.set(foreign, controller.signal);
  return controller.signal;
}

/** Runs work with a signal that any of these sets, with its reason. Nothing is left on them when the work has ended. */
export async function underSignals<T>(
  signals: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const stopFollowing = signals.map((signal) => follow(signal, controller));
  try {
    return await work(controller.signal);
  } finally {
    for (const stop of stopFollowing) stop();
  }
}

/** Has a signal abort a controller, with its reason. @returns What ends that. */
export function follow(signal: AbortSignal | undefined, controller: AbortController): () => void {
  const abort = () => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  return () => signal?.removeEventListener("abort", abort);
}

/** What `work` comes to, or the signal's reason as soon as it is aborted: for work that may not hear the signal itself. */
export function orAborted<T>(work: T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal?.removeEventListener("abort", abort));
  });
}
