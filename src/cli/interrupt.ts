import { Interrupted } from "./failure.ts";

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
