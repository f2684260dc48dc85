import { Interrupted } from "./failure.ts";

/** How long an interrupted process may take to end by itself. */
const GRACE_MS = 300;

/**
 * A signal that the first Ctrl+C sets, so that running work ends in order. The second one ends the process at once, for
 * work that cannot be stopped halfway.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    // Not `once`: a listener that is gone by then leaves the signal to libraries that end the process when nobody else listens.
    const listener = () => {
      if (!controller.signal.aborted) return controller.abort(new Interrupted());
      process.off(name, listener);
      process.kill(process.pid, name);
    };
    process.on(name, listener);
  }
  return controller.signal;
}

/**
 * Waits for a system call or for Ctrl+C. Opening a pipe without a writer cannot be cancelled, so the call is abandoned.
 * Rejects with the signal's reason.
 */
export async function heard<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {};
  const interrupted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    signal.removeEventListener("abort", stop);
    // Both may settle after the race.
    work.catch(() => {});
    interrupted.catch(() => {});
  }
}

/** Ends an interrupted process although a system call still waits, which keeps `process.exit` from returning. */
export function endSoon(): void {
  setTimeout(() => {
    process.removeAllListeners("SIGINT");
    process.kill(process.pid, "SIGINT");
  }, GRACE_MS).unref();
}
