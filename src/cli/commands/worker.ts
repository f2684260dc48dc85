import type { Command } from "commander";
import type { Redis } from "ioredis";
import { connect } from "../../fleet/redis.ts";
import { RERANK, rerankHandler } from "../../fleet/rerank.ts";
import { setupOf } from "../../fleet/setup.ts";
import { type RunningWorker, startWorker } from "../../fleet/worker.ts";
import { IsolatedRetriever } from "../../isolate/index.ts";
import { WORKING } from "../../options/fleet.ts";
import { type FlagsOf, valuesOf } from "../../options/spec.ts";
import type { LoadOptions } from "../../options.ts";
import { defined } from "../flags.ts";
import { detectHandlers } from "../fleet/detect.ts";
import { OneEngine } from "../fleet/engines.ts";
import { evalHandlers } from "../fleet/eval.ts";
import { addHelp } from "../help.ts";
import { modelLabel } from "../model-label.ts";
import {
  addCommonOptions,
  addDeviceOptions,
  addHeadsOption,
  addOptions,
  addPassOptions,
  addPromptOptions,
  type CommonFlags,
  type ModelFlags,
  type PassFlags,
  type PromptFlags,
  toLoadOptions,
  toPassOptions,
} from "../options.ts";
import { note, oneLine, print, warn } from "../output.ts";
import { untilStopped } from "../until-stopped.ts";

type WorkerFlags = CommonFlags &
  ModelFlags &
  PromptFlags &
  PassFlags &
  FlagsOf<typeof WORKING, "redis"> & { heads?: string };

const HELP = {
  everyday: ["--redis", "--model", "--heads", "--queue", "--root", "--lease"],
  examples: [
    "qrhead worker --redis redis://127.0.0.1:6379",
    "qrhead worker --redis redis://127.0.0.1:6379 -m my.gguf --heads my-heads.json --queue mine --threads 4",
  ],
  details: `
Runs the jobs of qrhead submit, one at a time: rerank, eval and detect. Start as many workers as machines and memory allow.
The worker sets model, heads and prompt; a job brings queries and documents, and may only name files below a --root.
Ctrl+C and SIGTERM stop the worker after its job; the job of a killed worker goes to another.

Needs Redis, and: npm install bullmq ioredis. QRHEAD_REDIS_URL is the default of --redis.`,
};

/** `qrhead worker`: takes jobs of `qrhead submit` from Redis. */
export function registerWorker(program: Command): void {
  const command = program.command("worker").description("run jobs that qrhead submit puts into Redis");
  addOptions(command, Object.values(WORKING));
  addPassOptions(addPromptOptions(addHeadsOption(addDeviceOptions(command))));
  addHelp(addCommonOptions(command), HELP).action(work);
}

async function work(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<WorkerFlags>();
  const { redis, root = [], prompt, nullQuery, quiet = false } = flags;
  const { queue, lease } = { ...valuesOf(WORKING), ...flags };
  const load: LoadOptions = defined({ ...toLoadOptions(flags), prompt, nullQuery, ...toPassOptions(flags) });
  const stopped = untilStopped();
  const starting = start({ redis, queue, roots: root, lease, load, quiet });
  // A worker that is stopped while its model loads takes no job.
  const running = await Promise.race([starting, stopped]);
  if (!running) {
    starting.catch(() => {});
    process.exit(0);
  }
  print(oneLine(`qrhead worker ready: ${running.model}, queue ${queue} of ${running.worker.address}`));
  await stopped;
  await running.worker.close();
  await running.engine[Symbol.asyncDispose]();
  process.exit(0);
}

type Settings = {
  redis: string;
  queue: string;
  roots: readonly string[];
  lease: number;
  load: LoadOptions;
  quiet: boolean;
};

async function start(settings: Settings) {
  const { connection } = await connect(settings.redis);
  const engine = new OneEngine();
  try {
    return await startWith(settings, connection, engine);
  } catch (error) {
    // Either would keep the process running.
    connection.disconnect();
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

async function startWith({ redis, queue, roots, lease, load, quiet }: Settings, connection: Redis, engine: OneEngine) {
  const retriever = () => engine.use("rerank", () => IsolatedRetriever.load(load));
  // Load the model now, so that a model that fails to load is reported once and not with every job.
  const loaded = await retriever();
  const setup = await setupOf(loaded, load);
  const worker: RunningWorker = await startWorker({
    ...{ redis, queue, lease },
    handlers: {
      [RERANK]: rerankHandler(retriever, setup, connection),
      ...evalHandlers(engine, { load, roots, setup }),
      ...detectHandlers(engine, load),
    },
    onFailed: (label, error, isLast) => {
      if (quiet) return;
      const { message } = parsed(error.message);
      note(oneLine(`${label}: ${message}${isLast ? "" : "; it is tried again"}`));
    },
    onTrouble: warn,
  });
  return { worker, engine, model: `${modelLabel(loaded.model)} with ${loaded.headSet}` };
}

function parsed(text: string): { message: string } {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}
