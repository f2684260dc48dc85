import { createHash } from "node:crypto";
import { hostname } from "node:os";
import path from "node:path";
import { type ClientOptions, FleetClient } from "../../fleet/client.ts";
import { SUBMITTING } from "../../options/fleet.ts";
import { type FlagsOf, valuesOf } from "../../options/spec.ts";
import type { CommonFlags } from "../options.ts";

/** Flags of everything that is submitted. */
export type SubmitFlags = CommonFlags & FlagsOf<typeof SUBMITTING, "redis" | "output">;

/** Jobs in Redis at once. */
export function jobsAtOnce({ inFlight = valuesOf(SUBMITTING).inFlight }: SubmitFlags): number {
  return inFlight;
}

/** A client whose jobs belong to the results file: another submission into it finds them. */
export function openClient(flags: SubmitFlags, signal: AbortSignal): Promise<FleetClient> {
  const { redis, queue, attempts, backOff, resume = false, retry = false } = flags;
  const options: ClientOptions = { redis, queue, run: runOf(flags.output), attempts, backOff, retry, signal };
  return FleetClient.open({ ...options, fresh: !resume });
}

function runOf(output: string): string {
  return createHash("sha256")
    .update(`${hostname()}:${path.resolve(output)}`)
    .digest("hex")
    .slice(0, 12);
}
