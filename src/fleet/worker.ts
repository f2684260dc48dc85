import { hostname } from "node:os";
import { QRHeadError } from "../errors.ts";
import { WORKING } from "../options/fleet.ts";
import { valuesOf } from "../options/spec.ts";
import { type JobData, type JobResult, readJob } from "./job.ts";
import { connect } from "./redis.ts";
import { mayPass, writeError } from "./wire.ts";

/** Does the jobs of one kind. A job whose error may pass is tried again, here or on another worker. */
export type Handler = (payload: unknown) => Promise<unknown>;

export type WorkerOptions = {
  redis: string;
  queue?: string | undefined;
  handlers: Readonly<Record<string, Handler>>;
  /** Milliseconds after which the job of a worker that is gone goes to another, at least 1000. Defaults to 15,000. */
  lease?: number | undefined;
  /** Told that a job failed, and whether it is tried again. */
  onFailed?: ((label: string, error: Error, isLast: boolean) => void) | undefined;
  /** Told of trouble with Redis, once until it is over. */
  onTrouble?: ((message: string) => void) | undefined;
};

export type RunningWorker = {
  /** Where Redis is, without a password. */
  address: string;
  /** Takes no more jobs, and resolves when the running one is done. */
  close(): Promise<void>;
};

const DEFAULTS = valuesOf(WORKING);
/** A job fails if this many workers died with it, because the job may be the cause. */
const MOST_STALLS = 3;

/** Takes jobs from the queue, one at a time. @throws As `connect`. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { queue = DEFAULTS.queue, handlers, lease = DEFAULTS.lease, onFailed, onTrouble } = options;
  const { bullmq, connection, address } = await connect(options.redis);
  const name = `${hostname()}:${process.pid}`;
  const worker = new bullmq.Worker<JobData, JobResult>(
    queue,
    async (job) => {
      const began = performance.now();
      try {
        const { kind, payload } = readJob(job.data);
        const handler = Object.hasOwn(handlers, kind) ? handlers[kind] : undefined;
        if (!handler) throw new QRHeadError("QUEUE_FAILED", `No worker of this version runs jobs of the kind ${kind}`);
        return { value: await handler(payload), worker: name, ms: performance.now() - began };
      } catch (error) {
        const text = writeError(error);
        throw mayPass(error) ? new Error(text) : new bullmq.UnrecoverableError(text);
      }
    },
    {
      connection,
      name,
      concurrency: 1,
      lockDuration: lease,
      stalledInterval: lease,
      maxStalledCount: MOST_STALLS,
    },
  );
  let troubled = false;
  worker.on("error", (error) => {
    if (!troubled) onTrouble?.(`Redis at ${address}: ${(error as NodeJS.ErrnoException).code ?? error.message}`);
    troubled = true;
  });
  worker.on("completed", () => {
    troubled = false;
  });
  worker.on("failed", (job, error) => {
    if (!job) return;
    const isLast = error.name === "UnrecoverableError" || job.attemptsMade >= (job.opts.attempts ?? 1);
    onFailed?.(job.data.label, error, isLast);
  });
  await worker.waitUntilReady();
  return {
    address,
    async close() {
      await worker.close();
      connection.disconnect();
    },
  };
}
