import { Interrupted } from "./failure.ts";

/**
 * A signal that the first Ctrl+C sets, so that running work ends in order. The second one ends the process at once, for
 * work that cannot be stopped halfway.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      controller.abort(new Interrupted());
    });
  }
  return controller.signal;
}
