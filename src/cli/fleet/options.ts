import { createHash } from "node:crypto";
import { hostname } from "node:os";
import path from "node:path";
import type { Command, Option } from "commander";
import { type ClientOptions, FleetClient } from "../../fleet/client.ts";
import { DEFAULT_QUEUE } from "../../fleet/job.ts";
import { type CommonFlags, integerOption, textOption } from "../options.ts";

/** Flags of everything that is submitted. */
export type SubmitFlags = CommonFlags & {
  redis: string;
  queue: string;
  output: string;
  attempts: number;
  backOff: number;
  inFlight: number;
  resume?: boolean;
  retry?: boolean;
  force?: boolean;
};

/** `--redis`, which `QRHEAD_REDIS_URL` gives a default: a command line shows a password to everybody. */
export function redisOption(): Option {
  if (process.env.QRHEAD_REDIS_URL === "") delete process.env.QRHEAD_REDIS_URL;
  return textOption("--redis <URL>", "address of Redis", "an address").env("QRHEAD_REDIS_URL").makeOptionMandatory();
}

export function addQueueOptions(command: Command): Command {
  return command
    .addOption(redisOption())
    .addOption(textOption("--queue <NAME>", "queue of the workers", "a name").default(DEFAULT_QUEUE, DEFAULT_QUEUE));
}

export function addSubmitOptions(command: Command): Command {
  return addQueueOptions(command)
    .addOption(textOption("-o, --output <OUT>", "file of results, JSON Lines", "a path").makeOptionMandatory())
    .option("--resume", "continue the file of a submission that ended")
    .option("--retry", "with --resume: retry failed jobs")
    .option("--force", "start over if the file exists")
    .addOption(integerOption("--attempts <N>", "attempts per job", 1, 100).default(3, "3"))
    .addOption(
      integerOption(
        "--back-off <MS>",
        "milliseconds before the second attempt, doubled for later ones",
        1,
        600_000,
      ).default(1000, "1000"),
    )
    .addOption(integerOption("--in-flight <N>", "jobs in Redis at once", 1, 10_000).default(64, "64"));
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
