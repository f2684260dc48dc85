import { invalidArgument } from "../errors.ts";
import { isSignal, ownSignal } from "../util/abort-signal.ts";
import type { Functions } from "./connection.ts";
import type { CallHooks } from "./supervisor.ts";

/** Options in their two parts: what can be copied, and the signal and functions, which stay here. */
export function splitOptions(given: object | undefined): CallHooks & { options: object } {
  const options: Record<string, unknown> = {};
  const functions: Functions = {};
  let signal: AbortSignal | undefined;
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined) continue;
    if (name === "signal") {
      if (!isSignal(value)) throw invalidArgument("signal", "an AbortSignal", value);
      signal = ownSignal(value);
    } else if (typeof value === "function") functions[name] = value as Functions[string];
    else options[name] = value;
  }
  return { options, signal, functions };
}

/** The result with the wait here, which is where calls wait for each other. */
export function withWait<T extends { timings: { waitMs?: number } }>({
  value,
  waitMs,
}: {
  value: T;
  waitMs: number;
}): T {
  return { ...value, timings: { ...value.timings, waitMs: (value.timings.waitMs ?? 0) + waitMs } };
}
